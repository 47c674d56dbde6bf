// Package dataset makes the zones and questions of the benchmarks.
//
// A data set has a name that says what is in it, for instance `v4-1M`:
//
//	v4-N     one zone 10.in-addr.arpa with N PTR records: /24 networks in mixed
//	         order, 200 addresses in each (256 above 13,107,200 records)
//	v6-N     one zone 8.b.d.0.1.0.0.2.ip6.arpa with N PTR records: a /48 for each
//	         customer, 4 /64 networks in each, 50 addresses in each: a half with a
//	         small number, a quarter EUI-64, a quarter random
//	many-N   N zones of a /24 each, with 20 to 80 PTR records
//	made4-N  those records of v4-N that are in the range Made4, with names as a server makes
//	         them by the template dyn-{dashed}.example.net
//	made6-N  likewise of v6-N in the range Made6, by dyn-{padded}.example.net
//
// N is a number, with k for thousand or M for million. Nine questions in ten are for names
// that are there, one for a name that is not: in v4 and many mostly a free
// address next to used ones, in v6 mostly a free address in a used network.
//
// Everything follows from the name and from arithmetic on the number of a record,
// so that the same name gives the same octets on every machine, and no memory is taken
// however large the set is: record i is found from its address as well as the address from i.
package dataset

import (
	"fmt"
	"strconv"
	"strings"
)

// Set is one data set.
type Set struct {
	Name  string
	Count int // N: records, or zones of `many`
	shape shape
}

// shape is what the kinds of sets have of their own.
type shape interface {
	// zones calls f for each zone.
	zones(f func(z *Zone))
	// present returns the address of some record, missing one without a record.
	present(r *random) address
	missing(r *random) address
}

// Zone is one zone of a set.
type Zone struct {
	Apex    string // without the final dot
	Records func(f func(owner []byte, a address))
}

// Limits of N. More addresses are not in the prefixes.
const (
	maxV4   = 1 << 24
	maxV6   = 10_000_000
	maxMany = 1_000_000
)

// Parse returns the set of a name.
func Parse(name string) (*Set, error) {
	kind, size, _ := strings.Cut(name, "-")
	digits, unit := size, 1
	if d, ok := strings.CutSuffix(size, "k"); ok {
		digits, unit = d, 1000
	} else if d, ok := strings.CutSuffix(size, "M"); ok {
		digits, unit = d, 1_000_000
	}
	n, err := strconv.Atoi(digits)
	limit := map[string]int{"v4": maxV4, "made4": maxV4, "v6": maxV6, "made6": maxV6, "many": maxMany}[kind]
	if err != nil || n < 1 || limit == 0 || n > limit/unit {
		return nil, fmt.Errorf("data set %q: there are v4-N and made4-N up to 16M, v6-N and made6-N up to 10M and many-N up to 1M, as v4-1k, v6-1M, many-10k", name)
	}
	s := &Set{Name: name, Count: n * unit}
	switch kind {
	case "v4":
		s.shape = newV4(s.Count)
	case "made4":
		s.shape = made{newV4(s.Count)}
	case "v6":
		s.shape = v6{s.Count}
	case "made6":
		s.shape = made{v6{s.Count}}
	default:
		s.shape = many{s.Count}
	}
	return s, nil
}

// Zones calls f for each zone, in order.
func (s *Set) Zones(f func(z *Zone)) { s.shape.zones(f) }

// Question is a question for PTR and the answer to it.
type Question struct {
	Name   string // without the final dot
	Target string // of the PTR record; empty: NXDOMAIN
}

// Questions calls f for n questions, always the same ones.
func (s *Set) Questions(n int, f func(q Question)) {
	r := &random{state: 1}
	for range n {
		if r.below(10) == 0 {
			f(Question{Name: s.shape.missing(r).reverse()})
			continue
		}
		a := s.shape.present(r)
		f(Question{a.reverse(), a.target()})
	}
}

// random is SplitMix64: fast, and the same everywhere.
type random struct{ state uint64 }

func (r *random) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix(r.state)
}

// below returns a number from 0 to n-1. The bias of 2^-32 is of no account here.
func (r *random) below(n int) int { return int(r.next() >> 32 * uint64(n) >> 32) }

// mix spreads the bits of x over all of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hash is mix of several numbers.
func hash(parts ...uint64) uint64 {
	h := uint64(0)
	for _, p := range parts {
		h = mix(h ^ p + 0x9e3779b97f4a7c15)
	}
	return h
}
