package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// Damage is something in the state directory that Open found damaged or lost.
type Damage struct {
	Apex dname.Name // of the zone that it concerns; nil: no one zone
	Text string     // what is damaged and what was done, without the name of the zone
}

// Damage returns what Open found damaged or lost, and did about it.
func (j *Journal) Damage() []Damage { return j.damage }

// inspect reads all of the journal at path before the database does. Where it is
// damaged, or of an older format, a new one takes its place with all that could be
// verified, and a damaged one is set aside.
func inspect(path string, o Options) (damage []Damage, err error) {
	release, err := lockShared(path, o)
	if err != nil {
		return nil, err
	}
	defer func() { release() }()
	v, err := openSurvey(path)
	if err != nil {
		return nil, err
	}
	defer v.file.Close()
	var why string
	if v.p == nil {
		why = v.unusable.Error()
	} else {
		if err := v.readFormat(path); err != nil {
			return nil, err
		}
		v.check()
		if v.p.faults == 0 && v.format == format {
			return nil, nil
		}
		if why = v.p.example; v.p.faults > 1 {
			why += fmt.Sprintf(" and %d places more", v.p.faults-1)
		}
	}
	next, entries, damage, err := v.makeNext(path, o)
	if err != nil {
		return nil, fmt.Errorf("make a new journal of what can be read of %s: %w", path, err)
	}
	defer func() { _ = o.Disk.Remove(next) }() // of no effect once it was renamed
	isOlder := v.p != nil && v.p.faults == 0
	release() // or it could not be renamed everywhere
	release = func() {}
	v.file.Close()
	if !isOlder {
		aside, err := linkAside(path, o)
		if err != nil {
			return nil, fmt.Errorf("set the damaged journal aside: %w", err)
		}
		damage = append([]Damage{{Text: fmt.Sprintf("the journal was damaged (%s); the entries of %d zones were taken over into a new one, and the damaged file is kept as %s", why, entries, aside)}}, damage...)
	}
	if err := o.Disk.Rename(next, path); err != nil {
		return nil, fmt.Errorf("put the new journal in its place: %w", err)
	}
	return damage, o.Disk.SyncDir(filepath.Dir(path))
}

// makeNext makes a new journal of a survey and returns its path, how many entries it has,
// and what is lost.
func (v *survey) makeNext(path string, o Options) (next string, entries int, damage []Damage, err error) {
	next, err = createTemp(path, o, func(db *bolt.DB) error {
		if v.p == nil {
			return nil
		}
		contents, _, _ := readContents(o.Disk, filepath.Join(filepath.Dir(path), contentDir), nil)
		s := salvage{survey: v, out: copier{db: db}, contents: contents}
		defer s.out.rollback()
		if err := s.run(); err != nil {
			return err
		}
		damage = s.lost
		return db.View(func(tx *bolt.Tx) error {
			entries = tx.Bucket([]byte(bucketZones)).Stats().KeyN
			return nil
		})
	})
	if v.p != nil && v.p.mayBeOld {
		damage = append(damage, Damage{Text: "the last change of a zone before the damage may be lost; the file does not show whether it is"})
	}
	return next, entries, damage, err
}

// linkAside gives a damaged journal a second name: the first one is that of the new
// journal soon. Where the file system has no links it is renamed, and after a crash
// in between the next start finds it by that name.
func linkAside(path string, o Options) (string, error) {
	aside := disk.AsidePath(o.Disk, path)
	if err := o.Disk.Link(path, aside); err == nil {
		return aside, o.Disk.SyncDir(filepath.Dir(path))
	}
	return disk.SetAside(o.Disk, path)
}

// lockShared keeps other processes from writing to the journal. Where its heads are
// so damaged that the database does not open it, nothing is locked.
func lockShared(path string, o Options) (release func(), err error) {
	var db *bolt.DB
	func() {
		defer guard(path, &err)()
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: o.LockWait, ReadOnly: true, NoStatistics: true})
	}()
	switch {
	case err == nil:
		return func() { db.Close() }, nil
	case isLocked(err):
		return nil, lockedError(path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return func() {}, nil
}

// copyBatch is how many octets a transaction of a salvage takes: they are in memory.
const copyBatch = 4 << 20

// copier changes a database, with some values in each transaction.
type copier struct {
	db     *bolt.DB
	t      *transaction // nil: the next one has not begun
	octets int          // that it takes
}

// next returns the transaction for so many octets more.
func (w *copier) next(octets int) (*transaction, error) {
	if w.octets += octets; w.octets > copyBatch {
		if err := w.commit(); err != nil {
			return nil, err
		}
	}
	if w.t == nil {
		tx, err := w.db.Begin(true)
		if err != nil {
			return nil, err
		}
		countTransaction(tx)
		w.t, w.octets = &transaction{Tx: tx}, octets
	}
	return w.t, nil
}

func (w *copier) put(bucket string, key, value []byte) error {
	t, err := w.next(len(key) + len(value))
	if err != nil {
		return err
	}
	b := t.bucket(bucket)
	b.FillPercent = changesFill
	return b.Put(bytes.Clone(key), bytes.Clone(value))
}

func (w *copier) has(bucket string, key []byte) (bool, error) {
	t, err := w.next(0)
	return err == nil && t.bucket(bucket).Get(key) != nil, err
}

func (w *copier) remove(bucket string, keys [][]byte) error {
	for _, k := range keys {
		t, err := w.next(len(k))
		if err == nil {
			err = t.bucket(bucket).Delete(k)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *copier) commit() error {
	t := w.t
	if w.t = nil; t == nil {
		return nil
	}
	return t.Commit()
}

func (w *copier) rollback() {
	if w.t != nil {
		_ = w.t.Rollback() // after an error that is returned
	}
}
