package config

import (
	"strconv"
	"strings"
)

// Shrink is the percentage of records or zones that a change may remove without
// confirmation. 0: all of them.
type Shrink int

// defaultShrink allows usual changes. It stops truncated files, which usually have few records
// left.
const defaultShrink Shrink = 50

// Smaller sets are not protected: removing most of a few records is a usual change.
const (
	leastRecords = 1000 // of a zone
	leastZones   = 20   // of a configuration or a catalog
)

// StopsRecords reports whether a change from before to after records of a zone needs
// confirmation.
func (s Shrink) StopsRecords(before, after int) bool { return s.stops(before, after, leastRecords) }

// StopsZones reports whether a change of the number of zones, in the configuration or in a
// catalog, needs confirmation.
func (s Shrink) StopsZones(before, after int) bool { return s.stops(before, after, leastZones) }

func (s Shrink) stops(before, after, least int) bool {
	return s > 0 && before >= least && (before-after)*100 > before*int(s)
}

// String returns the percentage as in a configuration.
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
		v.fail("%q is not a percentage; write 1%% to 99%%, or off", s)
	}
	return Shrink(n)
}
