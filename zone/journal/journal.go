package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// format is the number of the layout that package doc describes.
const format = 1

// The names of the buckets and keys.
const (
	bucketMeta  = "meta"
	bucketZones = "zones"
	keyFormat   = "format"
)

// lockWait is how long Open waits for another process to let go of the file. A
// restart waits for the old server to end before it starts the new one, so this
// only bridges the moment between the two; a longer wait would only delay the
// message about a second server.
const lockWait = 500 * time.Millisecond

// The errors that a caller can tell apart.
var (
	// ErrLocked says that another process has the journal open.
	ErrLocked = errors.New("journal is in use")
	// ErrCorrupt says that the file is damaged or is no journal.
	ErrCorrupt = errors.New("journal is damaged")
)

// Options of Open. The zero value is good.
type Options struct {
	// LockWait is how long to wait for another process to let go of the file; 0
	// means half a second.
	LockWait time.Duration
}

// Journal is an open journal file. It implements [zone.Journal]; all methods may
// be called at the same time.
type Journal struct {
	db   *bolt.DB
	path string
}

var _ zone.Journal = (*Journal)(nil)

// Open opens the journal at path, or makes an empty one, its directory included
// (mode 0700; the file has 0600). It reads every entry once, so that damage shows
// now and not at the first change. Errors are ErrLocked, ErrCorrupt or the
// operating system's.
func Open(path string, o Options) (*Journal, error) {
	if o.LockWait == 0 {
		o.LockWait = lockWait
	}
	if err := create(path, o); err != nil {
		return nil, err
	}
	db, err := open(path, o)
	if err != nil {
		return nil, err
	}
	j := &Journal{db: db, path: path}
	if err := j.verify(); err != nil {
		db.Close()
		return nil, err
	}
	return j, nil
}

// create makes an empty journal at path unless there is a file. It is
// finished under another name first: a process killed in between leaves no half
// of a journal at path, which the next one would have to take for a damaged one.
func create(path string, o Options) error {
	if fi, err := os.Stat(path); err == nil {
		if !fi.Mode().IsRegular() {
			return fmt.Errorf("%s: is not a regular file (%v); move it away, or give another state_dir", path, fi.Mode().Type())
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("make the journal: %w", err)
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return fmt.Errorf("make the journal: %w", err)
	}
	db, err := open(f.Name(), o)
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket([]byte(bucketMeta))
		if err != nil {
			return err
		}
		if err := meta.Put([]byte(keyFormat), binary.BigEndian.AppendUint32(nil, format)); err != nil {
			return err
		}
		_, err = tx.CreateBucket([]byte(bucketZones))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("make the journal %s: %w", path, err)
	}
	// Link, unlike Rename, does not take the place of a file that another
	// process made meanwhile; where the file system has no links, Rename must do.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := os.Rename(f.Name(), path); err != nil {
			return fmt.Errorf("make the journal: %w", err)
		}
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// open opens the database. bbolt panics or reads beyond the end of the file
// where a page is damaged; both come back as ErrCorrupt.
func open(path string, o Options) (db *bolt.DB, err error) {
	var file *os.File
	defer func() {
		if err != nil && file != nil {
			file.Close() // lets go of the lock after a panic
		}
	}()
	defer guard(path, &err)()
	db, err = bolt.Open(path, 0o600, &bolt.Options{
		Timeout:      o.LockWait,
		FreelistType: bolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(name, flag, mode)
			file = f
			return f, err
		},
	})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, fmt.Errorf("%s: %w by another process; stop the other ptrd, or give this one its own state_dir", path, ErrLocked)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, corrupt(path, err)
	case err != nil:
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return db, nil
}

func corrupt(path string, what any) error {
	return fmt.Errorf("%s: %w (%v); move the file away and start again: serials then go on from the clock", path, ErrCorrupt, what)
}

// guard turns a panic over a damaged page, an access beyond the file's end
// included, into ErrCorrupt. Its result is to be deferred.
func guard(path string, err *error) func() {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		if v := recover(); v != nil {
			*err = corrupt(path, v)
		}
	}
}

