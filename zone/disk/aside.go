package disk

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
)

// asideInfix separates the name of a file that was set aside from the time.
const asideInfix = ".aside-"

// asideTime is the layout of the time in the name of a file that was set aside. It
// sorts as text.
const asideTime = "20060102T150405.000000000Z"

// AsidePath returns a path in the same directory that no file has and that nothing
// reads: what is there may be the only copy of something, and is not to be deleted.
func AsidePath(on FS, path string) string {
	prefix := path + asideInfix + time.Now().UTC().Format(asideTime)
	to := prefix
	for n := 1; ; n++ {
		if _, err := on.Stat(to); err != nil {
			return to
		}
		to = fmt.Sprintf("%s-%d", prefix, n)
	}
}

// SetAside gives a file or directory a name of [AsidePath], and returns it.
func SetAside(on FS, path string) (string, error) {
	to := AsidePath(on, path)
	if err := on.Rename(path, to); err != nil {
		return "", err
	}
	return to, on.SyncDir(filepath.Dir(path))
}

// IsAside reports whether path is of a file that was set aside, or is in such a directory.
func IsAside(path string) bool { return strings.Contains(path, asideInfix) }

// Aside returns the paths of the files that were set aside from path, the latest
// first.
func Aside(on FS, path string) []string {
	dir, prefix := filepath.Dir(path), filepath.Base(path)+asideInfix
	list, _ := on.ReadDir(dir) // sorted by name; without a directory there is nothing
	var out []string
	for i := len(list) - 1; i >= 0; i-- {
		if name := list[i].Name(); strings.HasPrefix(name, prefix) && list[i].Type().IsRegular() {
			out = append(out, filepath.Join(dir, name))
		}
	}
	return out
}

// ErrUnusable means that a path names no regular file, or one that is too large.
var ErrUnusable = errors.New("is not a file that ptrd wrote")

// OpenRegular opens a regular file for reading.
func OpenRegular(on FS, path string) (File, error) {
	f, err := on.Open(path)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w (%v)", path, ErrUnusable, fi.Mode().Type())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Read returns the content of a regular file of at most most octets.
func Read(on FS, path string, most int64) ([]byte, error) {
	f, err := OpenRegular(on, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tooLarge := fmt.Errorf("%s: %w (it has more than %d octets)", path, ErrUnusable, most)
	if fi, err := f.Stat(); err == nil && fi.Size() > most {
		return nil, tooLarge // without reading so much
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = tooLarge
	}
	return b, err
}

// Write makes or replaces a small file as [Replace] does.
func Write(on FS, path string, data []byte) error {
	return Replace(on, path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// RemoveUnfinished removes those files in a directory that [Replace] had begun when the
// process ended, if isOurs accepts the name of the file that they were to become.
func RemoveUnfinished(on FS, dir string, isOurs func(name string) bool) error {
	list, err := on.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if of, _, ok := strings.Cut(e.Name(), strings.TrimSuffix(TempPattern, "*")); !ok || !isOurs(of) || !e.Type().IsRegular() {
			continue
		}
		if err := on.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
