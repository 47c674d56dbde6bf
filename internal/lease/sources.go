package lease

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/derive"
	"github.com/ptrd/ptrd/internal/watch"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/infile"
)

const (
	// loadWait is how long Prepare waits for files that are being written.
	loadWait = 3 * time.Second
	// lookEvery is how often the clock is read at least: a machine that slept has no timer run out.
	lookEvery = 10 * time.Second
)

// Options are what Sources need. All are optional.
type Options struct {
	// Changed is called with addresses of a source whose names are not what they were. The names
	// are those of then or later.
	Changed func(s *Source, addrs []netip.Addr)

	Now          func() time.Time
	Quiet, Empty time.Duration // see DefaultQuiet, DefaultEmpty
	Files        *infile.Files
	Dir          string  // where names are saved for the next start; empty: nowhere
	Disk         disk.FS // of Dir; nil: the operating system's
	Log          *slog.Logger
	Guard        *supervise.Supervisor // contains panics; nil: they are not contained
	NewNotifier  func() (watch.Notifier, error)
}

// Sources are the files of all neighbours. Create them with New.
type Sources struct {
	o       Options
	watcher *watch.Watcher
	wake    chan struct{} // has room for one
	looking sync.Mutex    // held while a source looks

	mu      sync.Mutex
	adopted []*Source
}

// New returns Sources without a file.
func New(o Options) *Sources {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Quiet == 0 {
		o.Quiet = DefaultQuiet
	}
	if o.Empty == 0 {
		o.Empty = DefaultEmpty
	}
	if o.Files == nil {
		o.Files = new(infile.Files)
	}
	if o.Disk == nil {
		o.Disk = disk.OS{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changed == nil {
		o.Changed = func(*Source, []netip.Addr) {}
	}
	return &Sources{
		o:       o,
		watcher: watch.New(watch.Options{Log: o.Log, Guard: o.Guard, Files: o.Files, Early: true, NewNotifier: o.NewNotifier}),
		wake:    make(chan struct{}, 1),
	}
}

// Prepare returns the sources of files: those that are adopted, and for others new ones, which it
// reads. It waits some seconds for a file that is being written, if it can count by then, which an empty one
// cannot. A source whose file cannot be used has the names that were saved of it. No source changes until done
// is called, which must be, with whether to adopt the list: Run looks after it then.
func (x *Sources) Prepare(ctx context.Context, files []*config.Neighbour) (list []*Source, done func(adopt bool)) {
	x.looking.Lock()
	adopted := x.Adopted()
	var fresh []*Source
	for _, n := range files {
		if find(list, n) != nil {
			continue
		}
		s := find(adopted, n)
		if s == nil {
			s = newSource(n, &x.o)
			fresh = append(fresh, s)
		}
		list = append(list, s)
	}
	for end := time.Now().Add(loadWait); len(fresh) > 0 && ctx.Err() == nil; {
		wait := time.Duration(0)
		for _, s := range fresh {
			again := time.Duration(0)
			x.guard(s, func() { _, again = s.look(ctx) })
			if st := s.Status(); st.Read.IsZero() && st.Problem == "" && again <= time.Until(end) {
				wait = max(wait, again)
			}
		}
		if wait == 0 {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
	for _, s := range fresh {
		if s.Status().Read.IsZero() {
			x.guard(s, s.restore)
		}
	}
	return list, func(adopt bool) {
		if adopt {
			x.adopt(list)
		}
		x.looking.Unlock()
	}
}

// FilesOf returns a function that returns the source of a file in a list that Prepare returned.
func FilesOf(list []*Source) func(*config.Neighbour) derive.File {
	return func(n *config.Neighbour) derive.File {
		if s := find(list, n); s != nil {
			return s
		}
		return nil
	}
}

func find(list []*Source, n *config.Neighbour) *Source {
	for _, s := range list {
		if s.Format == n.Format && s.File.Path == n.File.Path && s.Domain.Equal(n.Domain) && s.Columns == n.Columns {
			return s
		}
	}
	return nil
}

func (x *Sources) adopt(list []*Source) {
	x.mu.Lock()
	x.adopted = list
	x.mu.Unlock()
	var paths []string
	for _, s := range list {
		files, _ := s.format.files(s.File.Path)
		paths = append(paths, files...)
	}
	x.watcher.Set(paths, nil, nil, time.Time{})
	x.removeSaved(list)
	x.ClockSet()
}

// Adopted returns the sources that Run looks after.
func (x *Sources) Adopted() []*Source {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.adopted
}

// Find returns the adopted source of a file; nil: there is none, or n is nil.
func (x *Sources) Find(n *config.Neighbour) *Source {
	if n == nil {
		return nil
	}
	return find(x.Adopted(), n)
}

// ClockSet has the ends of leases looked at again, after the clock was set.
func (x *Sources) ClockSet() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

func (x *Sources) look(ctx context.Context, s *Source) (changed []netip.Addr, again time.Duration) {
	x.looking.Lock()
	defer x.looking.Unlock()
	return s.look(ctx)
}

// saveAll saves the names of all files; isLast: also what changed only now.
func (x *Sources) saveAll(isLast bool) {
	x.looking.Lock()
	defer x.looking.Unlock()
	for _, s := range x.Adopted() {
		x.o.Guard.Do(guarded, func() { s.save(isLast) })
	}
}

// guarded is what panics are counted under.
const guarded = "leases"

// guard reads a source by work, and reports whether that did not panic.
func (x *Sources) guard(s *Source, work func()) bool {
	if x.o.Guard.Do(guarded, work) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problem = "an internal error ended the reading of it, the log has its stack; please report it"
	return false
}

// Run looks after the files until ctx ends.
func (x *Sources) Run(ctx context.Context) error {
	var watcher sync.WaitGroup
	defer x.saveAll(true)
	defer watcher.Wait()
	watcher.Go(func() { x.watcher.Run(ctx) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-x.watcher.Changed():
		case <-x.wake:
		case <-timer.C:
		}
		wait := lookEvery
		for _, s := range x.Adopted() {
			var changed []netip.Addr
			var again time.Duration
			isRead := x.guard(s, func() { changed, again = x.look(ctx, s) })
			if len(changed) > 0 && !x.o.Guard.Do(guarded, func() { x.o.Changed(s, changed) }) {
				s.mark(changed)
			}
			if isRead && again > 0 {
				wait = min(wait, again)
			}
		}
		x.saveAll(false) // after all names are served
		timer.Reset(wait)
	}
}
