package assemble

import (
	"bytes"
	"cmp"
	"context"
	"hash/maphash"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/ranges"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/synth"
)

// Source begins the source of each change; the files that changed follow it.
const Source = "reload"

// Options configure an Assembler.
type Options struct {
	Journal commit.Entries   // nil: nothing is known of earlier runs
	Table   *source.Table    // nil: a new one
	Now     func() time.Time // nil: time.Now

	// Pause, if set, is called once by each goroutine that computes. It returns a function
	// that the goroutine calls every few microseconds, so that queries get the processor, or
	// nil while there are no queries.
	Pause func() func()

	Progress *Progress     // nil: a new one
	Files    *infile.Files // that sources are read through; nil: new ones

	// Restore returns a zone that has no source but its history; nil: each such zone is new.
	// Dynamic returns what updates added to a zone with sources; nil: nothing.
	Restore func(apex dname.Name) (z *zone.Zone, ok bool, err error)
	Dynamic func(apex dname.Name) ([]commit.RRset, error)
}

// Assembler builds zones from a configuration and its sources. It remembers what it read, so
// that the next call reads only what changed. Its methods are safe for concurrent use; they wait
// for each other.
type Assembler struct {
	o    Options
	seed maphash.Seed // of the checksums of configuration and files

	mu    sync.Mutex
	items map[string]*outcome    // by key of the item's first apex
	zones map[string]forwardZone // of the last round, by key of the apex
	owned []dname.Name           // apexes of zones built here, as published last
	keys  atomic.Pointer[synth.Keys]
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
	return &Assembler{o: o, seed: maphash.MakeSeed(), items: map[string]*outcome{}}
}

// Plan is the difference between the zones that a configuration asks for and those in a set.
type Plan struct {
	// Batch has the changes in canonical order of their apexes; none where nothing changed. It
	// fits only the set that the plan was made from.
	Batch *zone.Batch
	// Findings are the errors and warnings of all zones, including those that were not read
	// again, by file and position, limited by finding.Limit.
	Findings []finding.Finding
	// Broken are the zones whose sources cannot be used, in canonical order.
	Broken []Broken
	// Watch are the files whose change asks for a new plan: sources, included files, and files
	// that were looked for but do not exist. The configuration file is not among them. Sorted.
	Watch []string
	// Reused is the number of items of the configuration that were not read again.
	Reused int
	// Unfinished are the files that were not read because Round.IsComplete returned false.
	// Their zones stay as they are. Sorted.
	Unfinished []string
	// Held are the zones that stay as they are because their sources would remove more of them
	// than max_shrink allows. They are Broken as well. In canonical order.
	Held []Held

	owned []dname.Name // apexes of the zones that it has
}

// Held is a change that is held until the operator confirms it.
type Held struct {
	Apex          dname.Name
	Before, After int // records
}

// Round says how sources are read for one plan. The zero value reads everything that changed.
type Round struct {
	// IsComplete reports whether a file that changed may be read, or is still being written;
	// nil: all may.
	IsComplete func(t *infile.Task, path string) bool
	// MayShrink reports whether the operator confirmed that a zone loses more than max_shrink;
	// nil: for no zone. It is called by several goroutines.
	MayShrink func(apex dname.Name) bool
	// Derive returns the derived layer (see [zone.Layers]) of a zone with `derive` whose sources have
	// the data static; one without names, if there are none yet, so that they can come later by a
	// [commit.Refresh]; nil: the zone cannot have any. zones are the snapshot as this plan changes it: all forward
	// zones are planned by then, other zones may be as they were before. It is called by several
	// goroutines for different zones, only for those that are built and not reused. pause may be nil.
	// If Derive is nil, no zone has a derived layer.
	Derive func(zones *zone.Set, static *zone.Zone, pause func()) (*zone.Zone, error)
}

// Broken is a zone that is not served as its sources have it.
type Broken struct {
	Apex     dname.Name
	Reason   string // the first error
	LastGood bool   // earlier data are still served; else queries get SERVFAIL
}

// HasErrors reports whether there is an Error among the findings.
func (p *Plan) HasErrors() bool { return hasErrors(p.Findings) }

// outcome is the result of one item.
type outcome struct {
	apexes   []dname.Name
	in       inputs
	files    []*fileState
	findings []finding.Finding
	results  []result // one for each apex
	held     []Held
	soaFile  string // the file that has the SOA; empty: it is generated
	leads    leads
	damaged  bool // data of a zone in the state directory could not be read: the item is not reused
}

