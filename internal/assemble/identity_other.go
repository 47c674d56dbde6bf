//go:build !linux

package assemble

import (
	"io"
	"os"
)

// kindOf is the kind and the size of a file.
type kindOf struct {
	kind fileKind
	size int64
}

// identify asks the file system about path, links followed. The identity is that
// of no file: nothing proves that a file is unchanged, and its content is summed
// each time.
func identify(path string) (id identity, what kindOf, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return identity{}, kindOf{}, err
	}
	what.size = info.Size()
	switch {
	case info.IsDir():
		what.kind = directory
	case !info.Mode().IsRegular():
		what.kind = otherFile
	}
	return identity{}, what, nil
}

func open(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return f, nil
}