// verify reads the whole journal but its history.
func (j *Journal) verify() (err error) {
	defer guard(j.path, &err)()
	return j.db.View(func(tx *bolt.Tx) error {
		if fi, err := os.Stat(j.path); err == nil && fi.Size() < tx.Size() {
			return corrupt(j.path, fmt.Sprintf("%d octets of %d are there", fi.Size(), tx.Size()))
		}
		meta, zones := tx.Bucket([]byte(bucketMeta)), tx.Bucket([]byte(bucketZones))
		if meta == nil || zones == nil {
			return corrupt(j.path, "not ptrd's")
		}
		switch v := meta.Get([]byte(keyFormat)); {
		case len(v) != 4:
			return corrupt(j.path, "no format")
		case binary.BigEndian.Uint32(v) > format:
			return fmt.Errorf("%s: journal has format %d, this ptrd knows up to %d; use the newer ptrd again, or move the file away: serials then go on from the clock",
				j.path, binary.BigEndian.Uint32(v), format)
		}
		return zones.ForEach(func(k, v []byte) error {
			if _, ok := decode(v); !ok || len(dname.FromWire(k)) != len(k) {
				return corrupt(j.path, fmt.Sprintf("entry %q", k))
			}
			return nil
		})
	})
}

// Close lets go of the file.
func (j *Journal) Close() error { return j.db.Close() }

// Last returns the entry of the zone at apex, also of one that is gone; ok is
// false if it was never served.
func (j *Journal) Last(apex dname.Name) (e Entry, ok bool, err error) {
	defer guard(j.path, &err)()
	err = j.db.View(func(tx *bolt.Tx) error {
		v := tx.Bucket([]byte(bucketZones)).Get([]byte(apex.Key()))
		if v == nil {
			return nil
		}
		if e, ok = decode(v); !ok {
			return corrupt(j.path, fmt.Sprintf("entry of %v", apex))
		}
		return nil
	})
	return e, ok, err
}

// Append makes the batch durable in one transaction, flushed to disk before it
// returns; with an error nothing of it is kept. A zone that goes keeps its serial
// for the day it comes back; a zone without data leaves its serial as it is.
func (j *Journal) Append(b *zone.Batch) error {
	edits := make([]edit, len(b.Changes))
	for i := range b.Changes {
		edits[i] = editOf(&b.Changes[i])
	}
	return j.update(edits)
}

// edit is what one change does to the entry of its zone.
type edit struct {
	apex   dname.Name
	gone   bool
	served bool  // entry says as what
	entry  Entry // without Sequence
}

func editOf(c *zone.Change) edit {
	e := edit{apex: c.Apex, gone: c.Zone == nil}
	if c.Zone != nil && c.Zone.IsAvailable() {
		e.served = true
		e.entry = Entry{
			Serial:      c.Zone.Serial(),
			Digest:      c.Zone.Digest(),
			Verbatim:    c.Verbatim,
			Declared:    c.Declared,
			HasDeclared: c.HasDeclared,
		}
	}
	return e
}

// apply returns the entry that follows old; ok is false if there is nothing to
// keep.
func (e *edit) apply(old Entry) (next Entry, ok bool) {
	next = old
	if e.served {
		next = e.entry
		next.Sequence = old.Sequence + 1
	}
	next.Gone = e.gone
	return next, next != old && next.Sequence > 0
}

// update makes the edits in one transaction, by ascending keys: the database keeps
// the new keys of a transaction in one sorted list, which a hundred thousand in
// any other order would move each time.
func (j *Journal) update(edits []edit) (err error) {
	keys := make([]string, len(edits))
	order := make([]int, len(edits))
	for i := range edits {
		keys[i], order[i] = edits[i].apex.Key(), i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(keys[a], keys[b]) })
	defer guard(j.path, &err)()
	err = j.db.Update(func(tx *bolt.Tx) error {
		zones := tx.Bucket([]byte(bucketZones))
		for _, i := range order {
			key := []byte(keys[i])
			var old Entry
			if v := zones.Get(key); v != nil {
				var ok bool
				if old, ok = decode(v); !ok {
					return corrupt(j.path, fmt.Sprintf("entry of %v", edits[i].apex))
				}
			}
			if next, ok := edits[i].apply(old); ok {
				if err := zones.Put(key, next.encode()); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("write the journal %s: %w", j.path, err)
	}
	return err
}
