package infile

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// System are the calls of the operating system, in place of which a test can have
// its own. Open and OpenIn return a regular file or an error.
type System interface {
	Open(path string) (Handle, Info, error)
	OpenIn(root, path string) (h Handle, info Info, resolved string, err error)
	Stat(path string) (Info, error)
	Lstat(path string) (fs.FileInfo, error)
	Readlink(path string) (string, error)
	ReadDir(path string) ([]fs.DirEntry, error)
}

// OS makes the calls of the operating system.
type OS struct{}

// Lstat is [os.Lstat].
func (OS) Lstat(path string) (fs.FileInfo, error) { return os.Lstat(path) }

// Readlink is [os.Readlink].
func (OS) Readlink(path string) (string, error) { return os.Readlink(path) }

// ReadDir is [os.ReadDir].
func (OS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// OpenIn opens a path without the symbolic links in it, through a handle on the
// directory, so that a link put there meanwhile leads nowhere else.
func (OS) OpenIn(root, path string) (h Handle, info Info, resolved string, err error) {
	if resolved, err = resolve(path); err != nil {
		return nil, Info{}, "", err
	}
	absolute, err := resolve(root)
	if err != nil {
		return nil, Info{}, resolved, err
	}
	rel, err := filepath.Rel(absolute, resolved)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, Info{}, resolved, &fs.PathError{Op: "open", Path: path, Err: ErrOutside}
	}
	if _, err := (OS{}).Stat(resolved); err != nil {
		return nil, Info{}, resolved, err
	}
	dir, err := os.OpenRoot(absolute)
	if err != nil {
		return nil, Info{}, resolved, err
	}
	defer dir.Close()
	f, err := dir.OpenFile(rel, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, Info{}, resolved, err
	}
	if info, err = fstat(f); err != nil {
		f.Close()
		return nil, Info{}, resolved, pathError(path, err)
	}
	return f, info, resolved, nil
}

// Info is what the file system knows of a regular file without reading it.
type Info struct {
	Size     int64 // octets
	Identity Identity
}

// Identity is what the file system knows of a file without reading it. The zero
// value is that of no file.
type Identity struct {
	Device, Inode uint64
	Changed       int64 // when the inode was last changed, which no program can set; Unix nanoseconds
	At            int64 // when it was asked, likewise
}

// racy is how old a change must be for the inode's time to prove that nothing
// followed it. Most file systems stamp by the kernel's tick of some milliseconds,
// a few by two seconds; younger changes are found by reading the file.
const racy = 2 * time.Second

// IsOf reports whether later is an identity of the same file without a change in
// between that shows.
func (id Identity) IsOf(later Identity) bool {
	return id.Changed != 0 && id.Device == later.Device && id.Inode == later.Inode && id.Changed == later.Changed
}

// Proves reports whether a file of identity later, asked for after id, surely
// has the same content.
func (id Identity) Proves(later Identity) bool {
	return id.IsOf(later) && id.At-id.Changed > int64(racy)
}

// checkMode returns why a file of this mode cannot be read as one.
func checkMode(path string, mode fs.FileMode) error {
	switch {
	case mode.IsDir():
		return &fs.PathError{Op: "open", Path: path, Err: ErrDirectory}
	case !mode.IsRegular():
		return &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	return nil
}
