package watch

import (
	"io/fs"
	"path/filepath"
	"time"

	"github.com/ptrd/ptrd/zone/infile"
)

// maxLinks bounds the symbolic links on the way to one file, as Linux does.
const maxLinks = 40

// trace is what was on the way to each path at one moment. A file system that does not
// answer counts as missing.
type trace struct {
	task   *infile.Task
	states map[string]state    // by path
	dirs   map[string]bool     // directories whose names matter, without links in them
	names  map[string]bool     // the names that matter, directory included; true: the path of this text ends there
	others map[string][]string // further paths that end at a name
	memo   map[string]place    // directories already walked
}

// state identifies the content of a file. States are comparable.
type state struct {
	exists  bool
	device  uint64
	inode   uint64
	mode    fs.FileMode
	size    int64
	written int64     // modification time, Unix nanoseconds
	changed time.Time // latest change of the inode or of a link on the way
	real    string    // the path without links
}

// none is the state of a file that was never looked at. It equals no other state.
var none = state{size: -1}

// sameContent reports whether nothing but the mode and the owner differs.
func (s state) sameContent(o state) bool {
	s.mode, s.changed = o.mode, o.changed
	return s == o
}

// place is a directory after all links.
type place struct {
	real    string
	exists  bool
	changed time.Time // latest change of a link on the way
}

func newTrace(task *infile.Task, paths []string) *trace {
	t := &trace{
		task:   task,
		states: make(map[string]state, len(paths)),
		dirs:   map[string]bool{},
		names:  map[string]bool{},
		others: map[string][]string{},
		memo:   map[string]place{},
	}
	for _, p := range paths {
		t.states[p] = t.file(p)
	}
	return t
}

// file walks to path and returns its state.
func (t *trace) file(path string) state {
	var latest time.Time
	asked := path
	for range maxLinks {
		dir := t.dir(filepath.Dir(path), maxLinks)
		latest = later(latest, dir.changed)
		if !dir.exists {
			break
		}
		path = filepath.Join(dir.real, filepath.Base(path))
		t.addName(path)
		info, err := t.task.Lstat(path)
		if err != nil {
			t.addEnd(asked, path)
			break
		}
		id, changed := identify(info)
		latest = later(latest, changed)
		if info.Mode()&fs.ModeSymlink == 0 {
			t.addEnd(asked, path)
			return state{
				exists: true, device: id.Device, inode: id.Inode, mode: info.Mode(), size: info.Size(),
				written: info.ModTime().UnixNano(), changed: latest, real: path,
			}
		}
		if path, err = t.follow(path); err != nil {
			break
		}
	}
	return state{changed: latest}
}

// identify returns the identity of a file and when its inode last changed in any way,
// renames included; where the system does not report that, the modification time.
func identify(info fs.FileInfo) (infile.Identity, time.Time) {
	id := infile.IdentityOf(info)
	if id.Changed == 0 {
		return id, info.ModTime()
	}
	return id, time.Unix(0, id.Changed)
}

// addEnd records that a path ends at a name.
func (t *trace) addEnd(path, name string) {
	if path == name {
		t.names[name] = true
	} else {
		t.others[name] = append(t.others[name], path)
	}
}

// ends returns the paths that end at a name: none where it is a link or a directory that
// is missing. matters is false for names that no path leads over.
func (t *trace) ends(name string) (paths []string, matters bool) {
	own, matters := t.names[name]
	if paths = t.others[name]; own {
		paths = append(paths[:len(paths):len(paths)], name)
	}
	return paths, matters
}

// dir walks to a directory.
func (t *trace) dir(path string, links int) place {
	if p, ok := t.memo[path]; ok {
		return p
	}
	parent := filepath.Dir(path)
	if parent == path {
		return place{real: path, exists: true}
	}
	p := t.walk(path, parent, links)
	t.memo[path] = p
	return p
}

func (t *trace) walk(path, parent string, links int) place {
	up := t.dir(parent, links)
	if !up.exists {
		return place{changed: up.changed}
	}
	real := filepath.Join(up.real, filepath.Base(path))
	info, err := t.task.Lstat(real)
	switch {
	case err != nil: // the first missing component
		t.addName(real)
		return place{changed: up.changed}
	case info.Mode()&fs.ModeSymlink == 0:
		return place{real: real, exists: true, changed: up.changed}
	}
	t.addName(real)
	_, changed := identify(info)
	target, err := t.follow(real)
	if err != nil || links == 0 {
		return place{changed: later(up.changed, changed)}
	}
	p := t.dir(target, links-1)
	p.changed = later(p.changed, later(up.changed, changed))
	return p
}

// addName marks a name, in a directory without links, as one that matters.
func (t *trace) addName(path string) {
	if _, known := t.names[path]; !known {
		t.names[path] = false
	}
	t.dirs[filepath.Dir(path)] = true
}

// follow returns where the symbolic link at path leads.
func (t *trace) follow(path string) (string, error) {
	target, err := t.task.Readlink(path)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	return filepath.Clean(target), nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