// result is the result of one zone.
type result struct {
	zone   *zone.Zone // to be served
	reason string     // why the sources cannot be used; empty: they are used
}

// itemPlan is what one item adds to the plan.
type itemPlan struct {
	*outcome
	changes    []zone.Change
	layers     []zone.Change // see zone.Batch.Layers
	reused     bool
	incomplete []string // files because of which the item stays as it is
}

// add adds the next zone of the item. A nil change leaves it as it is.
func (p *itemPlan) add(change *zone.Change, res result) {
	switch {
	case change == nil:
	case isSame(change.Base, change.Zone):
		p.layers = append(p.layers, *change)
	default:
		p.changes = append(p.changes, *change)
	}
	p.results = append(p.results, res)
}

// isSame reports whether two zones, of which the second may be nil, have the same data.
func isSame(base, z *zone.Zone) bool {
	return z != nil && base != nil && base.IsAvailable() && base.Serial() == z.Serial() && base.Digest() == z.Digest()
}

// round is one call of Assemble.
type round struct {
	a       *Assembler
	cfg     *config.Config
	set     *zone.Set
	index   *index
	done    map[string]*zone.Zone // secondary zones, and zones that are decided already
	broken  map[string]bool       // zones whose sources have errors
	forward *forward              // nil: not planned yet
	planned func() *zone.Set      // the snapshot as the plan leaves it, when forward is set
	now     time.Time
	how     Round

	ranges *ranges.Ranges
	keys   *synth.Keys // of permutations
	memory int64       // octets that the records of one item may take; asking the system takes as long as a small zone
}

// SetKeys sets and returns what Keys returns: the keys of permutations in a configuration.
// [Assembler.Assemble] calls it too.
func (a *Assembler) SetKeys(cfg *config.Config) *synth.Keys {
	if keys := cfg.SynthKeys(); a.Keys() == nil || !maps.EqualFunc(*a.Keys(), keys, bytes.Equal) {
		a.keys.Store(&keys)
	}
	return a.Keys()
}

// Keys returns the keys of permutations in the last configuration; nil before the first.
func (a *Assembler) Keys() *synth.Keys { return a.keys.Load() }

// Assemble compares the configuration and its sources with the zones in set and returns the plan
// that makes them equal. An error in a source is a finding and leaves its zone as it is; other
// zones are built. Assemble returns an error only when ctx ends or the journal cannot be read.
//
// Secondary zones are not built here. They are looked up in set, because a parent zone needs
// their name servers.
//
// Zones are built from the deepest apexes up, since a zone may delegate to one below it. Zones
// of one depth are built at the same time, as many as there are processors.
func (a *Assembler) Assemble(ctx context.Context, cfg *config.Config, set *zone.Set, how Round) (*Plan, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := &round{a: a, cfg: cfg, set: set, index: newIndex(cfg), done: map[string]*zone.Zone{}, broken: map[string]bool{}, now: a.o.Now(), how: how, ranges: ranges.New(cfg), memory: zoneMemory(cfg)}
	r.keys = a.SetKeys(cfg)
	a.o.Progress.done.Store(0)
	plan := &Plan{Batch: &zone.Batch{Source: Source, At: r.now.UnixMilli()}}
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
	watch, incomplete := map[string]bool{}, map[string]bool{}
	for _, level := range levels(cfg) {
		if r.forward == nil && !isForward(level[0]) {
			r.forward = r.newForward(a.zones)
			r.planned = sync.OnceValue(r.withForward)
		}
		plans, err := r.planLevel(ctx, level)
		if err != nil {
			return nil, err
		}
		for i, p := range plans {
			items[level[i].Apexes[0].Key()] = p.outcome
			plan.Batch.Changes = append(plan.Batch.Changes, p.changes...)
			plan.Batch.Layers = append(plan.Batch.Layers, p.layers...)
			plan.Findings = append(plan.Findings, p.findings...)
			if p.reused {
				plan.Reused++
			}
			for _, f := range p.files {
				watch[f.path] = true
			}
			plan.Held = append(plan.Held, p.held...)
			for _, path := range p.incomplete {
				watch[path], incomplete[path] = true, true
			}
			for j, res := range p.results {
				apex := p.apexes[j]
				r.done[apex.Key()] = res.zone
				if res.reason != "" {
					r.broken[apex.Key()] = true
					plan.Broken = append(plan.Broken, Broken{apex, res.reason, res.zone.IsAvailable()})
				}
			}
		}
	}
	plan.Batch.Changes = append(plan.Batch.Changes, r.removals()...)
	plan.owned = r.own()
	slices.SortFunc(plan.Batch.Changes, func(x, y zone.Change) int { return dname.Compare(x.Apex, y.Apex) })
	slices.SortFunc(plan.Held, func(x, y Held) int { return dname.Compare(x.Apex, y.Apex) })
	slices.SortFunc(plan.Broken, func(x, y Broken) int { return dname.Compare(x.Apex, y.Apex) })
	plan.Findings = finding.Limit(append(plan.Findings, r.checkDelegations(items)...))
	plan.Watch = slices.Sorted(maps.Keys(watch))
	plan.Unfinished = slices.Sorted(maps.Keys(incomplete))
	a.items = items
	if r.forward != nil {
		a.zones = r.forward.zones
	}
	return plan, nil
}

