package infile

import (
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// openFlags are those of os.Root.OpenFile. Without O_LARGEFILE, which this function does not add as
// os.OpenFile does, a 32-bit process cannot open files of more than 2 GiB.
const openFlags = syscall.O_NONBLOCK | syscall.O_LARGEFILE

// Stat asks about a regular file, symbolic links followed.
func (OS) Stat(path string) (Info, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	return infoOf(path, &st)
}

func infoOf(path string, st *syscall.Stat_t) (Info, error) {
	switch st.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
	case syscall.S_IFDIR:
		return Info{}, checkMode(path, fs.ModeDir)
	default:
		return Info{}, checkMode(path, fs.ModeIrregular)
	}
	return Info{st.Size, identityOf(st)}, nil
}

// IdentityOf returns the identity of the file that info describes.
func IdentityOf(info fs.FileInfo) Identity {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return identityOf(st)
	}
	return Identity{}
}

func identityOf(st *syscall.Stat_t) Identity {
	return Identity{uint64(st.Dev), uint64(st.Ino), syscall.TimespecToNsec(st.Ctim), time.Now().UnixNano()}
}

// fstat asks about an open file, which it makes a blocking one.
func fstat(f *os.File) (Info, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return Info{}, err
	}
	var info Info
	if cerr := c.Control(func(fd uintptr) { info, err = settle(int(fd), f.Name()) }); cerr != nil {
		return Info{}, cerr
	}
	return info, err
}

// settle makes sure that an open file is a regular one and lets its reads wait.
func settle(fd int, path string) (Info, error) {
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return Info{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	info, err := infoOf(path, &st)
	if err == nil {
		err = syscall.SetNonblock(fd, false)
	}
	return info, err
}

// plainFile is a regular file open for reading. It has nothing to do with the
// poller, which os.File offers every file to, at a price in system calls.
type plainFile int

// Open opens a regular file.
func (OS) Open(path string) (Handle, Info, error) {
	if _, err := (OS{}).Stat(path); err != nil { // to open a device can do something
		return nil, Info{}, err
	}
	for {
		fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
		switch err {
		case nil:
			info, err := settle(fd, path)
			if err != nil {
				syscall.Close(fd)
				return nil, Info{}, pathError(path, err)
			}
			return plainFile(fd), info, nil
		case syscall.EINTR:
		default:
			return nil, Info{}, &fs.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

func (f plainFile) Read(b []byte) (int, error) {
	for len(b) > 0 {
		switch n, err := syscall.Read(int(f), b); {
		case err == syscall.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
	return 0, nil
}

func (f plainFile) Seek(offset int64, from int) (int64, error) {
	return syscall.Seek(int(f), offset, from)
}

func (f plainFile) Close() error { return syscall.Close(int(f)) }
