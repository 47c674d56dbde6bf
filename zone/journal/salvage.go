package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

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
// verified, and a damaged one is set aside. It returns the names of the files that
// the entries of kept zones name.
func inspect(path string, o Options) (files map[string]bool, damage []Damage, err error) {
	release, err := lockShared(path, o)
	if err != nil {
		return nil, nil, err
	}
	defer func() { release() }()
	v, err := openSurvey(path)
	if err != nil {
		return nil, nil, err
	}
	defer v.file.Close()
	var why string
	if v.p == nil {
		why = v.unusable.Error()
	} else {
		if err := v.readFormat(path); err != nil {
			return nil, nil, err
		}
		files = v.check()
		if v.p.faults == 0 && v.format == format {
			return files, nil, nil
		}
		if why = v.p.example; v.p.faults > 1 {
			why += fmt.Sprintf(" and %d places more", v.p.faults-1)
		}
	}
	noted := map[string]string{}
	if v.p != nil {
		contents, _, _ := readContents(o.Disk, filepath.Join(filepath.Dir(path), contentDir), nil)
		v.collect()
		damage, noted = v.resolve(contents)
		if v.p.mayBeOld {
			damage = append(damage, Damage{Text: "the last change of a zone before the damage may be lost; the file does not show whether it is"})
		}
	}
	next, err := v.makeNext(path, o, noted)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = o.Disk.Remove(next) }() // of no effect once it was renamed
	isOlder := v.p != nil && v.p.faults == 0
	entries := len(v.zones)
	release() // or it could not be renamed everywhere
	release = func() {}
	v.file.Close()
	if !isOlder {
		aside, err := linkAside(path, o)
		if err != nil {
			return nil, nil, fmt.Errorf("set the damaged journal aside: %w", err)
		}
		damage = append([]Damage{{Text: fmt.Sprintf("the journal was damaged (%s); the entries of %d zones were taken over into a new one, and the damaged file is kept as %s", why, entries, aside)}}, damage...)
	}
	if err := o.Disk.Rename(next, path); err != nil {
		return nil, nil, fmt.Errorf("put the new journal in its place: %w", err)
	}
	if err := o.Disk.SyncDir(filepath.Dir(path)); err != nil {
		return nil, nil, err
	}
	files = map[string]bool{}
	for key, s := range v.zones {
		if s.content != (contentFile{}) {
			files[s.content.name(dname.Name(key))] = true
		}
	}
	return files, damage, nil
}

// makeNext makes a new journal of a survey and returns its path.
func (v *survey) makeNext(path string, o Options, noted map[string]string) (next string, err error) {
	next, err = createTemp(path, o, func(db *bolt.DB) error {
		if v.p == nil {
			return nil
		}
		return v.copyTo(db, noted)
	})
	if err != nil {
		return "", fmt.Errorf("make a new journal of what can be read of %s: %w", path, err)
	}
	return next, nil
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

// copyTo writes what resolve decided on into an empty database.
func (v *survey) copyTo(db *bolt.DB, noted map[string]string) error {
	var most uint32
	for id := range v.names {
		most = max(most, id)
	}
	for _, root := range v.p.roots {
		if root.sequence < 1<<32 { // the number of zones so far
			most = max(most, uint32(min(root.sequence, 1<<31)))
		}
	}
	w := &copier{db: db}
	defer w.rollback()
	v.p.secondPass().walk(bucketLost, func(it item) { // of an earlier time
		if text, ok := summed(bucketLost, it.key, it.value); ok && noted[string(it.key)] == "" {
			noted[string(it.key)] = string(text)
		}
	})
	v.p.secondPass().walk(bucketFloors, func(it item) {
		if isWhole(bucketFloors, it) {
			w.put(bucketFloors, it.key, it.value)
		}
	})
	w.edit(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketChanges)).SetSequence(uint64(most)) })
	for _, key := range slices.Sorted(maps.Keys(v.zones)) {
		w.put(bucketZones, []byte(key), v.zones[key].encode([]byte(key)))
	}
	for _, id := range slices.Sorted(maps.Keys(v.names)) {
		if s := v.zones[v.names[id]]; s != nil && s.id == id {
			key := binary.BigEndian.AppendUint32(nil, id)
			w.put(bucketNames, key, withSum(bucketNames, key, []byte(v.names[id])))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(noted)) {
		w.put(bucketLost, []byte(key), withSum(bucketLost, []byte(key), []byte(noted[key])))
	}
	v.walkAll(func(bucket string, it item, ok bool) {
		if !ok || len(it.key) < 4 {
			return
		}
		id := binary.BigEndian.Uint32(it.key)
		s := v.zones[v.names[id]]
		if s == nil || s.id != id {
			return
		}
		switch bucket {
		case bucketChanges:
			if _, sequence, _ := splitKey(it.key); sequence >= s.first && sequence <= s.Sequence {
				w.add(bucketChanges, it)
			}
		case bucketNotes:
			w.add(bucketNotes, it)
		case bucketNotes2:
			w.put(bucketNotes, it.key, withSum(bucketNotes, it.key, it.value))
		}
	})
	return w.end()
}

// copier puts items into a database, some in each transaction.
type copier struct {
	db     *bolt.DB
	tx     *bolt.Tx
	octets int
	err    error
}

func (w *copier) edit(f func(*bolt.Tx) error) {
	if w.err == nil && w.tx == nil {
		w.tx, w.err = w.db.Begin(true)
		w.octets = 0
		if w.err == nil {
			countTransaction(w.tx)
		}
	}
	if w.err == nil {
		w.err = f(w.tx)
	}
	if w.err == nil && w.octets > copyBatch {
		w.err = w.tx.Commit()
		w.tx = nil
	}
}

func (w *copier) put(bucket string, key, value []byte) {
	w.octets += len(key) + len(value)
	w.edit(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		b.FillPercent = changesFill
		return b.Put(bytes.Clone(key), bytes.Clone(value))
	})
}

// add puts an item unless a newer one is there.
func (w *copier) add(bucket string, it item) {
	if it.page == nil {
		isThere := false
		w.edit(func(tx *bolt.Tx) error {
			isThere = tx.Bucket([]byte(bucket)).Get(it.key) != nil
			return nil
		})
		if isThere {
			return
		}
	}
	w.put(bucket, it.key, it.value)
}

func (w *copier) end() error {
	if w.err == nil && w.tx != nil {
		w.err = w.tx.Commit()
		w.tx = nil
	}
	return w.err
}

func (w *copier) rollback() {
	if w.tx != nil {
		_ = w.tx.Rollback() // after an error that is returned
	}
}
