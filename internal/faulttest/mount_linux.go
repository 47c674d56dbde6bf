package faulttest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Mount mounts an empty Volume at dir over FUSE, which takes root. Its random choices
// follow from the seed. It is for other processes: one that maps a file of a file system
// that it serves itself can stand still for good.
func Mount(dir string, seed uint64) (*Volume, error) {
	dev, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0) // package os cannot wait for it
	if err != nil {
		return nil, fmt.Errorf("/dev/fuse: %w", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d,allow_other", dev, typeDir, os.Getuid(), os.Getgid())
	if err := syscall.Mount("faulttest", dir, "fuse.faulttest", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		syscall.Close(dev)
		return nil, fmt.Errorf("mount %s: %w", dir, err)
	}
	v := newVolume(seed)
	v.dir, v.dev = dir, dev
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		v.serve(dev)
	}()
	v.unmount = sync.OnceValue(func() error {
		err := syscall.Unmount(dir, syscall.MNT_DETACH)
		if err == nil {
			<-ended
		}
		return errors.Join(err, syscall.Close(dev))
	})
	if err := v.endPolling(); err != nil {
		return nil, errors.Join(err, v.unmount())
	}
	return v, nil
}

// endPolling makes the system send no requests for polling any more, by refusing the first
// one. Package os adds the files that it opens to an epoll instance in a system call that the
// scheduler does not know of. A request of that call would never be answered if the garbage
// collector waits for its thread.
func (v *Volume) endPolling() error {
	path := v.dir + "/poll"
	fd, err := unix.Open(path, unix.O_CREAT|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	err = errors.Join(err, unix.Close(fd), unix.Unlink(path))
	v.mu.Lock()
	v.ops = 0
	v.mu.Unlock()
	return err
}

// DropCache has the system forget what it has of the files in memory, so that it reads them
// again; also pages that a process has mapped, which fail as a memory fault then.
func (v *Volume) DropCache() {
	v.mu.Lock()
	var files []uint64
	for id, n := range v.nodes {
		if n.mode&typeMask == typeFile {
			files = append(files, id)
		}
	}
	v.mu.Unlock()
	for _, id := range files {
		out := make([]byte, headerOut+24) // all of it: offset and length are 0
		order.PutUint32(out, uint32(len(out)))
		order.PutUint32(out[4:], notifyInvalInode)
		order.PutUint64(out[16:], id)
		_, _ = syscall.Write(v.dev, out) // which fails where the system has nothing of it
	}
}

// Requests of FUSE, from linux/fuse.h.
const (
	fuseLookup      = 1
	fuseForget      = 2
	fuseGetattr     = 3
	fuseSetattr     = 4
	fuseMknod       = 8
	fuseMkdir       = 9
	fuseUnlink      = 10
	fuseRmdir       = 11
	fuseRename      = 12
	fuseLink        = 13
	fuseOpen        = 14
	fuseRead        = 15
	fuseWrite       = 16
	fuseStatfs      = 17
	fuseRelease     = 18
	fuseFsync       = 20
	fuseFlush       = 25
	fuseInit        = 26
	fuseOpendir     = 27
	fuseReaddir     = 28
	fuseReleasedir  = 29
	fuseFsyncdir    = 30
	fuseCreate      = 35
	fuseInterrupt   = 36
	fuseDestroy     = 38
	fuseBatchForget = 42
	fuseRename2     = 45
)

const (
	headerIn  = 40
	headerOut = 16
	maxWrite  = 1 << 20

	notifyInvalInode = 2

	setattrMode     = 1
	setattrSize     = 8
	renameNoReplace = 1
)

var order = binary.NativeEndian

// serve answers requests until the volume is unmounted.
func (v *Volume) serve(dev int) {
	buf := make([]byte, headerIn+maxWrite+4096)
	for {
		n, err := syscall.Read(dev, buf)
		switch {
		case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.EINTR): // the request was interrupted
			continue
		case err != nil || n < headerIn:
			return
		}
		op, unique, id := order.Uint32(buf[4:]), order.Uint64(buf[8:]), order.Uint64(buf[16:])
		switch op {
		case fuseForget, fuseBatchForget, fuseInterrupt:
			continue // no answer
		}
		v.mu.Lock()
		body, errno := v.answer(op, v.nodes[id], buf[headerIn:n])
		v.mu.Unlock()
		if errno != 0 {
			body = nil
		}
		out := make([]byte, headerOut, headerOut+len(body))
		order.PutUint32(out, uint32(headerOut+len(body)))
		order.PutUint32(out[4:], uint32(-int32(errno)))
		order.PutUint64(out[8:], unique)
		if _, err := syscall.Write(dev, append(out, body...)); err != nil && !errors.Is(err, syscall.ENOENT) {
			return
		}
		if op == fuseDestroy {
			return
		}
	}
}

