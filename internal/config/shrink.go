package config

import (
	"strconv"
	"strings"
)

// Shrink is how much of something a change may remove without being confirmed, in
// percent. 0: all of it.
type Shrink int

// defaultShrink lets pass what people do, and stops what is left of a file after an
// accident, which is mostly little.
const defaultShrink Shrink = 50

// What is smaller than this is not guarded: a large part of little is removed on
// purpose every day.
const (
	leastRecords = 1000 // of a zone
	leastZones   = 20   // of a configuration or a catalog
)

// StopsRecords reports whether a change from so many records of a zone to so many is
// to be confirmed.
func (s Shrink) StopsRecords(before, after int) bool { return s.stops(before, after, leastRecords) }

// StopsZones reports whether a change is to be confirmed that leaves so many of so many
// zones of a configuration or a catalog.
func (s Shrink) StopsZones(before, after int) bool { return s.stops(before, after, leastZones) }

func (s Shrink) stops(before, after, least int) bool {
	return s > 0 && before >= least && (before-after)*100 > before*int(s)
}

// String returns the percentage as it is written in a configuration.
func (s Shrink) String() string {
	if s == 0 {
		return "off"
	}
	return strconv.Itoa(int(s)) + "%"
}

// shrink reads a percentage, or `off`.
func (v value) shrink() Shrink {
	s, ok := v.scalar()
	if !ok {
		return 0
	}
	if s == "off" {
		return 0
	}
	number, isPercent := strings.CutSuffix(s, "%")
	n, err := strconv.Atoi(strings.TrimSpace(number))
	if !isPercent || err != nil || n < 1 || n > 99 {
		v.fail("%q is no part that a change may remove; write 1%% to 99%%, or off", s)
	}
	return Shrink(n)
}
