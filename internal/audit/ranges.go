package audit

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"text/tabwriter"

	"github.com/ptrd/ptrd/internal/lookup"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// samples is how many addresses of a range are examined if the way back is not by a rule.
const samples = 3

// Range is a range of addresses whose names a rule makes. That all of them lead back is proved by a
// rule of the forward zone which makes the addresses of these names; addresses whose names have other
// records there are examined one by one. Without such a rule, some addresses are examined.
type Range struct {
	Zone   string       `json:"zone"`
	Range  netip.Prefix `json:"range"`
	Name   string       `json:"name"`             // the template
	Proved string       `json:"proved,omitempty"` // the zone whose rule proves it; empty: none
	State  State        `json:"state"`            // the worst of those examined, if it is not proved
	Reason string       `json:"reason"`
}

// rangeWalk goes through the ranges of a reverse zone.
type rangeWalk struct {
	begun     bool
	templates []*synth.Template                     // that remain
	isWanted  func(netip.Prefix) bool               // nil: all are
	onRange   func(r *Range, examined []netip.Addr) // nil: none

	// of a reverse zone that is walked alone: the names in forward zones that its rules may not make
	alone bool
	bases []dname.Name // whose names remain
	last  dname.Name   // that was read last below the first base; nil: none
}

// nextInRanges is next for addresses whose names rules of the zone make.
func (w *walk) nextInRanges(set *zone.Set, z *zone.Zone) (list []subject, done bool) {
	r := &w.ranges
	x := lookup.NewFinder(set)
	for ; len(r.templates) > 0; r.templates = r.templates[1:] {
		if len(list) >= batchSize {
			return list, false
		}
		t := r.templates[0]
		if r.isWanted != nil && !r.isWanted(t.Prefix()) {
			continue
		}
		out := Range{Zone: w.apex.String(), Range: t.Prefix(), Name: t.String(), State: OK}
		forward, why := prove(set, t)
		var examined []netip.Addr
		if forward == nil {
			found := w.sample(x, z, t)
			for i := range found {
				examined = append(examined, found[i].address)
			}
			list = append(list, found...)
			out.Reason = fmt.Sprintf("%s; examined %d of its addresses", why, len(found))
		} else {
			out.Proved, out.Reason = forward.Apex().String(), fmt.Sprintf("zone %v has the same rule", forward.Apex())
			if r.alone && !slices.ContainsFunc(r.bases, t.Base().Equal) {
				r.bases = append(r.bases, t.Base())
			}
		}
		if r.onRange != nil {
			r.onRange(&out, examined)
		}
	}
	n := 0
	for ; len(r.bases) > 0; r.bases, r.last = r.bases[1:], nil {
		base := r.bases[0]
		forward := set.Find(base)
		if r.last == nil {
			r.last = base.Clone()
		}
		for record := range forward.After(r.last) {
			if !record.Owner.IsAtOrBelow(base) {
				break
			}
			if record.Owner.Equal(r.last) {
				continue
			}
			if n++; n > batchRecords || len(list) >= batchSize {
				return list, false
			}
			if w.pause != nil {
				w.pause()
			}
			r.last = record.Owner.Clone()
			list = w.ofHidden(x, forward, list, r.last)
		}
	}
	return list, true
}

// ofHidden adds the address of a name in a forward zone if what is stored there hides the address that
// a rule makes, so that the reverse name may lead elsewhere.
func (w *walk) ofHidden(x *lookup.Finder, forward *zone.Zone, list []subject, name dname.Name) []subject {
	made, rule, isHidden := forward.MadeAt(name)
	address, ok := netip.AddrFromSlice(made.Data)
	if !ok || rule == nil || !isHidden {
		return list
	}
	return w.ofMade(x, list, address)
}

// ofMade adds an address if its PTR is one that a rule makes.
func (w *walk) ofMade(x *lookup.Finder, list []subject, address netip.Addr) []subject {
	f, ok := w.s.place(x, address)
	if !ok || len(f.Data) == 0 || !w.forward && !f.Zone.Apex().Equal(w.apex) {
		return list
	}
	if _, rule, isHidden := f.Zone.MadeAt(f.Name); rule == nil || isHidden {
		return list
	}
	q := subject{apex: f.Zone.Apex(), owner: f.Name, address: address}
	for _, d := range f.Data {
		q.names = append(q.names, d)
	}
	return append(list, q)
}

// sample returns addresses of a range, the first ones.
func (w *walk) sample(x *lookup.Finder, z *zone.Zone, t *synth.Template) (list []subject) {
	for a, n := t.Prefix().Addr(), 0; t.Prefix().Contains(a) && n < 4*samples && len(list) < samples; a, n = a.Next(), n+1 {
		list = w.ofMade(x, list, a)
	}
	return list
}

// prove returns the zone that makes the addresses of the names of a range by the same rule; nil: none
// does, and why.
func prove(set *zone.Set, t *synth.Template) (forward *zone.Zone, why string) {
	forward = set.Find(t.Base())
	switch {
	case forward == nil:
		return nil, "no zone here has the names"
	case !forward.IsAvailable():
		return nil, fmt.Sprintf("zone %v has no data", forward.Apex())
	}
	first := t.Prefix().Addr()
	name := dname.Name(t.Append(nil, first))
	var a zone.Answer
	forward.Lookup(name, rr.AddressType(first), false, &a)
	for i := range a.Items {
		it := &a.Items[i]
		if (it.Set.Type == rr.TypeNS || it.Set.Type == rr.TypeDNAME) && it.Owner.IsAtOrBelow(forward.Apex()) && len(it.Owner) > len(forward.Apex()) && t.Base().IsAtOrBelow(it.Owner) {
			return nil, fmt.Sprintf("zone %v has %v records at %v", forward.Apex(), it.Set.Type, it.Owner)
		}
	}
	for _, other := range forward.Templates() {
		// The same key, if there is one, makes the same name.
		if other.Prefix() == t.Prefix() && other.String() == t.String() && name.Equal(other.Append(nil, first)) {
			return forward, ""
		}
	}
	return nil, fmt.Sprintf("zone %v has no such rule", forward.Apex())
}

// madeAt calls examine with the address whose names are made at a name, in either direction.
func (e *examiner) madeAt(name dname.Name, examine func(*subject)) {
	set := e.set()
	z := set.Find(name)
	if z == nil || !z.IsAvailable() {
		return
	}
	w := e.walk(z.Apex())
	made, rule, isHidden := z.MadeAt(name)
	address, ok := netip.AddrFromSlice(made.Data)
	if !w.forward {
		address, ok = e.s.address(w.apex, name)
	}
	if rule == nil || isHidden || !ok {
		return
	}
	for _, q := range w.ofMade(lookup.NewFinder(set), nil, address) {
		examine(&q)
	}
}

// printedRanges is how many ranges are printed that all lead back; the others are counted.
const printedRanges = 10

// printRanges writes the ranges for a person, those that are not ok first.
func (r *Report) printRanges(out io.Writer) {
	list := slices.Clone(r.Ranges)
	slices.SortStableFunc(list, func(a, b Range) int {
		switch {
		case (a.State == OK) == (b.State == OK):
			return 0
		case a.State == OK:
			return 1
		}
		return -1
	})
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, one := range list {
		if one.State == OK && i >= printedRanges {
			fmt.Fprintf(w, "%d more ranges\tok\n", len(list)-i)
			break
		}
		fmt.Fprintf(w, "%v\t%s\t%s\t%s\n", one.Range, one.State, one.Name, one.Reason)
	}
	w.Flush() // to a strings.Builder, which takes everything
}
