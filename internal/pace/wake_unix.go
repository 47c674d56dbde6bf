//go:build unix

package pace

import (
	"os"
	"syscall"
)

// wake makes the runtime poll the network: a goroutine that waits until a pipe with an
// octet in it is readable parks in the poller, which at the same time finds every other
// descriptor that is ready.
type wake struct {
	in, out *os.File
	read    syscall.RawConn // of out
	octet   []byte
	written bool
	try     func(fd uintptr) bool // poll's callback, allocated once
}

// newWake returns nil where the system has no descriptor left.
func newWake() *wake {
	out, in, err := os.Pipe()
	if err != nil {
		return nil
	}
	w := &wake{in: in, out: out, octet: make([]byte, 1)}
	if w.read, err = out.SyscallConn(); err != nil {
		w.close()
		return nil
	}
	w.try = w.write
	return w
}

func (w *wake) poll() {
	w.written = false
	_ = w.read.Read(w.try) // fails only if it is closed
	_, _ = w.out.Read(w.octet)
}

// write fills the pipe at the first call and has the goroutine wait for it; at the
// second, after the wait, it is done.
func (w *wake) write(uintptr) (done bool) {
	if w.written {
		return true
	}
	w.written = true
	_, err := w.in.Write(w.octet)
	return err != nil
}

func (w *wake) close() {
	w.in.Close()
	w.out.Close()
}
