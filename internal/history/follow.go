package history

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// followers are the readers of changes as they are made.
type followers struct {
	mu   sync.Mutex
	list []*changedZones
}

func (f *followers) published(b *zone.Batch) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, z := range f.list {
		z.add(b, func(*zone.Change) bool { return true })
	}
}

func (f *followers) add(z *changedZones) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, z)
}

func (f *followers) remove(z *changedZones) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = slices.DeleteFunc(f.list, func(o *changedZones) bool { return o == z })
}

// Follower reads lines of the history as they are written.
type Follower struct {
	keeper  *Keeper
	part    func(apex dname.Name) (Part, bool)
	changed *changedZones
	began   int64             // Unix milliseconds
	seen    map[string]uint64 // by key of the apex, the number of the last line that was read
}

// Follow returns a Follower of the changes from now on; part returns what of a zone is asked for, or false:
// nothing. The caller closes it.
func (k *Keeper) Follow(part func(apex dname.Name) (Part, bool)) *Follower {
	f := &Follower{keeper: k, part: part, changed: newChangedZones(), began: time.Now().UnixMilli(), seen: map[string]uint64{}}
	k.followers.add(f.changed)
	return f
}

// Close ends the Follower.
func (f *Follower) Close() { f.keeper.followers.remove(f.changed) }

// Run calls show with the lines until ctx is done or show returns an error.
func (f *Follower) Run(ctx context.Context, show func(*Line) error) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-f.changed.wake:
		}
		lines, err := f.read()
		if err != nil {
			return err
		}
		for i := range lines {
			if err := show(&lines[i]); err != nil {
				return err
			}
		}
	}
}

// read returns the lines that are new, by time.
func (f *Follower) read() (lines []Line, err error) {
	for key, apex := range f.changed.take() {
		p, ok := f.part(apex)
		if !ok {
			continue
		}
		last := f.seen[key]
		r := p.reader()
		for l, err := range f.keeper.o.Journal.Log(apex, p.About != nil) {
			if err != nil {
				return nil, err
			}
			if l.Sequence <= last || last == 0 && l.At < f.began {
				break
			}
			f.seen[key] = max(f.seen[key], l.Sequence)
			if line, ok := r.line(&l); ok {
				lines = append(lines, line)
			}
		}
	}
	slices.Reverse(lines) // those of a zone are the newest first
	slices.SortStableFunc(lines, func(a, b Line) int { return a.At.Compare(b.At) })
	return lines, nil
}

// Text returns the line for a person.
func (l *Line) Text() string {
	var b strings.Builder
	l.print(&b)
	return b.String()
}
