package derive

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// work changes the indexes of some zones.
type work struct {
	rules  *Rules
	notes  commit.Notes
	pause  func()
	open   func(apex dname.Name, t *target) *layer // nil: the zone does not change
	layers map[string]*layer                       // that were opened, by key of the apex
	bulk   map[*target]*bulk                       // of new indexes; nil: none is new
	n      int                                     // edits that are pending
}

// layer is the index of a zone that changes.
type layer struct {
	*target
	apex    dname.Name
	static  *zone.Zone
	was     *zone.Zone // the index before; nil: there was none
	index   *zone.Zone
	first   *builder     // of a new index, which has no edits
	pending []edit       // of one candidate, the last counts
	changed []dname.Name // whose PTRs are others than in was, or were for a moment
}

// maxPending is how many edits are collected before they are made: enough to share most paths in
// the index, few enough to need little memory.
const maxPending = 1 << 15

func (d *Deriver) newWork(r *Rules, open func(dname.Name, *target) *layer) *work {
	return &work{rules: r, notes: d.o.Notes, pause: d.o.Pause(), open: open, layers: map[string]*layer{}}
}

// layer returns the layer of a zone; nil: it does not change.
func (w *work) layer(apex dname.Name, t *target) *layer {
	key := apex.Key()
	l, known := w.layers[key]
	if !known {
		l = w.open(apex, t)
		w.layers[key] = l
	}
	return l
}

// add adds that a name at an address is a candidate from now on, or no longer.
func (w *work) add(t *target, a netip.Addr, c candidate, isOn bool) {
	if t.TTL >= 0 {
		c.ttl = t.ttl
	}
	if w.bulk != nil {
		if b := w.bulk[t]; b != nil {
			b.add(a, &c)
		}
		return
	}
	owner, apex, ok := t.item.Owner(a)
	if !ok || !hasKeys(owner) {
		return
	}
	l := w.layer(apex, t)
	if l == nil {
		return
	}
	c.name = c.name.AppendLower(nil)
	c.prefer = t.preference(c.name)
	c.setKey(owner)
	l.pending = append(l.pending, edit{c, a, owner, isOn})
	w.n++
}

// name adds what the addresses mean that a name had before and has next. It does not matter how
// often it is called, nor why.
func (w *work) name(before, next *world, name dname.Name) {
	if !isHost(name) { // nor is a wildcard
		return
	}
	var room [8]address
	for i, now := range [...]*world{before, next} { // so that what stays is there in the end
		z, list := now.addresses(room[:0], name)
		for _, a := range list {
			for t := range w.rules.at(a.Addr) {
				if source := t.source(z.Apex(), a.Addr); source >= 0 {
					w.add(t, a.Addr, candidate{name: name, source: source, ttl: a.ttl}, i > 0)
				}
			}
		}
	}
}

// region makes the edits for all names of a region, but the last.
func (w *work) region(part *region, before, next *world) error {
	for name := range part.owners(before, next) {
		w.name(before, next, name)
		if err := w.mayFlush(); err != nil {
			return err
		}
	}
	return nil
}

// all builds new indexes of all names of all sources.
func (w *work) all(next *world) error {
	w.bulk = map[*target]*bulk{}
	for _, l := range w.layers {
		w.bulk[l.target] = new(bulk)
	}
	none := world{set: zone.NewSet()}
	for z := range next.set.All() {
		if w.rules.concerns(z.Apex()) {
			if err := w.region(&region{apex: z.Apex(), name: z.Apex(), below: true}, &none, next); err != nil {
				return err
			}
		}
	}
	for _, t := range w.rules.targets {
		for i, f := range t.files {
			if f == nil {
				continue
			}
			for e := range f.All() {
				w.entry(t, i, &e)
			}
		}
		w.build(t)
	}
	for _, l := range w.layers {
		if l == nil {
			continue
		}
		var err error
		if l.index, err = l.first.build(); err != nil {
			return err
		}
		l.first = nil
	}
	return nil
}

// fileAddress makes the edits for what a file has for an address now, but the last.
func (w *work) fileAddress(f File, a netip.Addr) error {
	for t := range w.rules.at(a) {
		for i, other := range t.files {
			if other != f {
				continue
			}
			owner, apex, ok := t.item.Owner(a)
			if l := w.layer(apex, t); ok && l != nil {
				for c := range (index{t, l.index}).candidates(owner) {
					if c.source == i {
						w.add(t, a, c, false)
					}
				}
				for _, e := range f.At(a) {
					w.entry(t, i, &e)
				}
			}
		}
	}
	return w.mayFlush()
}

// entry adds an entry of the source i of a target.
func (w *work) entry(t *target, i int, e *Entry) {
	if isHost(e.Name) {
		w.add(t, e.Addr, candidate{name: e.Name, source: i, ttl: t.ttl}, true)
	}
}

// file makes the edits for all that a file has now, and for all that the indexes have of it, but
// the last.
func (w *work) file(f File) error {
	var last netip.Addr // an address with many names is looked at once
	for e := range f.All() {
		if e.Addr == last {
			continue
		}
		last = e.Addr
		if err := w.fileAddress(f, last); err != nil {
			return err
		}
	}
	for apex, t := range w.rules.apexes {
		i := slices.Index(t.files, f)
		l := w.layer(apex, t)
		if i < 0 || l == nil {
			continue
		}
		x := index{t, l.index}
		for owner := range zone.Owners(x.layer.All(), rr.TypePTR) {
			for c := range x.candidates(owner) {
				if p, ok := t.item.AddressesOf(owner); ok && c.source == i {
					if err := w.fileAddress(f, p.Addr()); err != nil {
						return err
					}
					break
				}
			}
		}
	}
	return nil
}

// mayFlush makes the edits that are pending if they are many.
func (w *work) mayFlush() error {
	if w.n < maxPending {
		return nil
	}
	return w.flush()
}

// flush makes the edits that are pending.
func (w *work) flush() error {
	for _, l := range w.layers {
		if l == nil || len(l.pending) == 0 {
			continue
		}
		next, changed, err := index{l.target, l.index}.apply(l.static, l.pending, w.pause)
		if err != nil {
			return err
		}
		l.index = next.layer
		if l.was != nil {
			l.changed = append(l.changed, changed...)
		}
		clear(l.pending)
		l.pending = l.pending[:0]
	}
	w.n = 0
	return nil
}

// addTo adds to a batch what the edits change in the zones.
func (w *work) addTo(b *zone.Batch, set *zone.Set) error {
	if err := w.flush(); err != nil {
		return err
	}
	var list []*layer
	for _, l := range w.layers {
		if l != nil && l.index != l.was {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(x, y *layer) int { return dname.Compare(x.apex, y.apex) })
	source := sourceOf(b)
	for _, l := range list {
		r := commit.Refresh{Apex: l.apex, Owners: l.changed, Source: source, Layers: func(all *zone.Layers) { all.Derived = l.index }}
		var notes commit.Notes
		if l.takesUpdates { // else there may be some of earlier settings
			notes = w.notes
		}
		if err := r.AddTo(b, set, notes); err != nil {
			return err
		}
	}
	return nil
}
