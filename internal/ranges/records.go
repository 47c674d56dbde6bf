package ranges

import (
	"iter"
	"math/big"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// part is the addresses of a range that have names in a zone.
type part struct {
	*Range
	prefix netip.Prefix
}

// parts returns what a zone has of its ranges, in the order of the addresses. A range within another
// follows it.
func (r *Ranges) parts(apex dname.Name) (list []part) {
	whole, isPrefix := dname.ToPrefix(apex)
	for _, one := range r.Of(apex) {
		p := part{one, one.Prefix}
		if isPrefix && whole.Bits() > p.prefix.Bits() {
			p.prefix = whole
		}
		list = append(list, p)
	}
	slices.SortStableFunc(list, func(a, b part) int { return comparePrefixes(a.prefix, b.prefix, a.Prefix, b.Prefix) })
	return list
}

// comparePrefixes orders parts by address, those of larger ranges first.
func comparePrefixes(a, b, wholeA, wholeB netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	if a.Bits() != b.Bits() {
		return a.Bits() - b.Bits()
	}
	return wholeA.Bits() - wholeB.Bits()
}

// Count returns how many records the names of ranges are in the zone of the configuration at apex,
// if nothing else has these names: one for each address in a reverse zone, one for each name of
// each range in a forward zone.
func (r *Ranges) Count(apex dname.Name) *big.Int {
	n := new(big.Int)
	var last netip.Prefix
	for _, p := range r.parts(apex) {
		if !apex.IsForward() && last.IsValid() && last.Contains(p.prefix.Addr()) {
			continue
		}
		last = p.prefix
		n.Add(n, new(big.Int).Lsh(big.NewInt(1), uint(p.prefix.Addr().BitLen()-p.prefix.Bits())))
	}
	return n
}

// Records yields the records of all names of ranges in the zone of the configuration at apex,
// whatever else has these names: what rules would make there. The longest range decides about an
// address; the names of each lead to theirs.
func (r *Ranges) Records(apex dname.Name, keys synth.Keys) iter.Seq[zone.Record] {
	if apex.IsForward() {
		return r.addresses(apex, keys)
	}
	return r.names(apex, keys)
}

// addresses yields the records of a forward zone.
func (r *Ranges) addresses(apex dname.Name, keys synth.Keys) iter.Seq[zone.Record] {
	return func(yield func(zone.Record) bool) {
		for _, p := range r.parts(apex) {
			t, err := p.Compile(keys)
			if err != nil {
				continue // only a rule that was transferred can have a fault
			}
			for a := p.prefix.Addr(); p.prefix.Contains(a); a = a.Next() {
				if !yield(zone.Record{Owner: t.Append(nil, a), Type: rr.AddressType(a), TTL: p.TTL, Data: a.AsSlice()}) {
					return
				}
			}
		}
	}
}

// names yields the records of a reverse zone.
func (r *Ranges) names(apex dname.Name, keys synth.Keys) iter.Seq[zone.Record] {
	return func(yield func(zone.Record) bool) {
		var open []part // the ranges that have the current address, the longest last
		var templates []*synth.Template
		item := r.items[apex.Key()]
		list := r.parts(apex)
		for len(list) > 0 {
			outer := list[0].prefix
			for a := outer.Addr(); outer.Contains(a); a = a.Next() {
				for n := len(open); n > 0 && !open[n-1].prefix.Contains(a); n-- {
					open, templates = open[:n-1], templates[:n-1]
				}
				for len(list) > 0 && list[0].prefix.Addr() == a {
					if t, err := list[0].Compile(keys); err == nil {
						open, templates = append(open, list[0]), append(templates, t)
					}
					list = list[1:]
				}
				n := len(open) - 1
				owner, at, ok := item.Owner(a)
				if n < 0 || !ok || !at.Equal(apex) {
					continue
				}
				if !yield(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: open[n].TTL, Data: templates[n].Append(nil, a)}) {
					return
				}
			}
			open, templates = nil, nil
		}
	}
}

// At returns the record of Records at an owner name, and where its range is in the configuration;
// ok is false if there is none.
func (r *Ranges) At(apex, owner dname.Name, keys synth.Keys) (rec zone.Record, pos finding.Position, ok bool) {
	var longest *synth.Template
	for _, one := range r.Of(apex) {
		t, err := one.Compile(keys)
		if err != nil {
			continue
		}
		if apex.IsForward() {
			if a, m := t.Find(owner); m == synth.Exact {
				return zone.Record{Owner: owner, Type: rr.AddressType(a), TTL: one.TTL, Data: a.AsSlice()}, one.Pos, true
			}
			continue
		}
		p, isAddress := r.items[apex.Key()].AddressesOf(owner)
		if isAddress && p.IsSingleIP() && one.Prefix.Contains(p.Addr()) && (longest == nil || longest.Prefix().Bits() < one.Prefix.Bits()) {
			longest, pos = t, one.Pos
			rec = zone.Record{Owner: owner, Type: rr.TypePTR, TTL: one.TTL, Data: t.Append(nil, p.Addr())}
		}
	}
	return rec, pos, longest != nil
}

// IsMaterialized reports whether a zone has the records of the names of ranges.
func (r *Ranges) IsMaterialized(apex dname.Name) bool {
	return len(r.Of(apex)) > 0 && r.items[apex.Key()].SynthTransfer == config.TransferMaterialize
}
