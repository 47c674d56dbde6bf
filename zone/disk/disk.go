// Package disk is the interface to the file system for packages that write files which must
// survive the process. Tests replace it by a disk that fails (internal/faulttest).
//
// [Replace] writes a file that is complete after a crash: it writes a new file, syncs it,
// renames it, and syncs the directory.
package disk

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS is a file system. [OS] is the one of the operating system. All methods may be
// called at the same time; paths and errors are those of package os.
type FS interface {
	Stat(path string) (fs.FileInfo, error)
	ReadDir(dir string) ([]fs.DirEntry, error)
	MkdirAll(dir string, mode fs.FileMode) error
	Open(path string) (File, error)               // for reading
	CreateTemp(dir, pattern string) (File, error) // for writing, mode 0600
	Chmod(path string, mode fs.FileMode) error
	Rename(from, to string) error
	Link(from, to string) error
	Remove(path string) error
	SyncDir(dir string) error // makes what was created, renamed and removed in it durable
}

// File is an open file.
type File interface {
	io.Reader
	io.Writer
	io.Closer
	Name() string
	Stat() (fs.FileInfo, error)
	Sync() error
}

// OS is the file system of the operating system.
type OS struct{}

var _ FS = OS{}

func (OS) Stat(path string) (fs.FileInfo, error)       { return os.Stat(path) }
func (OS) ReadDir(dir string) ([]fs.DirEntry, error)   { return os.ReadDir(dir) }
func (OS) MkdirAll(dir string, mode fs.FileMode) error { return os.MkdirAll(dir, mode) }
func (OS) Chmod(path string, mode fs.FileMode) error   { return os.Chmod(path, mode) }
func (OS) Rename(from, to string) error                { return os.Rename(from, to) }
func (OS) Link(from, to string) error                  { return os.Link(from, to) }
func (OS) Remove(path string) error                    { return os.Remove(path) }

// Open opens a file for reading. It never waits for the writer of a FIFO.
func (OS) Open(path string) (File, error) { return file(os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)) }

// CreateTemp makes a file with a name of its own, as [os.CreateTemp] does.
func (OS) CreateTemp(dir, pattern string) (File, error) { return file(os.CreateTemp(dir, pattern)) }

// file keeps a nil pointer from becoming a File that is not nil.
func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// SyncDir makes what happened in a directory durable.
func (OS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// SyncPath makes a directory durable together with those above it, which may be as new. One
// that may not be read was not made by this process.
func SyncPath(on FS, dir string) error {
	for {
		if err := on.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil
		}
		dir = up
	}
}

// TempPattern is what the names of unfinished files have behind the name of the file
// that they are to become.
const TempPattern = ".new-*"

// Replace makes or replaces the file at path (mode 0600) with what write writes: when it
// returns nil, the new content is durable; with an error the file is as it was before or,
// if only the last sync failed, has the new content.
func Replace(on FS, path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	f, err := on.CreateTemp(dir, filepath.Base(path)+TempPattern)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = on.Remove(f.Name()) // gone where it was renamed
		}
	}()
	if err = write(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := on.Rename(f.Name(), path); err != nil {
		return err
	}
	return on.SyncDir(dir)
}
