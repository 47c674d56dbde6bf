package assemble

import (
	"cmp"
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/source"
)

// sourceReload is the source of our changes; behind it come the files that they
// come from.
const sourceReload = "reload"

// Journal tells what was served before a restart.
type Journal interface {
	Last(apex dname.Name) (journal.Entry, bool, error)
}

// Options are what an Assembler needs.
type Options struct {
	Journal Journal          // nil: nothing is known of earlier runs
	Table   *source.Table    // nil: one of its own
	Now     func() time.Time // nil: time.Now

	// Pause, if set, is called once for each goroutine that computes, and returns
	// what that one calls every few microseconds of its work, so that others can
	// have the processor; it may return nil, for a time when nobody else needs it.
	Pause func() func()

	Progress *Progress     // nil: one of its own
	Files    *infile.Files // that sources are read through; nil: of its own

	// Restore gives a zone back that has no source but its history; nil: each begins
	// anew. Overlay puts beside what the sources of a zone have, its argument, what
	// updates brought; nil: nothing.
	Restore func(apex dname.Name) (z *zone.Zone, ok bool, err error)
	Overlay func(static *zone.Zone) (*zone.Zone, error)
}

// Assembler makes zones out of a configuration and its sources. It remembers what
// it read, so that the next time only what changed is read. Its methods may be
// called at the same time; they wait for each other.
type Assembler struct {
	o Options

	mu    sync.Mutex
	items map[string]*outcome   // by key of the item's first apex
	owned map[string]dname.Name // apexes that we made and that may be in the set
	bases map[string]*Base      // of the last plan that was published
}

// New returns an Assembler that has read nothing yet.
func New(o Options) *Assembler {
	if o.Table == nil {
		o.Table = new(source.Table)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	if o.Files == nil {
		o.Files = new(infile.Files)
	}
	if o.Pause == nil {
		o.Pause = func() func() { return nil }
	}
	return &Assembler{o: o, items: map[string]*outcome{}, owned: map[string]dname.Name{}}
}

// Plan is what a configuration asks for, set against the zones there are.
type Plan struct {
	// Batch holds the changes, to be published as they are, in canonical order of
	// their apexes. It has none where nothing changed. It suits the set that the plan
	// was made from; after zone.ErrStale a new plan is needed.
	Batch *zone.Batch
	// Findings are all errors and warnings of all zones, those that were not read
	// again included, by file and position; of one file and severity at most a hundred
	// are listed and the others counted.
	Findings []Finding
	// Broken are the zones whose sources cannot be used, in canonical order.
	Broken []Broken
	// Watch are the files whose change asks for a new plan: sources, included files,
	// and those that are looked for but are not there. The configuration file itself
	// is not among them. Sorted.
	Watch []string
	// Bases are what the zones that take updates have from their sources, by key of the
	// apex; zones without sources are not among them.
	Bases map[string]*Base
	// Reused is the number of items of the configuration that were not read again.
	Reused int
	// Unfinished are the files that were not read because Round.IsComplete was false.
	// Their zones are served as before. Sorted.
	Unfinished []string
	// Held are the zones that are served as before because their sources would remove
	// more of them than max_shrink allows. They are Broken as well. In canonical order.
	Held []Held
}

// Held is a change that is held back until it is confirmed.
type Held struct {
	Apex          dname.Name
	Before, After int // records
}

// Round says how sources are read for one plan. The zero value reads whatever changed.
type Round struct {
	// IsComplete reports whether a file that changed may be read, or is still being
	// written; nil: all may.
	IsComplete func(t *infile.Task, path string) bool
	// MayShrink reports whether it was confirmed that a zone loses more than max_shrink;
	// nil: none was. It is called by several goroutines.
	MayShrink func(apex dname.Name) bool
}

// Broken is a zone that is not served as its sources have it.
type Broken struct {
	Apex     dname.Name
	Reason   string // the first error
	LastGood bool   // earlier data are still served; else queries get SERVFAIL
}

// HasErrors reports whether there is an Error among the findings.
func (p *Plan) HasErrors() bool { return hasErrors(p.Findings) }

// outcome is what became of one item.
type outcome struct {
	apexes   []dname.Name
	in       inputs
	files    []*fileState
	findings []Finding
	results  []result // one for each apex
	held     []Held
	soaFile  string // the file that has the SOA; empty: it is generated
	damaged  bool   // what is kept of a zone could not be read: it is tried again
}

// result is what became of one zone.
type result struct {
	zone   *zone.Zone // to be served
	base   *Base      // nil: the zone takes no updates, or has no sources
	reason string     // why the sources cannot be used; empty: they are
}

// round is one call of Assemble.
type round struct {
	a     *Assembler
	cfg   *config.Config
	set   *zone.Set
	index *index
	done  map[string]*zone.Zone // zones of the waves before this one
	now   time.Time
	how   Round
}

// Assemble compares the configuration and its sources with the zones in set and
// returns the plan that makes them agree. A fault in a source is a finding and
// leaves its zone as it is, the others go on; an error is returned only when ctx
// ends or the journal cannot be read.
//
// Secondary zones are others' business: they are in set as far as they are there at
// all, and what parents of ours need to know of them is read there.
//
// Zones are made from the deepest apexes up, since a zone may delegate to one
// below; those of one depth at the same time, as many as there are processors.
func (a *Assembler) Assemble(ctx context.Context, cfg *config.Config, set *zone.Set, how Round) (*Plan, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &round{a: a, cfg: cfg, set: set, index: newIndex(cfg), done: map[string]*zone.Zone{}, now: a.o.Now(), how: how}
	a.o.Progress.done.Store(0)
	plan := &Plan{Bases: map[string]*Base{}, Batch: &zone.Batch{Source: sourceReload, At: r.now.UnixMilli()}}
	ours := len(r.index.zones)
	for i := range cfg.Zones {
		if cfg.Zones[i].Secondary == nil {
			continue
		}
		for _, apex := range cfg.Zones[i].Apexes {
			r.done[apex.Key()] = set.Get(apex)
			ours--
		}
	}
	a.o.Progress.zones.Store(int64(ours))
	items := map[string]*outcome{}
	watch, unfinished := map[string]bool{}, map[string]bool{}
	for _, wave := range waves(cfg) {
		ends, err := r.wave(ctx, wave)
		if err != nil {
			return nil, err
		}
		for i, e := range ends {
			items[wave[i].Apexes[0].Key()] = e.outcome
			plan.Batch.Changes = append(plan.Batch.Changes, e.changes...)
			plan.Findings = append(plan.Findings, e.findings...)
			if e.reused {
				plan.Reused++
			}
			for _, f := range e.files {
				watch[f.path] = true
			}
			plan.Held = append(plan.Held, e.held...)
			for _, path := range e.unfinished {
				watch[path], unfinished[path] = true, true
			}
			for j, res := range e.results {
				apex := e.apexes[j]
				r.done[apex.Key()] = res.zone
				if res.base != nil {
					plan.Bases[apex.Key()] = res.base
				}
				if res.reason != "" {
					plan.Broken = append(plan.Broken, Broken{apex, res.reason, res.zone.IsAvailable()})
				}
			}
		}
	}
	plan.Batch.Changes = append(plan.Batch.Changes, r.gone()...)
	slices.SortFunc(plan.Batch.Changes, func(x, y zone.Change) int { return dname.Compare(x.Apex, y.Apex) })
	slices.SortFunc(plan.Held, func(x, y Held) int { return dname.Compare(x.Apex, y.Apex) })
	slices.SortFunc(plan.Broken, func(x, y Broken) int { return dname.Compare(x.Apex, y.Apex) })
	plan.Findings = curtail(append(plan.Findings, r.reach(items)...))
	plan.Watch = slices.Sorted(maps.Keys(watch))
	plan.Unfinished = slices.Sorted(maps.Keys(unfinished))
	a.items = items
	return plan, nil
}

// waves returns the items that we make zones of by the depth of their apexes, the deepest first.
func waves(cfg *config.Config) [][]*config.Zone {
	var items []*config.Zone
	for i := range cfg.Zones {
		if cfg.Zones[i].Secondary == nil {
			items = append(items, &cfg.Zones[i])
		}
	}
	depth := func(z *config.Zone) int { return z.Apexes[0].Labels() }
	slices.SortStableFunc(items, func(x, y *config.Zone) int { return cmp.Compare(depth(y), depth(x)) })
	var out [][]*config.Zone
	for i, item := range items {
		if i == 0 || depth(items[i-1]) != depth(item) {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], item)
	}
	return out
}

