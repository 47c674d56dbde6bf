package audit

import (
	"bytes"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/lookup"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

const (
	// batchSize is how many addresses are read from a snapshot at once. It bounds how old the
	// data can be that is examined, and the memory.
	batchSize = 256

	// batchRecords is how many records are read at once for that: most of a forward zone lead to
	// addresses that have a name, and need no more.
	batchRecords = 4096
)

// walk goes through the addresses of one zone. Between two batches, the zone may change.
type walk struct {
	*examiner
	apex    dname.Name
	last    dname.Name // owner name that was read last; nil: none
	forward bool       // the zone is no reverse zone
	named   bool       // of a forward zone, addresses that have names as well
	pause   func()     // nil: none
	ranges  rangeWalk
}

func (e *examiner) walk(apex dname.Name) *walk {
	return &walk{examiner: e, apex: apex, forward: apex.IsForward()}
}

// next returns the next addresses; done: there are none after them.
func (w *walk) next() (list []subject, done bool) {
	set := w.set()
	z := set.Get(w.apex)
	if z == nil || !z.IsAvailable() {
		return nil, true
	}
	if w.ranges.begun {
		return w.nextInRanges(set, z)
	}
	records := z.All()
	if w.last != nil {
		records = z.After(w.last)
	}
	x := lookup.NewFinder(set)
	n, hasPTR := 0, false
	for r := range records {
		isNew := w.last == nil || !bytes.Equal(r.Owner, w.last)
		if n++; isNew && (n > batchRecords || len(list) >= batchSize) {
			return list, false
		}
		if isNew {
			w.last, hasPTR = r.Owner.Clone(), false
			if w.forward && z.HasRules() {
				list = w.ofHidden(x, z, list, w.last)
			}
		}
		if w.pause != nil {
			w.pause()
		}
		switch {
		case w.forward && (r.Type == rr.TypeA || r.Type == rr.TypeAAAA):
			list = w.ofName(x, list, w.last, r.Data)
		case !w.forward && r.Type == rr.TypePTR && !hasPTR: // all PTRs of the name at once
			hasPTR = true
			if address, ok := w.s.address(w.apex, w.last); ok {
				if names := targets(x, z, w.last); len(names) > 0 {
					list = append(list, subject{apex: w.apex, owner: w.last, address: address, names: names})
				}
			}
		}
	}
	if !w.forward && z.HasRules() {
		w.ranges.begun, w.ranges.templates = true, z.Templates()
		return list, false
	}
	return list, true
}

// ofName adds the address of a name in a forward zone, if its reverse name belongs in a zone
// served here, and it has none.
func (w *walk) ofName(x *lookup.Finder, list []subject, name dname.Name, data []byte) []subject {
	address, ok := netip.AddrFromSlice(data)
	if !ok || string(name.Label()) == "*" {
		return list
	}
	f, ok := w.s.place(x, address)
	if !ok || len(f.Data) > 0 && !w.named {
		return list
	}
	if i := slices.IndexFunc(list, func(q subject) bool { return q.address == address }); i >= 0 {
		if q := &list[i]; q.unnamed {
			q.names = append(q.names, name)
		}
		return list
	}
	q := subject{apex: f.Zone.Apex(), owner: f.Name, address: address, unnamed: len(f.Data) == 0}
	for _, d := range f.Data {
		q.names = append(q.names, d)
	}
	if q.unnamed {
		q.names = append(q.names, name)
	}
	return append(list, q)
}

// targets returns the names that the PTRs at an owner name of a zone have; none if they are
// occluded, which are answered by another zone.
func targets(x *lookup.Finder, z *zone.Zone, owner dname.Name) (names []dname.Name) {
	f := x.Find(owner, rr.TypePTR)
	if f.Zone != z || f.Rest != nil || !f.Name.Equal(owner) {
		return nil
	}
	for _, d := range f.Data {
		names = append(names, d)
	}
	return names
}
