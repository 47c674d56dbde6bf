package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// format is the number of the layout that package doc describes.
const format = 2

// The names of the buckets and keys.
const (
	bucketMeta    = "meta"
	bucketZones   = "zones"
	bucketChanges = "changes"
	bucketNotes   = "notes"
	keyFormat     = "format"
)

const (
	// growBy is by how much the file grows at a time. Each time costs a flush more.
	growBy = 1 << 20
	// mapSize is the part of the address space that is set aside for the file, so
	// that it can grow there: else each growth beyond a power of two would have to
	// wait for who reads.
	mapSize = 1 << 30
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

	// Disk has the files but the database, which needs one of the operating system;
	// nil means disk.OS.
	Disk disk.FS

	Now func() time.Time // nil: time.Now

	// Changed, if set, is called when the journal can no longer be written, and with
	// nil when it can again. It must not call the Journal.
	Changed func(*Condition)

	// Content, if set, returns what is served of a zone; nil: nothing. The content of
	// zones that have no other source is written from it where it was removed.
	Content func(apex dname.Name) *zone.Zone
}

// Journal is an open journal file. It implements [zone.Journal]; all methods may
// be called at the same time.
type Journal struct {
	o      Options
	db     atomic.Pointer[database] // nil: it cannot be used for now
	path   string
	disk   disk.FS
	limits atomic.Pointer[limitSet]
	health health

	mu       sync.Mutex          // orders who writes
	broken   *database           // to be recovered; then db is nil
	isOpen   bool                // the DB of broken is
	mustUndo bool                // broken may hold a transaction that failed
	prepared map[string]snapshot // by key of the apex: files that no entry names yet
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
	if o.Disk == nil {
		o.Disk = disk.OS{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := create(path, o); err != nil {
		return nil, err
	}
	db, err := openDatabase(path, o)
	if err != nil {
		return nil, err
	}
	j := &Journal{o: o, path: path, disk: o.Disk, prepared: map[string]snapshot{}}
	j.health.wake = make(chan struct{}, 1)
	j.db.Store(db)
	j.SetLimits(defaultLimits, nil)
	files, err := j.verify()
	if err == nil {
		err = j.upgrade()
	}
	if err == nil {
		err = j.dropLeftovers(files)
	}
	if err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

// create makes an empty journal at path unless there is a file. It is
// finished under another name first: a process killed in between leaves no half
// of a journal at path, which the next one would have to take for a damaged one.
func create(path string, o Options) error {
	if fi, err := o.Disk.Stat(path); err == nil {
		if !fi.Mode().IsRegular() {
			return fmt.Errorf("%s: is not a regular file (%v); move it away, or give another state_dir", path, fi.Mode().Type())
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	if err := o.Disk.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	f, err := o.Disk.CreateTemp(dir, filepath.Base(path)+disk.TempPattern)
	if err != nil {
		return fmt.Errorf("make the journal: %w", err)
	}
	defer func() { _ = o.Disk.Remove(f.Name()) }() // gone where it was renamed
	if err := f.Close(); err != nil {
		return fmt.Errorf("make the journal: %w", err)
	}
	db, err := openDatabase(f.Name(), o)
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
		return makeBuckets(tx)
	})
	if err := errors.Join(err, db.close()); err != nil {
		return fmt.Errorf("make the journal %s: %w", path, err)
	}
	if err := place(o.Disk, f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the journal: %w", err)
	}
	return nil
}

// place gives a new file its name, unless another process gave it to one meanwhile.
func place(on disk.FS, from, to string) error {
	// Link, unlike Rename, does not replace a file; where the file system has no
	// links, Rename must do.
	if err := on.Link(from, to); errors.Is(err, fs.ErrExist) {
		return err
	} else if err != nil {
		if err := on.Rename(from, to); err != nil {
			return err
		}
	}
	return on.SyncDir(filepath.Dir(to))
}

// mapAhead returns mapSize where that costs nothing: Windows would make the file as
// large, and 32 bits of addresses are too few.
func mapAhead() int {
	if runtime.GOOS == "windows" || bits.UintSize < 64 {
		return 0
	}
	return mapSize
}

func corrupt(path string, what any) error {
	return fmt.Errorf("%s: %w (%v); move the file away and start again: serials then go on from the clock", path, ErrCorrupt, what)
}

// makeBuckets makes the buckets beside the meta data that are not there.
func makeBuckets(tx *bolt.Tx) error {
	for _, name := range []string{bucketZones, bucketChanges, bucketNotes} {
		if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

// verify reads the whole journal but its history and its notes, and returns the
// names of the snapshots that it needs.
func (j *Journal) verify() (files map[string]bool, err error) {
	files = map[string]bool{}
	return files, j.view(func(tx *bolt.Tx) error {
		if fi, err := j.disk.Stat(j.path); err == nil && fi.Size() < tx.Size() {
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
		case binary.BigEndian.Uint32(v) == format && (tx.Bucket([]byte(bucketChanges)) == nil || tx.Bucket([]byte(bucketNotes)) == nil):
			return corrupt(j.path, "no history")
		}
		return zones.ForEach(func(k, v []byte) error {
			s, ok := decode(v)
			if !ok || len(dname.FromWire(k)) != len(k) {
				return corrupt(j.path, fmt.Sprintf("entry %q", k))
			}
			if s.snapshot != (snapshot{}) {
				files[s.snapshot.name(dname.FromWire(k))] = true
			}
			return nil
		})
	})
}

// upgrade gives a file of an older format what this one has, and its number, so
// that no older ptrd takes from the entries what it does not know.
func (j *Journal) upgrade() error {
	old := false
	if err := j.view(func(tx *bolt.Tx) error {
		old = binary.BigEndian.Uint32(tx.Bucket([]byte(bucketMeta)).Get([]byte(keyFormat))) < format
		return nil
	}); err != nil || !old {
		return err
	}
	return j.write(func(tx *bolt.Tx) error {
		if err := makeBuckets(tx); err != nil {
			return err
		}
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyFormat), binary.BigEndian.AppendUint32(nil, format))
	})
}

// Close releases the file. Later calls return an error.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.db.Swap(nil)
	if d != nil {
		return d.close()
	}
	if d = j.broken; d == nil {
		return nil
	}
	j.broken = nil
	j.closeBroken(d)
	return d.own.Close()
}

// Last returns the entry of the zone at apex, also of one that is gone; ok is
// false if it was never served.
func (j *Journal) Last(apex dname.Name) (e Entry, ok bool, err error) {
	s, err := j.state(apex)
	return s.Entry, s.Sequence > 0, err
}

// state returns what is known of the zone at apex; the zero value: nothing.
func (j *Journal) state(apex dname.Name) (s state, err error) {
	err = j.view(func(tx *bolt.Tx) error {
		s, err = j.stateIn(tx, apex)
		return err
	})
	return s, err
}

func (j *Journal) stateIn(tx *bolt.Tx, apex dname.Name) (s state, err error) {
	v := tx.Bucket([]byte(bucketZones)).Get([]byte(apex.Key()))
	if v == nil {
		return state{}, nil
	}
	s, ok := decode(v)
	if !ok {
		return state{}, corrupt(j.path, fmt.Sprintf("entry of %v", apex))
	}
	return s, nil
}