// end is what one item gives to the plan.
type end struct {
	*outcome
	changes    []zone.Change
	reused     bool
	unfinished []string // files for which it was left as it is
}

// wave makes items at the same time and returns after all of them.
func (r *round) wave(ctx context.Context, items []*config.Zone) ([]end, error) {
	ends, errs := make([]end, len(items)), make([]error, len(items))
	next := make(chan int)
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(items))
	var shared *room
	if workers > 1 {
		shared = newRoom()
	}
	faults := make(chan any, workers) // that workers panicked with
	for range workers {
		wg.Go(func() {
			w := &worker{pause: r.a.o.Pause(), progress: r.a.o.Progress, room: shared}
			defer func() {
				if v := recover(); v != nil {
					faults <- v
				}
				w.giveRoom()
				for range next { // what is left when ctx has ended, or after a panic
				}
			}()
			at := -1                                        // the item under way, begun again where a read hung
			_ = r.a.o.Files.Run(ctx, func(t *infile.Task) { // the error is that of ctx
				w.giveRoom()
				w.task = t
				for {
					if at < 0 {
						i, ok := <-next
						if !ok {
							return
						}
						at = i
					}
					w.rest()
					ends[at], errs[at] = r.item(items[at], w)
					w.giveRoom()
					w.tell()
					w.progress.done.Add(int64(len(items[at].Apexes)))
					at = -1
				}
			})
		})
	}
	for i := range items {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	select {
	case v := <-faults: // a panic of the caller, which contains it
		panic(v)
	default:
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return ends, nil
}

// gone returns the removal of the zones that we made and that are no longer
// configured. A zone that is in the set by another's doing stays.
func (r *round) gone() (out []zone.Change) {
	owned := map[string]dname.Name{}
	for key, apex := range r.a.owned {
		old := r.set.Get(apex)
		if _, stays := r.index.zones[key]; stays || old == nil {
			continue
		}
		owned[key] = apex // until it is really gone
		out = append(out, zone.Change{Apex: apex, Base: old})
	}
	for key, z := range r.index.zones {
		if z.item.Secondary == nil {
			owned[key] = z.apex
		}
	}
	r.a.owned = owned
	return out
}
