package watch

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/infile"
)

// maxLinks bounds the symbolic links on the way to one file, as Linux does.
const maxLinks = 40

// trace is what was on the way to each path at one moment. A file system that does not
// answer counts as missing. There may be a hundred thousand paths, nearly all of them
// files without a link on the way: such a path has one entry, and no string of its own.
type trace struct {
	task   *infile.Task
	paths  []string                          // sorted, each once
	states []state                           // of paths
	own    []bool                            // of paths: the path ends at the name of the same text
	dirs   map[string]bool                   // directories whose names matter, without links in them
	names  map[string]bool                   // further names that matter, directory included
	others map[string][]string               // further paths that end at a name
	listed map[string]func(name string) bool // directories without links whose names that match are paths
	memo   map[string]place                  // directories already walked
}

// state identifies the content of a file. States are comparable.
type state struct {
	exists  bool
	mode    fs.FileMode
	device  uint64
	inode   uint64
	size    int64
	written int64  // modification time, Unix nanoseconds
	changed int64  // latest change of the inode or of a link on the way, likewise
	real    string // the path without links
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
	changed int64 // latest change of a link on the way
}

// emptyTrace is newTrace of files that do not exist, in directories that do not either.
func emptyTrace(task *infile.Task, paths []string) *trace {
	return &trace{
		task:   task,
		paths:  paths,
		states: make([]state, len(paths)),
		own:    make([]bool, len(paths)),
		dirs:   map[string]bool{},
		names:  map[string]bool{},
		others: map[string][]string{},
		listed: map[string]func(string) bool{},
		memo:   map[string]place{},
	}
}

// newTrace walks to paths, which are sorted, each once, and to the files in dirs.
func newTrace(task *infile.Task, paths []string, dirs []Directory) *trace {
	t := emptyTrace(task, paths)
	var more []string
	for _, d := range dirs {
		more = append(more, t.list(d)...)
	}
	if len(more) > 0 {
		t.paths = slices.Concat(paths, more)
		slices.Sort(t.paths)
		t.paths = slices.Compact(t.paths)
		t.states, t.own = make([]state, len(t.paths)), make([]bool, len(t.paths))
	}
	for i := range t.paths {
		t.states[i] = t.file(i)
	}
	return t
}

// list returns those files of a directory that are not among paths.
func (t *trace) list(d Directory) (more []string) {
	at := t.dir(d.Path, maxLinks)
	if !at.exists {
		return nil
	}
	t.dirs[at.real] = true
	matches := d.Matches
	if before := t.listed[at.real]; before != nil {
		matches = func(name string) bool { return before(name) || d.Matches(name) }
	}
	t.listed[at.real] = matches
	names, _ := t.task.ReadDir(at.real) // what cannot be read has no files
	start := strings.TrimSuffix(d.Path, string(filepath.Separator)) + string(filepath.Separator)
	path := []byte(start)
	for _, name := range names {
		if !d.Matches(name) {
			continue
		}
		path = append(path[:len(start)], name...)
		if _, ok := slices.BinarySearchFunc(t.paths, path, func(p string, path []byte) int { return strings.Compare(p, string(path)) }); !ok {
			more = append(more, string(path))
		}
	}
	return more
}

// isListed reports whether a name is in a listed directory and matches.
func (t *trace) isListed(name string) bool {
	matches := t.listed[filepath.Dir(name)]
	return matches != nil && matches(filepath.Base(name))
}

// index returns where in paths a path is.
func (t *trace) index(path string) (i int, ok bool) { return slices.BinarySearch(t.paths, path) }

// state returns the state of a path; ok is false if it is not among paths.
func (t *trace) state(path string) (s state, ok bool) {
	i, ok := t.index(path)
	if ok {
		s = t.states[i]
	}
	return s, ok
}

// stateNear is state for a path that is probably the one at index i.
func (t *trace) stateNear(i int, path string) (s state, ok bool) {
	if i < len(t.paths) && t.paths[i] == path {
		return t.states[i], true
	}
	return t.state(path)
}

// file walks to path i and returns its state.
func (t *trace) file(i int) state {
	var latest int64
	path := t.paths[i]
	for range maxLinks {
		name := filepath.Dir(path)
		dir := t.dir(name, maxLinks)
		latest = max(latest, dir.changed)
		if !dir.exists {
			break
		}
		if dir.real != name {
			path = filepath.Join(dir.real, filepath.Base(path))
		}
		info, err := t.task.Lstat(path)
		if err != nil {
			t.addEnd(i, path)
			break
		}
		id, changed := identify(info)
		latest = max(latest, changed)
		if info.Mode()&fs.ModeSymlink == 0 {
			t.addEnd(i, path)
			return state{
				exists: true, device: id.Device, inode: id.Inode, mode: info.Mode(), size: info.Size(),
				written: info.ModTime().UnixNano(), changed: latest, real: path,
			}
		}
		t.addName(path)
		if path, err = t.follow(path); err != nil {
			break
		}
	}
	return state{changed: latest}
}

// identify returns the identity of a file and when its inode last changed in any way,
// renames included, in Unix nanoseconds; where the system does not report that, the
// modification time.
func identify(info fs.FileInfo) (id infile.Identity, changed int64) {
	id = infile.IdentityOf(info)
	if id.Changed == 0 {
		return id, info.ModTime().UnixNano()
	}
	return id, id.Changed
}

// addEnd records that path i ends at a name.
func (t *trace) addEnd(i int, name string) {
	if path := t.paths[i]; path != name {
		t.addName(name)
		t.others[name] = append(t.others[name], path)
		return
	}
	t.own[i] = true
	t.dirs[filepath.Dir(name)] = true
}

// ends returns the paths that end at a name: none where it is a link or a directory that
// is missing. matters is false for names that no path leads over.
func (t *trace) ends(name string) (paths []string, matters bool) {
	paths = t.others[name]
	if i, ok := t.index(name); ok && t.own[i] {
		return append(paths[:len(paths):len(paths)], name), true
	}
	return paths, t.names[name]
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
		return place{changed: max(up.changed, changed)}
	}
	p := t.dir(target, links-1)
	p.changed = max(p.changed, up.changed, changed)
	return p
}

// addName marks a name, in a directory without links, as one that matters.
func (t *trace) addName(path string) {
	t.names[path] = true
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
