package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// ErrUnavailable means that the journal cannot be used for now, and that nothing was
// written.
var ErrUnavailable = errors.New("the journal cannot be used")

// Condition is why a journal cannot be written. It is immutable.
type Condition struct {
	Since time.Time
	Err   error // with a remedy, unless it is to repair the disk
}

// health is what is known of the state of a journal.
type health struct {
	condition atomic.Pointer[Condition] // nil: the last write succeeded
	failures  atomic.Uint64
	wake      chan struct{} // has room for one: the journal is to be looked at
}

// Condition returns why the journal cannot be written; nil: the last write succeeded. The
// history may still be readable.
func (j *Journal) Condition() *Condition { return j.health.condition.Load() }

// Failures returns how many writes failed because of the disk.
func (j *Journal) Failures() uint64 { return j.health.failures.Load() }

// view calls f with a read transaction. It must be short: pages that others free
// meanwhile are not reused, and the file grows.
func (j *Journal) view(f func(*transaction) error) error {
	for {
		d := j.db.Load()
		if d == nil {
			return j.unavailable()
		}
		err := d.view(func(tx *bolt.Tx) error { return f(&transaction{Tx: tx, j: j}) })
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errUnsettled): // and another goroutine has mu
			j.mu.Lock() // until it is known what became of it
			j.mu.Unlock()
			continue
		case isOfDatabase(err) && j.db.Load() != d:
			continue // it was closed meanwhile, and perhaps opened again
		case isOfFile(err):
			j.wakeRun()
		}
		return err
	}
}

// isOfDatabase reports whether another DB of the file may not have an error.
func isOfDatabase(err error) bool {
	return errors.Is(err, bolterrors.ErrDatabaseNotOpen) || errors.Is(err, ErrOverwritten)
}

// isOfFile reports whether an error of a database concerns the whole file.
func isOfFile(err error) bool {
	return errors.As(err, new(*faultError)) || errors.Is(err, ErrOverwritten) || errors.Is(err, bolterrors.ErrInvalidMapping)
}

func (j *Journal) unavailable() error {
	if c := j.Condition(); c != nil {
		return fmt.Errorf("%w since %s: %w", ErrUnavailable, c.Since.Format(time.DateTime), c.Err)
	}
	return fmt.Errorf("%w: %s is closed", ErrUnavailable, j.path)
}

// refuse returns the error of a write while there is no database; the caller holds mu.
// While one write is undecided all are: of a change that is asked for twice, the first
// may be on disk where the second is refused.
func (j *Journal) refuse() error {
	if j.mustUndo {
		return fmt.Errorf("%w: %w", zone.ErrUndecided, j.unavailable())
	}
	return j.unavailable()
}

// wakeRun makes Run check the journal.
func (j *Journal) wakeRun() {
	select {
	case j.health.wake <- struct{}{}:
	default:
	}
}

// write calls f with a transaction that writes; the caller holds mu. What f did is on
// disk when write returns nil. With an error nothing of it is kept, unless it is
// [zone.ErrUndecided]. f may be called twice.
func (j *Journal) write(f func(*transaction) error) error {
	for again := true; ; again = false {
		d := j.db.Load()
		if d == nil {
			return j.refuse()
		}
		d.writing.Store(true)
		began, err := d.write(func(tx *bolt.Tx) error {
			countTransaction(tx)
			return f(&transaction{Tx: tx, j: j, pause: j.pause()})
		})
		var refused *refusal
		switch {
		case err == nil:
			j.clearCondition()
		case errors.As(err, &refused):
			err = j.wrap(refused.error)
		case !began && errors.Is(err, ErrCorrupt) && !isOfFile(err):
			// It concerns the zone whose pages are damaged.
		default:
			if cause := d.check(); cause != nil && !began {
				err = cause // of a memory fault, for example
			}
			err = j.addRemedy(err)
			j.fail(d, began, err)
		}
		d.writing.Store(false)
		if j.broken == nil {
			return err
		}
		recovered := j.recover()
		switch {
		case j.mustUndo:
			return fmt.Errorf("%w: %w", zone.ErrUndecided, err)
		case recovered != nil, began, !again:
			return err
		}
		// The file was gone and is there again. Nothing was written yet.
	}
}

// addRemedy adds to an error of a database what the operator can do.
func (j *Journal) addRemedy(err error) error {
	switch {
	case errors.Is(err, errReplaced):
		return fmt.Errorf("%s: %w that is not the one ptrd has open, so nothing can be changed; move it away and the open one is written there again, or restart ptrd, which then begins with the other one", j.path, err)
	case errors.As(err, new(*faultError)):
		return fmt.Errorf("%s: a part of the file cannot be read, so nothing can be changed; look for disk errors in the system log", j.path)
	case errors.Is(err, ErrOverwritten):
		return fmt.Errorf("%s: %w, so nothing can be changed; restart ptrd, which then begins with what the file has; `ptrd dump ZONE` prints what is served until then", j.path, err)
	}
	return j.wrap(err)
}

// fail marks a database as unusable. began reports whether it may contain a failed
// transaction.
func (j *Journal) fail(d *database, began bool, err error) {
	j.health.failures.Add(1)
	j.db.Store(nil)
	j.broken = d
	j.mustUndo = began
	j.setCondition(err)
	j.wakeRun()
}

