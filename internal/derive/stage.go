package derive

import (
	"iter"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Options configure a Deriver.
type Options struct {
	Notes commit.Notes     // of the zones, for their layer of updates; nil: none has one
	Pause func() func()    // returns what long work calls often; nil: nothing
	Now   func() time.Time // nil: time.Now
}

// Deriver keeps the derived layers of zones up to date. Its methods may be called by several
// goroutines at once.
type Deriver struct {
	o     Options
	rules atomic.Pointer[Rules]
	plan  atomic.Pointer[Plan] // the last one
}

// New returns a Deriver without rules.
func New(o Options) *Deriver {
	if o.Pause == nil {
		o.Pause = func() func() { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Deriver{o: o}
}

// SetRules activates rules, in the moment in which the zones of their [Plan] are served.
func (d *Deriver) SetRules(r *Rules) { d.rules.Store(r) }

// Rules returns the active rules; nil before the first.
func (d *Deriver) Rules() *Rules { return d.rules.Load() }

// sourceOf returns the source of the steps of reverse zones, for the history: that of the changes in
// the batch.
func sourceOf(b *zone.Batch) string {
	const derived = commit.SourceDerived
	var sources []string
	for i := range b.Changes {
		for j := range b.Changes[i].Steps {
			s := b.Changes[i].Steps[j].Source
			if !strings.HasSuffix(s, derived) && !slices.Contains(sources, s) {
				sources = append(sources, s)
			}
			if len(sources) > 1 {
				return b.Source + derived
			}
		}
	}
	return append(sources, b.Source)[0] + derived
}

// Stage is a [commit.Stage]: derived PTRs follow changes of forward zones, in the same batch.
func (d *Deriver) Stage(set *zone.Set, b *zone.Batch) error {
	if p := d.plan.Load(); p != nil && p.batch == b {
		return p.complete()
	}
	return d.follow(d.rules.Load(), set, set, b, b.Changes, nil)
}

// follow adds to a batch what some of its changes mean for derived names, which are those of the zones in
// was. skips reports zones that have it already; nil: none.
func (d *Deriver) follow(r *Rules, was, set *zone.Set, b *zone.Batch, changes []zone.Change, skips func(apex dname.Name) bool) error {
	if !slices.ContainsFunc(changes, r.mayConcern) {
		return nil
	}
	before, next := world{set: was}, after(set, b.Changes, b.Layers)
	w := d.newWork(r, func(apex dname.Name, t *target) *layer {
		if skips != nil && skips(apex) {
			return nil
		}
		return served(&next, apex, t)
	})
	isGuarded := make(map[string]bool, len(b.Layers))
	for i := range b.Layers {
		isGuarded[b.Layers[i].Apex.Key()] = true
	}
	for part := range r.regions(&before, &next, changes, w.pause) {
		if z := part.around; z != nil && set.Get(z.Apex()) == z && next.get(z.Apex()) == z && !isGuarded[z.Key()] {
			// It has to stay as it is until the batch is published.
			b.Layers, isGuarded[z.Key()] = append(b.Layers, zone.Change{Zone: z, Apex: z.Apex(), Base: z}), true
		}
		if err := w.region(&part, &before, &next); err != nil {
			return err
		}
	}
	return w.addTo(b, set)
}

// served returns the layer of a zone as it is served; nil: it has none yet, or that of other rules,
// which its own batch replaces.
func served(w *world, apex dname.Name, t *target) *layer {
	z := w.get(apex)
	if z == nil || !z.IsAvailable() {
		return nil
	}
	l := z.Layers()
	if l.Derived == nil || totalsOf(l.Derived).digest != t.digest {
		return nil
	}
	return &layer{target: t, apex: apex, static: l.Static, was: l.Derived, index: l.Derived}
}

// mayConcern reports whether a change may have an effect on derived names.
func (r *Rules) mayConcern(c zone.Change) bool {
	if r == nil || !r.anyZone && len(r.zones) == 0 {
		return false
	}
	return c.Apex.IsForward() && (r.concerns(c.Apex) || c.Base == nil || c.Zone == nil)
}

// maxFileChange is how many addresses of a file change in one batch. Other writers can have to wait while it is
// computed, which takes some tenths of a second; the changes of a file need not be seen at once.
const maxFileChange = 1 << 14

// FileChanges yields requests as those of FileChanged for parts of many addresses, which it sorts.
func (d *Deriver) FileChanges(f File, addresses []netip.Addr, source string) iter.Seq[commit.Request] {
	return func(yield func(commit.Request) bool) {
		slices.SortFunc(addresses, netip.Addr.Compare) // neighbours share paths of the zone
		for part := range slices.Chunk(addresses, maxFileChange) {
			if !yield(d.FileChanged(f, part, source)) {
				return
			}
		}
	}
}

// FileChanged returns a request that brings the names of some addresses up to date with a file; with
// nil addresses, those of all. source is for the history.
func (d *Deriver) FileChanged(f File, addresses []netip.Addr, source string) commit.Request {
	return commit.Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
		b := &zone.Batch{Source: source, At: d.o.Now().UnixMilli()}
		before := world{set: set}
		r := d.rules.Load()
		w := d.newWork(r, func(apex dname.Name, t *target) *layer { return served(&before, apex, t) })
		var err error
		if addresses == nil {
			err = w.file(f)
		}
		for _, a := range addresses {
			if err == nil {
				err = w.fileAddress(f, a)
			}
		}
		if err == nil {
			err = w.addTo(b, set)
		}
		if err != nil {
			return nil, err
		}
		if len(b.Changes)+len(b.Layers) == 0 {
			return nil, nil
		}
		return b, nil
	}}
}
