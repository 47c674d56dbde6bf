package faulttest

import (
	"cmp"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// Volume is a file system in memory for another process, on Linux mounted by [Mount]. It
// knows two states of everything: what the process sees, and what is on the disk, which
// is what was synced. So it can make I/O errors, and [Volume.Crash] leaves what a power
// failure would: of the writes since the last sync of a file each is there, not there, or
// there in some of its sectors; of the names since the last sync of a directory, the first
// so many.
//
// A sync that fails is as on Linux: each of its writes reached the disk, partly or not at
// all, and no later sync writes it again.
type Volume struct {
	mu     sync.Mutex
	rng    *rand.Rand
	fail   func(Op) error
	ops    int
	failed int

	next    uint64
	nodes   map[uint64]*node
	root    *node
	renames []nameChange // that no sync of their directory made durable yet
	dir     string
	dev     int // of the mount
	unmount func() error
}

// sector is what a disk writes whole or not at all.
const sector = 512

// node is a file, a directory or a socket.
type node struct {
	id    uint64
	mode  uint32 // with the type
	links uint32

	data   []byte // of a file, as the process sees it
	disk   []byte // of a file, on the disk
	writes []write

	names     map[string]*node // of a directory, as the process sees it
	diskNames map[string]*node // of a directory, on the disk
}

// write is a change of a file that was not synced yet.
type write struct {
	at   int64
	data []byte // nil: the file gets the length at
}

// nameChange gives a name in a directory to a node; nil: takes it away.
type nameChange struct {
	dir  *node
	name string
	node *node
}

const (
	typeMask = 0o170000
	typeDir  = 0o040000
	typeFile = 0o100000
)

func (n *node) isDir() bool { return n.mode&typeMask == typeDir }

// newVolume returns an empty Volume.
func newVolume(seed uint64) *Volume {
	v := &Volume{rng: rand.New(rand.NewPCG(seed, 1)), nodes: map[uint64]*node{}}
	v.root = v.make(typeDir | 0o700)
	return v
}

func (v *Volume) make(mode uint32) *node {
	v.next++
	n := &node{id: v.next, mode: mode}
	if n.isDir() {
		n.links = 2
		n.names, n.diskNames = map[string]*node{}, map[string]*node{}
	}
	v.nodes[n.id] = n
	return n
}

// Dir returns where the volume is mounted.
func (v *Volume) Dir() string { return v.dir }

// Close unmounts the volume.
func (v *Volume) Close() error { return v.unmount() }

// SetFail has operations fail from now on: fail returns the error of one, a
// syscall.Errno; nil: it is carried out. Kinds are read, write, sync (of a file), syncdir,
// truncate, create, rename, link, remove and mkdir; nil fails nothing.
func (v *Volume) SetFail(fail func(Op) error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fail = fail
}

// Failed returns how many operations failed so far.
func (v *Volume) Failed() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.failed
}

// op counts an operation and returns the error that it is to have.
func (v *Volume) op(kind, path string) error {
	o := Op{Kind: kind, Path: path, N: v.ops}
	v.ops++
	if v.fail == nil {
		return nil
	}
	err := v.fail(o)
	if err != nil {
		v.failed++
	}
	return err
}

// apply carries out a write.
func apply(data []byte, w write) []byte {
	if w.data == nil {
		if int64(len(data)) > w.at {
			return data[:w.at:w.at]
		}
		return append(data, make([]byte, w.at-int64(len(data)))...)
	}
	if end := w.at + int64(len(w.data)); end > int64(len(data)) {
		data = append(data, make([]byte, end-int64(len(data)))...)
	}
	copy(data[w.at:], w.data)
	return data
}

// torn carries out what a disk that lost its power, or failed, did of a write: all of it,
// nothing, or some of its sectors.
func (v *Volume) torn(data []byte, w write) []byte {
	switch v.rng.IntN(3) {
	case 0:
		return data
	case 1:
		return apply(data, w)
	}
	if w.data == nil {
		return data
	}
	for at := w.at; at < w.at+int64(len(w.data)); {
		end := min((at/sector+1)*sector, w.at+int64(len(w.data)))
		if v.rng.IntN(2) == 0 {
			data = apply(data, write{at, w.data[at-w.at : end-w.at]})
		}
		at = end
	}
	return data
}