func (j *Journal) setCondition(err error) {
	old, since := j.Condition(), j.o.Now()
	if old != nil {
		since = old.Since
	}
	c := &Condition{Since: since, Err: err}
	j.health.condition.Store(c)
	if old == nil && j.o.Changed != nil {
		j.o.Changed(c)
	}
}

func (j *Journal) clearCondition() {
	if j.Condition() == nil {
		return
	}
	j.health.condition.Store(nil)
	if j.o.Changed != nil {
		j.o.Changed(nil)
	}
}

// recover makes a failed database usable again: it undoes what may have been written,
// writes the file again if it was removed, and opens it.
func (j *Journal) recover() error {
	d := j.broken
	if d == nil {
		return nil
	}
	err := j.recoverFrom(d)
	if err != nil {
		j.setCondition(j.addRemedy(err))
	}
	return err
}

func (j *Journal) recoverFrom(d *database) error {
	if j.mustUndo {
		if err := d.undo(); err != nil {
			return err
		}
		j.mustUndo = false
	}
	err := d.check()
	isGone := errors.Is(err, fs.ErrNotExist)
	if err != nil && !isGone {
		return err
	}
	_ = d.DB.Close() // nothing depends on what that returns, nor on how often it is called
	if isGone {
		if d, err = j.copyBack(d); err != nil {
			return err
		}
		j.broken = d
	}
	next, err := d.reopen(j.o)
	if err != nil {
		return err
	}
	j.broken = nil
	j.db.Store(next)
	if isGone {
		j.rewriteContents()
	}
	return nil
}

// copyBack writes the file of a database at its path again, where none exists now, from
// the open file, which was deleted or renamed.
func (j *Journal) copyBack(d *database) (*database, error) {
	dir := filepath.Dir(j.path)
	if err := j.disk.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	fi, err := d.own.Stat()
	if err != nil {
		return nil, err
	}
	if fi.Size() < d.size {
		return nil, ErrOverwritten
	}
	if _, err := d.readMeta(d.committed.Load(), d.committed.Load()%2); err != nil {
		return nil, err
	}
	f, err := j.disk.CreateTemp(dir, filepath.Base(j.path)+disk.TempPattern)
	if err != nil {
		return nil, err
	}
	defer func() { _ = j.disk.Remove(f.Name()) }()
	_, err = io.Copy(f, io.NewSectionReader(d.own, 0, fi.Size()))
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	own, err := openOwn(f.Name())
	if err != nil {
		return nil, err
	}
	if err = place(j.disk, f.Name(), j.path); err == nil {
		err = disk.SyncPath(j.disk, dir)
	}
	if err != nil {
		own.Close()
		return nil, err
	}
	d.own.Close()
	return d.successor(own), nil
}

// rewriteContents writes the content files of kept zones that no longer exist. A zone that
// is not served as it was kept last is left out; a secondary zone comes from its primary
// again.
func (j *Journal) rewriteContents() {
	if j.o.Content == nil {
		return
	}
	lost := map[string]state{}
	_ = j.eachState(func(_ *transaction, k []byte, s *state, ok bool) {
		if ok && s.Kept && !s.Gone && !j.hasContent(dname.FromWire(k), &s.content) {
			lost[string(k)] = *s
		}
	})
	for key, s := range lost {
		z := j.o.Content(dname.FromWire([]byte(key)))
		if z == nil || !z.IsAvailable() || z.Serial() != s.Serial || z.Digest() != s.Digest {
			continue
		}
		if file, err := j.writeContent(z); err == nil {
			file.sequence = s.Sequence
			_ = j.commitContent(z.Apex(), file, s.since)
		}
	}
}

// hasContent reports whether the file is there that a kept zone is restored from.
func (j *Journal) hasContent(apex dname.Name, s *contentFile) bool {
	_, err := j.disk.Stat(j.contentPath(s.name(apex)))
	return !errors.Is(err, fs.ErrNotExist)
}

// Recover makes a journal usable again that could not be written, and writes to it; nil:
// that succeeded.
func (j *Journal) Recover() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.recover(); err != nil {
		return err
	}
	return j.write(func(*transaction) error { return nil }) // a commit that changes nothing
}

// checkFile finds out whether the open file is still the one at its path, and can be read;
// the caller holds mu.
func (j *Journal) checkFile() error {
	d := j.db.Load()
	if d == nil {
		return j.unavailable()
	}
	err := d.check()
	if err == nil {
		err = d.view(func(*bolt.Tx) error { return nil })
	}
	if err != nil {
		err = j.addRemedy(err)
		j.fail(d, false, err)
	}
	return err
}

const (
	// checkEvery is how often an idle journal is compared with its path. Each write
	// does so itself.
	checkEvery = 10 * time.Second
	// A write that failed is tried again after firstRetry, then after twice as long each
	// time up to lastRetry: the longest time between the repair of a disk and the recovery of the journal.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// Run recovers the journal whenever it cannot be written, until ctx ends.
func (j *Journal) Run(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	wait := firstRetry
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-j.health.wake:
		case <-tick.C:
			if j.Condition() == nil {
				wait = firstRetry // no failure for a while
			}
		}
		j.mu.Lock()
		_ = j.checkFile() // the condition has the error
		j.mu.Unlock()
		for j.Condition() != nil {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
			}
			wait = min(2*wait, lastRetry)
			_ = j.Recover() // the condition has the error
		}
	}
}
