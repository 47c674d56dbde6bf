package loadgen

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// tcpSocket is a TCP connection on a non-blocking descriptor.
type tcpSocket struct {
	fd  int
	in  frames
	out []byte // taken and not yet written
	err error  // what ended the connection; returned when all that came was handed out
	*scratch
}

func newTCPSocket(fd int, s *scratch) *tcpSocket {
	return &tcpSocket{fd: fd, in: newFrames(), out: make([]byte, 0, batchSize*(2+slotSize)), scratch: s}
}

// send takes messages only when those before are written: what the server does not
// read is not sent.
func (t *tcpSocket) send(msgs [][]byte) (int, error) {
	if err := t.write(); err != nil || len(t.out) > 0 {
		return 0, err
	}
	t.out = appendFrames(t.out, msgs)
	return len(msgs), t.write()
}

// write writes what was taken, as far as there is room.
func (t *tcpSocket) write() error {
	done := 0
	for done < len(t.out) {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(t.fd), uintptr(unsafe.Pointer(&t.out[done])), uintptr(len(t.out)-done))
		if errno == unix.EAGAIN {
			break
		}
		if errno != 0 && errno != unix.EINTR {
			return errno
		}
		if errno == 0 {
			done += int(n)
		}
	}
	t.out = t.out[:copy(t.out, t.out[done:])]
	return nil
}

func (t *tcpSocket) recv() ([][]byte, error) {
	t.got = t.got[:0]
	if err := t.write(); err != nil && t.err == nil {
		t.err = err
	}
	for {
		for len(t.got) < batchSize {
			m := t.in.next()
			if m == nil {
				break
			}
			t.got = append(t.got, m)
		}
		// What is handed out must stay where it is, so nothing is read behind it.
		if len(t.got) > 0 {
			return t.got, nil
		}
		if t.err != nil {
			return nil, t.err
		}
		room := t.in.room()
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(t.fd), uintptr(unsafe.Pointer(&room[0])), uintptr(len(room)))
		switch {
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			return nil, nil
		case errno != 0:
			t.err = errno
		case n == 0:
			t.err = errClosed
		default:
			t.in.came(int(n))
		}
	}
}

func (t *tcpSocket) blocked() bool { return len(t.out) > 0 }

// drops returns 0: TCP drops nothing that it has taken.
func (t *tcpSocket) drops() uint64 { return 0 }

func (t *tcpSocket) close() {
	t.group.forget(t.fd)
	unix.Close(t.fd)
}
