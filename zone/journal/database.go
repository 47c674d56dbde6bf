package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// database is an open database file. This type handles four things that
// bbolt leaves to its user:
//
//   - After a failed commit it is unknown what the file holds. A commit writes the pages
//     of the transaction, syncs, writes one of the two meta pages, and syncs again. If
//     the first sync fails, the file holds the transaction before; if the second does,
//     the file as the process sees it holds the new one, and the disk either. undo makes
//     it the one before for certain.
//   - A reader sees a transaction once its meta page is written, before the last sync, which
//     may still fail: view waits for that.
//   - A damaged page is a panic, and one that cannot be read (the file was truncated, or
//     the disk fails) a memory fault. Either may come while bbolt holds a lock: begin
//     and write release it.
//   - The file may be removed, replaced or overwritten while it is open: check.
type database struct {
	*bolt.DB
	path     string
	own      *os.File // the same file, opened once more: it stays open when the DB is closed
	pageSize int64

	writing   atomic.Bool  // the writer is at work
	settling  sync.RWMutex // held by it during a commit
	committed atomic.Int64 // number of the last transaction that is on disk
	size      int64        // octets of the file that it uses; for the writer
}

// openDatabase opens the file at path.
func openDatabase(path string, o Options) (d *database, err error) {
	own, err := openOwn(path)
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	d = &database{path: path, own: own}
	if err := d.open(o); err != nil {
		own.Close()
		return nil, err
	}
	_, err = d.read(func(int64) bool { return true }, func(tx *bolt.Tx) error {
		d.committed.Store(int64(tx.ID()))
		d.size = tx.Size()
		return nil
	})
	if err == nil {
		err = d.placeMeta()
	}
	if err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func openOwn(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDWR, 0) }

// open opens the DB. bbolt panics or reads beyond the end of the file where a page is
// damaged; both come back as ErrCorrupt.
func (d *database) open(o Options) (err error) {
	var file *os.File
	defer func() {
		if err != nil && file != nil {
			file.Close() // which releases the lock after a panic
		}
	}()
	defer guard(d.path, &err)()
	d.DB, err = bolt.Open(d.path, 0o600, &bolt.Options{
		Timeout:         o.LockWait,
		FreelistType:    bolt.FreelistMapType,
		NoStatistics:    true,
		InitialMmapSize: mapAhead(),
		OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
			if name == d.path { // else it is that of a copy
				flag &^= os.O_CREATE
			}
			f, err := os.OpenFile(name, flag, mode)
			if name == d.path {
				file = f
			}
			return f, err
		},
	})
	switch {
	case isLocked(err):
		return lockedError(d.path)
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return corrupt(d.path, err)
	case err != nil:
		return fmt.Errorf("open the journal: %w", err)
	}
	d.AllocSize = growBy
	d.pageSize = int64(d.Info().PageSize)
	return nil
}

func isLocked(err error) bool { return errors.Is(err, bolterrors.ErrTimeout) }

func lockedError(path string) error {
	return fmt.Errorf("%s: %w by another process; stop the other ptrd, or give this one its own state_dir", path, ErrLocked)
}

// successor returns a database that takes the place of d, with another file of the same
// content or the same one. Its DB is still that of d.
func (d *database) successor(own *os.File) *database {
	next := &database{DB: d.DB, path: d.path, own: own, pageSize: d.pageSize, size: d.size}
	next.committed.Store(d.committed.Load())
	return next
}

// reopen returns a database with a DB of its own on the same file, after the one of d
// was closed.
func (d *database) reopen(o Options) (*database, error) {
	next := d.successor(d.own)
	if err := next.open(o); err != nil {
		return nil, err
	}
	isLast, err := next.read(func(number int64) bool { return number == next.committed.Load() }, func(*bolt.Tx) error { return nil })
	if err == nil && !isLast {
		err = ErrOverwritten
	}
	if err == nil {
		err = next.check() // in particular: the DB opened the same file
	}
	if err != nil {
		next.DB.Close()
		return nil, err
	}
	return next, nil
}

func (d *database) close() error { return errors.Join(d.DB.Close(), d.own.Close()) }

// view calls f with a transaction that reads what is on disk.
func (d *database) view(f func(*bolt.Tx) error) error {
	least := d.committed.Load()
	for range 2 {
		isOld := false
		isSettled, err := d.read(func(number int64) bool {
			isOld = number < least
			return !isOld && number <= d.committed.Load()
		}, f)
		switch {
		case err != nil || isSettled:
			return err
		case isOld:
			return ErrOverwritten
		}
		d.awaitCommit()
	}
	if !d.writing.Load() {
		return ErrOverwritten
	}
	return errUnsettled
}

// awaitCommit waits until the commit under way, if any, has ended.
func (d *database) awaitCommit() {
	d.settling.RLock()
	defer d.settling.RUnlock()
}

// errUnsettled means that the readable state belongs to a commit that failed, or has not
// ended.
var errUnsettled = errors.New("a commit has not ended")

// read calls f with a transaction that reads, if its number is accepted.
func (d *database) read(accept func(number int64) bool, f func(*bolt.Tx) error) (accepted bool, err error) {
	defer guard(d.path, &err)()
	tx, err := d.begin(false)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	if !accept(int64(tx.ID())) {
		return false, nil
	}
	return true, f(tx)
}

// ErrOverwritten means that another program wrote to the journal while it was open, so that
// what it holds is lost.
var ErrOverwritten = errors.New("another program wrote to the file while it was open")

// errReplaced means that the file at the path is not the open one.
var errReplaced = errors.New("there is another file now")

