package loadgen

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of recvmmsg(2); Go pads it as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // octets received or sent
}

// scratch is what the sockets of a worker share, as only one of them is at work
// at a time.
type scratch struct {
	group *fdGroup
	got   [][]byte // messages of the last recv

	in     [batchSize]mmsghdr
	inVec  [batchSize]unix.Iovec
	bufs   [][]byte
	out    [batchSize]mmsghdr
	outVec [batchSize]unix.Iovec
}

func newScratch(o *Options) *scratch {
	s := &scratch{got: make([][]byte, 0, batchSize)}
	if o.TCP {
		return s
	}
	size := max(answerBuffer, int(o.UDPSize))
	all := make([]byte, batchSize*size)
	for i := range batchSize {
		b := all[i*size : (i+1)*size]
		s.bufs = append(s.bufs, b)
		s.inVec[i].Base = &b[0]
		s.inVec[i].SetLen(size)
		s.in[i].hdr.Iov = &s.inVec[i]
		s.in[i].hdr.SetIovlen(1)
		s.out[i].hdr.Iov = &s.outVec[i]
		s.out[i].hdr.SetIovlen(1)
	}
	return s
}

// udpSocket is a connected UDP socket that moves batches. The calls are raw: they
// never block, so they need not go through the scheduler.
type udpSocket struct {
	fd   int
	full bool
	*scratch
}

func newUDPSocket(fd int, s *scratch) *udpSocket { return &udpSocket{fd: fd, scratch: s} }

func (u *udpSocket) send(msgs [][]byte) (int, error) {
	for i, m := range msgs {
		u.outVec[i].Base = &m[0]
		u.outVec[i].SetLen(len(m))
	}
	u.full = false
	for sent := 0; ; {
		n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(u.fd), uintptr(unsafe.Pointer(&u.out[sent])), uintptr(len(msgs)-sent), 0, 0, 0)
		switch errno {
		case 0:
			// The kernel stops at a message that it cannot send and returns why at the
			// next call.
			if sent += int(n); sent == len(msgs) {
				return sent, nil
			}
		case unix.EINTR:
		case unix.EAGAIN:
			u.full = true
			return sent, nil
		default:
			return sent, socketError(errno)
		}
	}
}

func (u *udpSocket) recv() ([][]byte, error) {
	u.got = u.got[:0]
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(u.fd), uintptr(unsafe.Pointer(&u.in[0])), batchSize, 0, 0, 0)
		switch errno {
		case 0:
			for i := range int(n) {
				u.got = append(u.got, u.bufs[i][:u.in[i].n])
			}
			return u.got, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return nil, nil
		default:
			return nil, socketError(errno)
		}
	}
}

func socketError(errno syscall.Errno) error {
	if errno == unix.ECONNREFUSED {
		return errUnreachable
	}
	return errno
}

func (u *udpSocket) blocked() bool { return u.full }

// drops reads what the kernel counts for the socket (sock_diag(7), SK_MEMINFO).
func (u *udpSocket) drops() uint64 {
	const memInfoDrops = 8
	var info [memInfoDrops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(u.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < uint32(unsafe.Sizeof(info)) {
		return 0 // an old kernel
	}
	return uint64(info[memInfoDrops])
}

func (u *udpSocket) close() {
	u.group.forget(u.fd)
	unix.Close(u.fd)
}
