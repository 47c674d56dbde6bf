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

// format is the number of the layout that package doc describes. Since formatSummed
// all values have checksums that cover their keys.
const (
	format       = 3
	formatSummed = 3
)

// The names of the buckets and keys.
const (
	bucketMeta    = "meta"
	bucketZones   = "zones"
	bucketChanges = "changes"
	bucketNames   = "names"
	bucketNotes   = "summed notes"
	bucketLost    = "lost notes"
	bucketFloors  = "serial floors"
	keyFormat     = "format"
	keyFormatSum  = "format sum"
)

var buckets = [...]string{bucketMeta, bucketZones, bucketNames, bucketChanges, bucketNotes, bucketLost, bucketFloors}

const (
	// growBy is by how much the file grows at a time. Each time costs a flush more.
	growBy = 1 << 20
	// mapSize is the part of the address space that is set aside for the file, so
	// that it can grow there: otherwise each growth beyond a power of two would
	// wait for the readers.
	mapSize = 1 << 30
)

// lockWait is how long Open waits for another process to release the file. A
// restart waits for the old server to end before it starts the new one, so this
// only bridges the moment between the two; a longer wait would only delay the
// message about a second server.
const lockWait = 500 * time.Millisecond

// Errors that callers handle differently.
var (
	// ErrLocked means that another process has the journal open.
	ErrLocked = errors.New("journal is in use")
	// ErrCorrupt means that the file is damaged or is not a journal.
	ErrCorrupt = errors.New("journal is damaged")
)

// Options of Open. The zero value is ready.
type Options struct {
	// LockWait is how long to wait for another process to release the file; 0
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

	// Pause, if set, is called for each large computation, and returns what that calls
	// every few microseconds; nil: nothing.
	Pause func() func()
}

// Journal is an open journal file, to which each batch is appended before it is served.
// Its methods may be called by several goroutines at once.
//
// The fields are three groups, each with its own lock or none. A writer needs most of
// the group of mu; found is filled by Open.
type Journal struct {
	o      Options
	db     atomic.Pointer[database] // nil: it cannot be used for now
	path   string
	disk   disk.FS
	limits atomic.Pointer[limitSet]
	health health
	newest int64        // Unix milliseconds of the last change when it was opened; 0: none
	aged   atomic.Int64 // likewise, the time that ages are measured at, see ageAt

	mu       sync.Mutex             // serializes writers
	broken   *database              // to be recovered; then db is nil
	mustUndo bool                   // broken may hold a transaction that failed
	prepared map[string]contentFile // by key of the apex: files that no entry names yet
	pins     int                    // backups under way

	isNew  bool     // Open made it, or could not take over all of a damaged one
	damage []Damage // that Open found

	foundMu   sync.Mutex
	found     map[string][]foundFile // by key of the apex: files that no entry names, the latest serial last
	dropLater []string               // content files to be removed after backups
}

// Open opens the journal at path, or makes an empty one, its directory included
// (mode 0700; the file has 0600). All of it is read once and checked. Where it is
// damaged, what can be verified is taken over into a new one, which takes its place,
// and the damaged one is set aside; [Journal.Damage] lists the losses. Errors are
// ErrLocked or the operating system's.
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
	j := &Journal{o: o, path: path, disk: o.Disk, prepared: map[string]contentFile{}}
	j.health.wake = make(chan struct{}, 1)
	if err := j.prepare(o); err != nil {
		return nil, err
	}
	// An earlier process may have ended before it came to this.
	if err := disk.SyncPath(o.Disk, filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	damage, err := inspect(path, o)
	if err != nil {
		return nil, err
	}
	j.damage = append(j.damage, damage...)
	j.isNew = j.isNew || len(damage) > 0
	db, err := openDatabase(path, o)
	if err != nil {
		return nil, err
	}
	j.db.Store(db)
	j.SetLimits(defaultLimits, nil)
	if err = j.examineContents(); err == nil && j.isNew {
		err = j.RecallSerials()
	}
	if err == nil {
		j.newest, err = j.readNewest()
		j.aged.Store(j.newest)
	}
	if err != nil {
		j.Close()
		return nil, err
	}
	return j, nil
}