// write calls f with a transaction that writes, and commits it. began reports whether
// the commit began: then an error leaves unknown what the file holds, until undo.
func (d *database) write(f func(*bolt.Tx) error) (began bool, err error) {
	defer guard(d.path, &err)()
	tx, err := d.begin(true)
	if err != nil {
		return false, err
	}
	number, size := int64(tx.ID()), int64(0)
	// Unlike the rollback of a failed commit this one reads no page, so it cannot
	// panic. After the end of a transaction it does nothing.
	defer tx.Rollback()
	if number != d.committed.Load()+1 {
		return false, ErrOverwritten
	}
	if err := d.check(); err != nil {
		return false, err
	}
	if err := f(tx); err != nil {
		return false, &refusal{err}
	}
	size = tx.Size()
	began = true
	d.settling.Lock()
	defer d.settling.Unlock()
	if err := tx.Commit(); err != nil {
		return true, err
	}
	if size < d.size {
		size = d.size
	}
	if err := d.checkAs(number, size); err != nil {
		return true, err
	}
	d.committed.Store(number)
	d.size = size
	return false, nil
}

// refusal is an error of the function that makes a transaction: nothing was written.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// check returns an error unless the open file is the one at its path and holds what
// was committed last. It costs three system calls, which is little next to the two
// syncs of a commit.
func (d *database) check() error { return d.checkAs(d.committed.Load(), d.size) }

func (d *database) checkAs(number, size int64) error {
	open, err := d.own.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(d.path)
	switch {
	case err != nil:
		return err
	case !os.SameFile(open, there):
		return errReplaced
	case open.Size() < size:
		return fmt.Errorf("%w: it has %d octets of %d", ErrOverwritten, open.Size(), size)
	}
	_, err = d.readMeta(number, number%2)
	return err
}

// readMeta returns the meta page of a transaction from page 0 or 1 of the file (page.go).
// It is page 0 for even numbers and page 1 for odd ones, unless placeMeta has something to
// do.
func (d *database) readMeta(number, page int64) ([]byte, error) {
	b := make([]byte, pageHeaderLen+headLen)
	if _, err := d.own.ReadAt(b, page*d.pageSize); err != nil {
		return nil, fmt.Errorf("read the last commit: %w", err)
	}
	if h, ok := decodeHead(b); !ok || int64(h.tx) != number {
		return nil, ErrOverwritten
	}
	return b, nil
}

// writeMeta writes a meta page to page 0 or 1 of the file, and syncs.
func (d *database) writeMeta(meta []byte, page int64) error {
	binary.NativeEndian.PutUint64(meta, uint64(page))
	var err error
	for range 2 { // the first sync may return the error of an earlier write
		if _, err = d.own.WriteAt(meta, page*d.pageSize); err != nil {
			return err
		}
		if err = d.own.Sync(); err == nil {
			return nil
		}
	}
	return err
}

// placeMeta moves the meta page to where undo and check look for it. A copy that bbolt
// made has it in page 0 in any case.
func (d *database) placeMeta() error {
	number := d.committed.Load()
	if _, err := d.readMeta(number, number%2); err == nil {
		return nil
	}
	meta, err := d.readMeta(number, 1-number%2)
	if err != nil {
		return err
	}
	return d.writeMeta(meta, number%2)
}

// undo makes the last committed transaction the one that the file holds, after one that
// failed: it writes the meta page of the former in the place of that of the latter, and
// syncs. All else that the failed one wrote lies in pages that the former does not use.
// The page is written each time that undo is tried, since after a failed sync the system
// may take a page for clean that never reached the disk. A page that is written by half
// is not valid, which has the same effect. Afterwards the DB is to be closed: in memory
// it has the free pages of the failed transaction.
func (d *database) undo() error {
	number := d.committed.Load()
	meta, err := d.readMeta(number, number%2)
	if err != nil {
		return err
	}
	return d.writeMeta(meta, 1-number%2)
}

// begin begins a transaction. bbolt reads the meta pages meanwhile, and leaves its locks
// held if that is a memory fault; this is the only way to release them. A
// lock that stays held would block every later call, Close included.
func (d *database) begin(writable bool) (tx *bolt.Tx, err error) {
	done := false
	defer func() {
		switch {
		case done:
		case writable:
			lockOf[sync.Mutex](d.DB, "rwlock").Unlock()
		default:
			lockOf[sync.RWMutex](d.DB, "mmaplock").RUnlock()
			lockOf[sync.Mutex](d.DB, "metalock").Unlock()
		}
	}()
	tx, err = d.Begin(writable)
	done = true
	return tx, err
}

// lockOf returns a lock of a database by the name of its field.
func lockOf[T any](db *bolt.DB, name string) *T {
	f, ok := reflect.TypeFor[bolt.DB]().FieldByName(name)
	if !ok || f.Type != reflect.TypeFor[T]() {
		panic("journal: bbolt has another " + name) // TestLocks fails first
	}
	return (*T)(unsafe.Add(unsafe.Pointer(db), f.Offset))
}

// guard turns a panic over a damaged page, and a memory fault, into ErrCorrupt. Its
// result is to be deferred.
func guard(path string, err *error) func() {
	old := debug.SetPanicOnFault(true)
	return func() {
		debug.SetPanicOnFault(old)
		if v := recover(); v != nil {
			*err = corrupt(path, v)
			if fault, ok := v.(interface{ Addr() uintptr }); ok {
				*err = &faultError{*err, fault.Addr()}
			}
		}
	}
}

// faultError means that a page of the file cannot be read. It is ErrCorrupt.
type faultError struct {
	error
	addr uintptr
}

func (e *faultError) Unwrap() error { return e.error }