// Preview returns the plan that Assemble would return, and leaves the Assembler as it is.
func (a *Assembler) Preview(ctx context.Context, cfg *config.Config, set *zone.Set, how Round) (*Plan, error) {
	a.mu.Lock()
	other := &Assembler{o: a.o, seed: a.seed, items: maps.Clone(a.items), zones: a.zones, owned: a.owned}
	for key, o := range other.items {
		own := *o
		other.items[key] = &own
	}
	a.mu.Unlock()
	other.o.Progress = new(Progress)
	other.keys.Store(a.Keys())
	return other.Assemble(ctx, cfg, set, how)
}

// levels returns the items whose zones are built here by the depth of their apexes, the deepest
// first; forward zones before the others, whose PTRs lead to them.
func levels(cfg *config.Config) [][]*config.Zone {
	var items []*config.Zone
	for i := range cfg.Zones {
		if cfg.Zones[i].Secondary == nil {
			items = append(items, &cfg.Zones[i])
		}
	}
	depth := func(z *config.Zone) int {
		if n := z.Apexes[0].Labels(); !isForward(z) {
			return n
		}
		return z.Apexes[0].Labels() + dname.MaxLabels
	}
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

// planLevel plans items at the same time and returns after all of them.
func (r *round) planLevel(ctx context.Context, items []*config.Zone) ([]itemPlan, error) {
	plans, errs := make([]itemPlan, len(items)), make([]error, len(items))
	next := make(chan int)
	var wg sync.WaitGroup
	workers := min(runtime.GOMAXPROCS(0), len(items))
	var budget *memoryBudget
	if workers > 1 {
		budget = newMemoryBudget()
	}
	panics := make(chan any, workers)
	for range workers {
		wg.Go(func() {
			w := &worker{pause: r.a.o.Pause(), progress: r.a.o.Progress, seed: r.a.seed, budget: budget}
			defer func() {
				if v := recover(); v != nil {
					panics <- v
				}
				w.unreserve()
				for range next { // the items that are left when ctx has ended, or after a panic
				}
			}()
			at := -1                                        // the current item, planned again where a read hung
			_ = r.a.o.Files.Run(ctx, func(t *infile.Task) { // the error is that of ctx
				w.unreserve()
				w.begin(t)
				for {
					if at < 0 {
						i, ok := <-next
						if !ok {
							return
						}
						at = i
					}
					w.mayPause()
					plans[at], errs[at] = r.planItem(items[at], w)
					w.unreserve()
					w.reportRecords()
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
	case v := <-panics: // in the goroutine of the caller, which recovers from it
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
	return plans, nil
}

// removals returns the removal of the zones that were built here and are no longer configured.
// Zones in the set that were not built here stay.
func (r *round) removals() (out []zone.Change) {
	for _, apex := range r.a.owned {
		if _, stays := r.index.zones[apex.Key()]; stays {
			continue
		}
		if old := r.set.Get(apex); old != nil {
			out = append(out, zone.Change{Apex: apex, Base: old})
		}
	}
	return out
}

// own returns the apexes of the zones that are built here.
func (r *round) own() (owned []dname.Name) {
	for _, z := range r.index.zones {
		if z.item.Secondary == nil {
			owned = append(owned, z.apex)
		}
	}
	return owned
}
