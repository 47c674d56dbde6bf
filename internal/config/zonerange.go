package config

import (
	"iter"
	"net/netip"

	"github.com/ptrd/ptrd/zone/dname"
)

// ZoneRange is the zones at or below a prefix or a name; without either, all zones.
type ZoneRange struct {
	Prefix netip.Prefix // invalid: see Name
	Name   dname.Name
}

// isAll reports whether the range has all zones.
func (r *ZoneRange) isAll() bool { return r.Name == nil && !r.Prefix.IsValid() }

// rangeKey is equal for equal ranges.
type rangeKey struct {
	prefix netip.Prefix
	name   string // empty: none
}

func (r *ZoneRange) key() rangeKey {
	if r.Name == nil {
		return rangeKey{prefix: r.Prefix}
	}
	return rangeKey{name: r.Name.Key()}
}

// rangeIndex finds the ranges that have a zone, however many there are. The zero value
// is empty.
type rangeIndex struct {
	at      map[rangeKey][]int // numbers of ranges
	lengths [129]bool          // that prefixes have
}

// add adds the range with number i.
func (x *rangeIndex) add(r *ZoneRange, i int) {
	if x.at == nil {
		x.at = map[rangeKey][]int{}
	}
	k := r.key()
	x.at[k] = append(x.at[k], i)
	if r.Prefix.IsValid() {
		x.lengths[r.Prefix.Bits()] = true
	}
}

// holding yields the numbers of the ranges that have the zone at apex. The prefix of a
// classless zone, which its name may not show, is p.
func (x *rangeIndex) holding(apex dname.Name, p netip.Prefix) iter.Seq[int] {
	return func(yield func(int) bool) {
		visit := func(k rangeKey) bool {
			for _, i := range x.at[k] {
				if !yield(i) {
					return false
				}
			}
			return true
		}
		if !visit(rangeKey{}) {
			return
		}
		name := apex.Key()
		for i := 0; i < len(name); i += 1 + int(name[i]) {
			if !visit(rangeKey{name: name[i:]}) {
				return
			}
			if name[i] == 0 {
				break
			}
		}
		if own, ok := dname.ToPrefix(apex); ok {
			p = own
		} else if own, ok := dname.ToClassless(apex); ok && !p.IsValid() {
			p = own
		}
		if !p.IsValid() {
			return
		}
		for bits := p.Bits(); bits >= 0; bits-- {
			if x.lengths[bits] && !visit(rangeKey{prefix: netip.PrefixFrom(p.Addr(), bits).Masked()}) {
				return
			}
		}
	}
}
