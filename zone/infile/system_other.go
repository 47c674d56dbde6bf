//go:build !linux

package infile

import (
	"io/fs"
	"os"
)

// Stat asks about a regular file, symbolic links followed. The identity is that
// of no file: nothing proves that a file is unchanged, and its content is compared
// each time.
func (OS) Stat(path string) (Info, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Info{}, err
	}
	return Info{Size: info.Size()}, checkMode(path, info.Mode())
}

// IdentityOf returns the identity of no file.
func IdentityOf(fs.FileInfo) Identity { return Identity{} }

func fstat(f *os.File) (Info, error) {
	info, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	return Info{Size: info.Size()}, checkMode(f.Name(), info.Mode())
}

// Open opens a regular file.
func (OS) Open(path string) (Handle, Info, error) {
	if _, err := (OS{}).Stat(path); err != nil { // to open a device can do something
		return nil, Info{}, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, Info{}, err
	}
	info, err := fstat(f)
	if err != nil {
		f.Close()
		return nil, Info{}, pathError(path, err)
	}
	return f, info, nil
}
