// Package faulttest has disks and connections that fail, for tests of what the server does
// then.
//
// [Disk] is a [disk.FS] that fails at chosen operations, for code that has it as an option.
// [Conn] and [Listener] do the same for sockets.
package faulttest

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"

	"github.com/ptrd/ptrd/zone/disk"
)

// Op is one operation of a Disk.
type Op struct {
	Kind string // method of disk.FS or disk.File in lower case: stat, write, sync, rename, syncdir, …
	Path string // of rename and link the new one
	N    int    // how many operations came before
}

// String returns the operation as a test prints it.
func (o Op) String() string { return fmt.Sprintf("%d %s %s", o.N, o.Kind, o.Path) }

// Disk is a file system that fails where Fail says so. The zero value with an FS never
// fails.
type Disk struct {
	disk.FS

	// Fail returns the error of an operation, which then has no effect but that a
	// write may write a part; nil: it is carried out. It is called for one operation at
	// a time.
	Fail func(Op) error

	mu  sync.Mutex
	ops []Op
}

// NewDisk returns a Disk of the operating system's files. fail may be nil.
func NewDisk(fail func(Op) error) *Disk { return &Disk{FS: disk.OS{}, Fail: fail} }

// FailAt returns a function for [Disk.Fail] that fails the operation with the number n,
// and for good also all after it if it is to stay broken.
func FailAt(n int, stays bool, err error) func(Op) error {
	return func(o Op) error {
		if o.N == n || stays && o.N > n {
			return err
		}
		return nil
	}
}

// FailKind returns a function for [Disk.Fail] that fails all operations of a kind on
// paths that contain a text.
func FailKind(kind, path string, err error) func(Op) error {
	return func(o Op) error {
		if o.Kind == kind && strings.Contains(o.Path, path) {
			return err
		}
		return nil
	}
}

// The errors of disks that fail.
var (
	EIO    error = syscall.EIO
	ENOSPC error = syscall.ENOSPC
	EROFS  error = syscall.EROFS
)

// SetFail changes how the disk fails from now on.
func (d *Disk) SetFail(fail func(Op) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Fail = fail
}

// Ops returns the operations so far.
func (d *Disk) Ops() []Op {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Op(nil), d.ops...)
}

func (d *Disk) op(kind, path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := Op{Kind: kind, Path: path, N: len(d.ops)}
	d.ops = append(d.ops, o)
	if d.Fail == nil {
		return nil
	}
	if err := d.Fail(o); err != nil {
		return &fs.PathError{Op: kind, Path: path, Err: err}
	}
	return nil
}

func (d *Disk) Stat(path string) (fs.FileInfo, error) {
	if err := d.op("stat", path); err != nil {
		return nil, err
	}
	return d.FS.Stat(path)
}

func (d *Disk) ReadDir(dir string) ([]fs.DirEntry, error) {
	if err := d.op("readdir", dir); err != nil {
		return nil, err
	}
	return d.FS.ReadDir(dir)
}

func (d *Disk) MkdirAll(dir string, mode fs.FileMode) error {
	if err := d.op("mkdirall", dir); err != nil {
		return err
	}
	return d.FS.MkdirAll(dir, mode)
}

func (d *Disk) Chmod(path string, mode fs.FileMode) error {
	if err := d.op("chmod", path); err != nil {
		return err
	}
	return d.FS.Chmod(path, mode)
}

func (d *Disk) Rename(from, to string) error {
	if err := d.op("rename", to); err != nil {
		return err
	}
	return d.FS.Rename(from, to)
}

func (d *Disk) Link(from, to string) error {
	if err := d.op("link", to); err != nil {
		return err
	}
	return d.FS.Link(from, to)
}

func (d *Disk) Remove(path string) error {
	if err := d.op("remove", path); err != nil {
		return err
	}
	return d.FS.Remove(path)
}

func (d *Disk) SyncDir(dir string) error {
	if err := d.op("syncdir", dir); err != nil {
		return err
	}
	return d.FS.SyncDir(dir)
}

func (d *Disk) Open(path string) (disk.File, error) {
	if err := d.op("open", path); err != nil {
		return nil, err
	}
	return d.file(d.FS.Open(path))
}

func (d *Disk) CreateTemp(dir, pattern string) (disk.File, error) {
	if err := d.op("createtemp", dir+"/"+pattern); err != nil {
		return nil, err
	}
	return d.file(d.FS.CreateTemp(dir, pattern))
}

func (d *Disk) file(f disk.File, err error) (disk.File, error) {
	if err != nil {
		return nil, err
	}
	return &file{f, d}, nil
}

// file is an open file of a Disk.
type file struct {
	disk.File
	d *Disk
}

func (f *file) Read(b []byte) (int, error) {
	if err := f.d.op("read", f.Name()); err != nil {
		return 0, err
	}
	return f.File.Read(b)
}

// Write writes the first half before it fails, as a disk that becomes full does.
func (f *file) Write(b []byte) (int, error) {
	if err := f.d.op("write", f.Name()); err != nil {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, err
	}
	return f.File.Write(b)
}

func (f *file) Sync() error {
	if err := f.d.op("sync", f.Name()); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *file) Close() error {
	if err := f.d.op("close", f.Name()); err != nil {
		f.File.Close()
		return err
	}
	return f.File.Close()
}