// answer carries out a request about a node.
func (v *Volume) answer(op uint32, n *node, in []byte) ([]byte, syscall.Errno) {
	if op == fuseInit {
		return initReply(in), 0
	}
	if n == nil {
		return nil, syscall.ESTALE
	}
	name := func(skip int) string { s, _, _ := bytes.Cut(in[skip:], []byte{0}); return string(s) }
	add := func(name string, made *node) ([]byte, syscall.Errno) {
		v.set(n, name, made)
		return entry(made), 0
	}
	fail := func(kind, name string) syscall.Errno { return errno(v.op(kind, name)) }
	switch op {
	case fuseLookup:
		if c := n.names[name(0)]; c != nil {
			return entry(c), 0
		}
		return nil, syscall.ENOENT
	case fuseGetattr:
		return attrReply(n), 0
	case fuseSetattr:
		valid := order.Uint32(in)
		if valid&setattrMode != 0 {
			n.mode = n.mode&typeMask | order.Uint32(in[68:])&0o7777
		}
		if valid&setattrSize != 0 {
			if err := v.write(n, v.nameOf(n), write{at: int64(order.Uint64(in[16:]))}); err != nil {
				return nil, errno(err)
			}
		}
		return attrReply(n), 0
	case fuseMknod, fuseMkdir, fuseCreate:
		skip, mode, kind := 16, order.Uint32(in), "create"
		switch op {
		case fuseMkdir:
			skip, mode, kind = 8, mode&0o7777|typeDir, "mkdir"
		case fuseCreate:
			mode = order.Uint32(in[4:])&0o7777 | typeFile
		}
		name := name(skip)
		if e := fail(kind, name); e != 0 {
			return nil, e
		}
		out, e := add(name, v.make(mode))
		if op == fuseCreate {
			out = append(out, make([]byte, 16)...)
		}
		return out, e
	case fuseUnlink, fuseRmdir:
		name := name(0)
		c := n.names[name]
		switch {
		case c == nil:
			return nil, syscall.ENOENT
		case op == fuseRmdir && len(c.names) > 0:
			return nil, syscall.ENOTEMPTY
		}
		if e := fail("remove", name); e != 0 {
			return nil, e
		}
		v.set(n, name, nil)
		return nil, 0
	case fuseRename, fuseRename2:
		skip, exclusive := 8, false
		if op == fuseRename2 {
			skip, exclusive = 16, order.Uint32(in[8:])&renameNoReplace != 0
		}
		to := v.nodes[order.Uint64(in)]
		if to == nil {
			return nil, syscall.ESTALE
		}
		from := name(skip)
		return nil, v.rename(n, from, to, name(skip+len(from)+1), exclusive)
	case fuseLink:
		from, name := v.nodes[order.Uint64(in)], name(8)
		switch {
		case from == nil:
			return nil, syscall.ESTALE
		case n.names[name] != nil:
			return nil, syscall.EEXIST
		}
		if e := fail("link", name); e != 0 {
			return nil, e
		}
		return add(name, from)
	case fuseOpen, fuseOpendir:
		return make([]byte, 16), 0
	case fuseRead:
		if e := fail("read", v.nameOf(n)); e != 0 {
			return nil, e
		}
		at, size := order.Uint64(in[8:]), order.Uint32(in[16:])
		if at >= uint64(len(n.data)) {
			return nil, 0
		}
		return n.data[at:min(at+uint64(size), uint64(len(n.data)))], 0
	case fuseWrite:
		size := order.Uint32(in[16:])
		err := v.write(n, v.nameOf(n), write{int64(order.Uint64(in[8:])), in[40:][:size]})
		return order.AppendUint64(nil, uint64(size)), errno(err)
	case fuseFsync:
		return nil, errno(v.sync(n, v.nameOf(n)))
	case fuseFsyncdir:
		return nil, errno(v.syncDir(n, v.nameOf(n)))
	case fuseReaddir:
		return readdir(n, order.Uint64(in[8:]), int(order.Uint32(in[16:]))), 0
	case fuseStatfs:
		out := make([]byte, 80)
		order.PutUint64(out, 1<<20)
		order.PutUint64(out[8:], 1<<19)
		order.PutUint64(out[16:], 1<<19)
		order.PutUint32(out[40:], 4096)
		order.PutUint32(out[44:], 255)
		order.PutUint32(out[48:], 4096)
		return out, 0
	case fuseRelease, fuseReleasedir, fuseFlush, fuseDestroy:
		return nil, 0
	}
	return nil, syscall.ENOSYS
}

// nameOf returns a name of a node, for Op.
func (v *Volume) nameOf(n *node) string {
	if n == v.root {
		return "/"
	}
	for _, dir := range v.nodes {
		for name, c := range dir.names {
			if c == n {
				return name
			}
		}
	}
	return "?"
}

func initReply(in []byte) []byte {
	out := make([]byte, 64)
	order.PutUint32(out, 7)
	order.PutUint32(out[4:], 31)
	copy(out[8:12], in[8:12])             // readahead
	order.PutUint32(out[12:], 1<<5|1<<22) // big writes, max_pages
	order.PutUint32(out[20:], maxWrite)
	order.PutUint32(out[24:], 1) // granularity of times
	binary.NativeEndian.PutUint16(out[28:], maxWrite/4096)
	return out
}

// attr returns struct fuse_attr.
func attr(n *node) []byte {
	out := make([]byte, 88)
	order.PutUint64(out, n.id)
	order.PutUint64(out[8:], uint64(len(n.data)))
	order.PutUint64(out[16:], uint64(len(n.data)+511)/512)
	order.PutUint32(out[60:], n.mode)
	order.PutUint32(out[64:], n.links)
	order.PutUint32(out[80:], 4096)
	return out
}

// attrReply and entry let the kernel keep nothing for later.
func attrReply(n *node) []byte { return append(make([]byte, 16), attr(n)...) }

func entry(n *node) []byte {
	out := make([]byte, 40)
	order.PutUint64(out, n.id)
	return append(out, attr(n)...)
}

// readdir returns the entries from an offset on, as many as have room.
func readdir(n *node, from uint64, room int) (out []byte) {
	names := slices.Sorted(maps.Keys(n.names))
	for i := from; i < uint64(len(names)); i++ {
		name := names[i]
		size := (24 + len(name) + 7) &^ 7
		if len(out)+size > room {
			break
		}
		e := make([]byte, size)
		order.PutUint64(e, n.names[name].id)
		order.PutUint64(e[8:], i+1)
		order.PutUint32(e[16:], uint32(len(name)))
		order.PutUint32(e[20:], n.names[name].mode>>12)
		copy(e[24:], name)
		out = append(out, e...)
	}
	return out
}
