//go:build unix

package pace

import (
	"os"
	"syscall"
)

// door is a way through the poller: a pipe with an octet in it. Whoever waits for
// the pipe to become readable waits in the poller, finds it so at once, and has
// brought the poller to look at all the sockets as well.
type door struct {
	in, out *os.File
	read    syscall.RawConn
	octet   []byte
	passed  bool
	try     func(fd uintptr) bool // pass's callback, made once
}

// newDoor returns nil where the system has no descriptor left.
func newDoor() *door {
	out, in, err := os.Pipe()
	if err != nil {
		return nil
	}
	d := &door{in: in, out: out, octet: make([]byte, 1)}
	if d.read, err = out.SyscallConn(); err != nil {
		d.close()
		return nil
	}
	d.try = d.knock
	return d
}

func (d *door) pass() {
	d.passed = false
	_ = d.read.Read(d.try) // an error can only say that it is closed
	_, _ = d.out.Read(d.octet)
}

// knock fills the pipe and has the poller asked about it; then it is done.
func (d *door) knock(uintptr) (done bool) {
	if d.passed {
		return true
	}
	d.passed = true
	_, err := d.in.Write(d.octet)
	return err != nil
}

func (d *door) close() {
	d.in.Close()
	d.out.Close()
}