// write changes a file; failing, it may change a part of what it should.
func (v *Volume) write(n *node, name string, w write) error {
	kind := "write"
	if w.data == nil {
		kind = "truncate"
	}
	err := v.op(kind, name)
	if err != nil {
		if w.data == nil {
			return err
		}
		w.data = w.data[:v.rng.IntN(len(w.data)/sector+1)*sector]
		if len(w.data) == 0 {
			return err
		}
	}
	w.data = slices.Clone(w.data)
	n.data = apply(n.data, w)
	n.writes = append(n.writes, w)
	return err
}

// sync makes the writes of a file durable.
func (v *Volume) sync(n *node, name string) error {
	err := v.op("sync", name)
	for _, w := range n.writes {
		if err != nil {
			n.disk = v.torn(n.disk, w)
		} else {
			n.disk = apply(n.disk, w)
		}
	}
	n.writes = nil
	return err
}

// set gives a name in a directory to a node, or takes it away.
func (v *Volume) set(dir *node, name string, n *node) {
	if old := dir.names[name]; old != nil {
		old.links--
	}
	if n != nil {
		n.links++
		dir.names[name] = n
	} else {
		delete(dir.names, name)
	}
	v.renames = append(v.renames, nameChange{dir, name, n})
}

func (c *nameChange) apply() {
	if c.node != nil {
		c.dir.diskNames[c.name] = c.node
	} else {
		delete(c.dir.diskNames, c.name)
	}
}

// syncDir makes the names in a directory durable.
func (v *Volume) syncDir(dir *node, name string) error {
	if err := v.op("syncdir", name); err != nil {
		return err
	}
	v.renames = slices.DeleteFunc(v.renames, func(c nameChange) bool {
		if c.dir == dir {
			c.apply()
		}
		return c.dir == dir
	})
	return nil
}

// Crash makes the volume what the disk could hold after a power failure now. The process
// that uses it must have ended. clean reports whether nothing was lost.
func (v *Volume) Crash() (clean bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	clean = true
	reached := v.rng.IntN(len(v.renames) + 1)
	if v.rng.IntN(2) == 0 {
		reached = 0
	}
	clean = reached == len(v.renames)
	for i := range v.renames[:reached] {
		v.renames[i].apply()
	}
	v.renames = nil
	all := v.rng.IntN(3) == 0 // drop whatever was not synced
	old := v.root
	v.nodes = map[uint64]*node{}
	v.root = &node{id: old.id, mode: old.mode, links: 2, names: map[string]*node{}, diskNames: map[string]*node{}}
	v.nodes[old.id] = v.root
	seen := map[*node]*node{}
	// New numbers of all files have the kernel forget what it has of the old ones.
	var rebuild func(from, to *node)
	rebuild = func(from, to *node) {
		for _, name := range slices.Sorted(maps.Keys(from.diskNames)) {
			was := from.diskNames[name]
			n := seen[was]
			if n == nil {
				n = v.make(was.mode)
				seen[was] = n
				n.disk = was.disk
				for _, w := range was.writes {
					clean = false
					if !all {
						n.disk = v.torn(n.disk, w)
					}
				}
				n.data = slices.Clone(n.disk)
				if was.isDir() {
					rebuild(was, n)
				}
			}
			if !n.isDir() {
				n.links++
			}
			to.names[name], to.diskNames[name] = n, n
		}
	}
	rebuild(old, v.root)
	return clean
}

// rename moves a name; exclusive: not over another one.
func (v *Volume) rename(from *node, name string, to *node, newName string, exclusive bool) syscall.Errno {
	n := from.names[name]
	switch {
	case n == nil:
		return syscall.ENOENT
	case exclusive && to.names[newName] != nil:
		return syscall.EEXIST
	}
	if old := to.names[newName]; old != nil && old.isDir() && len(old.names) > 0 {
		return syscall.ENOTEMPTY
	}
	if err := v.op("rename", newName); err != nil {
		return errno(err)
	}
	v.set(to, newName, n)
	v.set(from, name, nil)
	return 0
}

// errno returns the number of an error.
func errno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if e, ok := err.(syscall.Errno); ok {
		return cmp.Or(e, syscall.EIO)
	}
	return syscall.EIO
}

// CopyTo writes the files, as the process sees them, to a directory of another file
// system.
func (v *Volume) CopyTo(dir string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.root.copyTo(dir)
}

func (n *node) copyTo(path string) error {
	switch n.mode & typeMask {
	case typeFile:
		return os.WriteFile(path, n.data, fs.FileMode(n.mode&0o777))
	case typeDir:
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		for name, c := range n.names {
			if err := c.copyTo(filepath.Join(path, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