// IsNew reports whether Open made the journal, or found it damaged: it does not know
// the serials of all zones that were ever served.
func (j *Journal) IsNew() bool { return j.isNew }

// prepare makes the file at the path if there is none.
func (j *Journal) prepare(o Options) error {
	dir, base := filepath.Dir(j.path), filepath.Base(j.path)
	if err := o.Disk.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	if err := disk.RemoveUnfinished(o.Disk, dir, func(name string) bool { return name == base }); err != nil {
		return fmt.Errorf("prepare the state directory: %w", err)
	}
	switch fi, err := o.Disk.Stat(j.path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case fi.Mode().IsRegular():
		return nil
	default:
		aside, err := disk.SetAside(o.Disk, j.path)
		if err != nil {
			return fmt.Errorf("%s: is not a regular file (%v), and cannot be set aside: %w", j.path, fi.Mode().Type(), err)
		}
		j.report(nil, "%s was not a regular file (%v), and is kept as %s", j.path, fi.Mode().Type(), aside)
	}
	j.isNew = true
	return create(j.path, o)
}

// create makes an empty journal at path.
func create(path string, o Options) error {
	next, err := createTemp(path, o, func(*bolt.DB) error { return nil })
	if err != nil {
		return fmt.Errorf("make the journal %s: %w", path, err)
	}
	defer func() { _ = o.Disk.Remove(next) }() // its other name
	if err := place(o.Disk, next, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make the journal: %w", err)
	}
	return nil
}

// createTemp makes a journal under a name of its own next to path, with what fill
// puts into it, and returns its path: a process killed in between leaves no half of a
// journal at path, which the next one would have to take for a damaged one.
func createTemp(path string, o Options, fill func(*bolt.DB) error) (next string, err error) {
	f, err := o.Disk.CreateTemp(filepath.Dir(path), filepath.Base(path)+disk.TempPattern)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = o.Disk.Remove(f.Name())
		}
	}()
	if err := f.Close(); err != nil {
		return "", err
	}
	db, err := openDatabase(f.Name(), o)
	if err != nil {
		return "", err
	}
	db.NoSync = true // until it is whole
	err = db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucket([]byte(bucketMeta))
		if err != nil {
			return err
		}
		number := binary.BigEndian.AppendUint32(nil, format)
		sum := binary.BigEndian.AppendUint32(nil, keyedSum(bucketMeta, []byte(keyFormat), number))
		if err := errors.Join(meta.Put([]byte(keyFormat), number), meta.Put([]byte(keyFormatSum), sum)); err != nil {
			return err
		}
		for _, name := range buckets {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = fill(db.DB)
	}
	if err == nil {
		err = db.Sync()
	}
	return f.Name(), errors.Join(err, db.close())
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
	return fmt.Errorf("%s: %w (%v); restart ptrd, which takes over what can be verified into a new journal and keeps the damaged one", path, ErrCorrupt, what)
}

// Close releases the file. Later calls return an error.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.db.Swap(nil)
	if d == nil {
		d, j.broken = j.broken, nil
	}
	if d == nil {
		return nil
	}
	return d.close()
}

// Last returns the entry of the zone at apex, also of one that is gone; ok is
// false if it was never served.
func (j *Journal) Last(apex dname.Name) (e Entry, ok bool, err error) {
	s, err := j.state(apex)
	return s.Entry, s.Sequence > 0, err
}

// state returns what is known of the zone at apex; the zero value: nothing.
func (j *Journal) state(apex dname.Name) (s state, err error) {
	err = j.view(func(t *transaction) error {
		s, err = t.state(apex.Key())
		return err
	})
	return s, err
}

// eachState calls visit with all entries; ok is false for one that is damaged. The key
// is valid until visit returns.
func (j *Journal) eachState(visit func(t *transaction, key []byte, s *state, ok bool)) error {
	return j.view(func(t *transaction) error {
		return t.bucket(bucketZones).ForEach(func(k, v []byte) error {
			s, ok := decode(k, v)
			visit(t, k, &s, ok)
			return nil
		})
	})
}
