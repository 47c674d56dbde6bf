package infile

import (
	"errors"
	"io"
	"io/fs"
	"time"
)

// File is a regular file open for reading, by the goroutine of its Task.
type File struct {
	Info // from when it was opened

	task   *Task
	path   string
	handle Handle
	limit  int64         // octets before which all reads end
	err    error         // of an earlier Read
	spent  time.Duration // on reading
	read   int64         // octets
	at     int64         // octets before what is read next
}

// Handle is an open file.
type Handle interface {
	io.Reader
	Close() error
}

// Read reads on. After an error, io.EOF included, all further ones return it.
func (f *File) Read(b []byte) (n int, err error) {
	if f.err != nil || len(b) == 0 {
		return 0, f.err
	}
	if left := f.limit - f.at; int64(len(b)) > left {
		b = b[:left+1] // one more shows that it is too large
	}
	began := time.Now()
	f.err = f.task.do(f.path, func() error {
		n, err = f.handle.Read(b)
		return err
	}, nil)
	f.spent += time.Since(began)
	f.read += int64(n)
	f.at += int64(n)
	switch {
	case f.err == nil && f.task.isTooSlow(f.path, f.read, f.spent):
		n, f.err = 0, ErrHung
	case f.at > f.limit:
		n--
		f.at, f.err = f.limit, ErrTooLarge
	}
	if f.err != nil && f.err != io.EOF {
		f.err = pathError(f.path, f.err)
	}
	return n, f.err
}

// SeekTo has the next Read read from offset on, from the start of the file. It fails with
// errors.ErrUnsupported where the System's handles do not seek.
func (f *File) SeekTo(offset int64) error {
	s, ok := f.handle.(io.Seeker)
	switch {
	case offset == f.at:
		return nil
	case !ok:
		return pathError(f.path, errors.ErrUnsupported)
	case offset > f.limit:
		return pathError(f.path, ErrTooLarge)
	}
	err := f.task.do(f.path, func() error {
		_, err := s.Seek(offset, io.SeekStart)
		return err
	}, nil)
	if err != nil {
		return pathError(f.path, err)
	}
	f.at, f.err = offset, nil
	return nil
}

// readAll returns what is left.
func (f *File) readAll() ([]byte, error) {
	const least = 512 // some file systems do not know sizes
	data := make([]byte, 0, min(max(f.Size, least), f.limit)+1)
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		case len(data) == cap(data):
			data = append(data, 0)[:len(data)]
		}
	}
}

// Failed reports whether reading ended by an error and not at the end of the file.
func (f *File) Failed() bool { return f.err != nil && f.err != io.EOF }

// Close closes the file.
func (f *File) Close() error { return f.task.do(f.path, f.handle.Close, nil) }

func pathError(path string, err error) error {
	if _, ok := err.(*fs.PathError); ok {
		return err
	}
	return &fs.PathError{Op: "read", Path: path, Err: err}
}
