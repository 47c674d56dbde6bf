package watch

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"unsafe"
)

// TestTraceOfPlainFiles: a file without a link on the way costs one small entry, whose text
// is that of the path. A link costs what it must.
func TestTraceOfPlainFiles(t *testing.T) {
	if size := unsafe.Sizeof(state{}); size > 64 {
		t.Errorf("a state takes %d octets", size)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, name := range []string{"a", "b", "c"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	paths = append(paths, filepath.Join(dir, "missing"))
	trace := newTrace(nil, paths, nil)
	if len(trace.names)+len(trace.others) > 0 || len(trace.dirs) != 1 {
		t.Errorf("names %v, others %v, directories %v", trace.names, trace.others, trace.dirs)
	}
	for i, path := range paths {
		ends, matters := trace.ends(path)
		if !matters || !slices.Equal(ends, []string{path}) {
			t.Errorf("%s ends at %v", path, ends)
		}
		if s := trace.states[i]; s.exists && unsafe.StringData(s.real) != unsafe.StringData(path) {
			t.Errorf("%s has a text of its own", path)
		}
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("a", link); err != nil {
		t.Fatal(err)
	}
	trace = newTrace(nil, []string{paths[0], link}, nil)
	if ends, _ := trace.ends(paths[0]); len(ends) != 2 {
		t.Errorf("%v end at the target of a link", ends)
	}
	if ends, matters := trace.ends(link); len(ends) > 0 || !matters {
		t.Errorf("%v end at a link, which matters: %v", ends, matters)
	}
}
