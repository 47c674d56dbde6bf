package faulttest

import (
	"io/fs"
	"sync"
	"time"

	"github.com/ptrd/ptrd/zone/infile"
)

// Hang is the operating system with files at some paths that do not answer before
// Release, as those of a file server that is gone. Make it with NewHang.
type Hang struct {
	// Entered gets the path of each call that hangs; it has room for many.
	Entered chan string

	os   infile.OS
	open chan struct{}

	mu    sync.Mutex
	calls map[string]bool // paths that nothing can be asked about
	reads map[string]bool // paths of files that can be opened, but not be read
	in    map[string]int  // calls that hang
}

// NewHang returns a Hang without any such path.
func NewHang() *Hang {
	return &Hang{
		Entered: make(chan string, 1000), open: make(chan struct{}),
		calls: map[string]bool{}, reads: map[string]bool{}, in: map[string]int{},
	}
}

// Call lets every call about path hang.
func (h *Hang) Call(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls[path] = true
}

// Read lets every read of the file at path hang, while it can be opened.
func (h *Hang) Read(path string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads[path] = true
}

// Release lets all calls return, now and later.
func (h *Hang) Release() { close(h.open) }

// Late is for infile.Files: it has the calls given up that hang, and no others
// however slow the machine is.
func (h *Hang) Late(path string, _ time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.in[path] > 0
}

// Files returns Files over h.
func (h *Hang) Files() *infile.Files {
	return &infile.Files{Wait: time.Millisecond, Late: h.Late, System: h}
}

func (h *Hang) wait(set map[string]bool, path string) {
	h.mu.Lock()
	hangs := set[path]
	select {
	case <-h.open:
		hangs = false
	default:
	}
	if hangs {
		h.in[path]++
	}
	h.mu.Unlock()
	if hangs {
		h.Entered <- path
		<-h.open
		h.mu.Lock()
		h.in[path]--
		h.mu.Unlock()
	}
}

// Stat implements infile.System, and so do the other methods.
func (h *Hang) Stat(path string) (infile.Info, error) {
	h.wait(h.calls, path)
	return h.os.Stat(path)
}

func (h *Hang) Lstat(path string) (fs.FileInfo, error) {
	h.wait(h.calls, path)
	return h.os.Lstat(path)
}

func (h *Hang) Readlink(path string) (string, error) {
	h.wait(h.calls, path)
	return h.os.Readlink(path)
}

func (h *Hang) ReadDir(path string) ([]fs.DirEntry, error) {
	h.wait(h.calls, path)
	return h.os.ReadDir(path)
}

func (h *Hang) Open(path string) (infile.Handle, infile.Info, error) {
	h.wait(h.calls, path)
	f, info, err := h.os.Open(path)
	if err != nil {
		return nil, info, err
	}
	return hangHandle{f, h, path}, info, nil
}

func (h *Hang) OpenIn(root, path string) (infile.Handle, infile.Info, string, error) {
	h.wait(h.calls, path)
	f, info, resolved, err := h.os.OpenIn(root, path)
	if err != nil {
		return nil, info, resolved, err
	}
	return hangHandle{f, h, path}, info, resolved, nil
}

type hangHandle struct {
	infile.Handle
	h    *Hang
	path string
}

func (f hangHandle) Read(b []byte) (int, error) {
	f.h.wait(f.h.reads, f.path)
	return f.Handle.Read(b)
}
