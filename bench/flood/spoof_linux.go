package flood

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// spoofSocket sends from any address of 127.0.0.0/8, and gets what comes back to any
// of them: it is bound to all addresses, and chooses the source of each datagram
// (IP_PKTINFO, ip(7)). That needs no right, and gives the server the same to see as
// a forged address.
type spoofSocket struct {
	conn *net.UDPConn
	raw  syscall.RawConn

	out    [spoofBatch]mmsghdr
	outVec [spoofBatch]unix.Iovec
	in     [spoofBatch]mmsghdr
	inVec  [spoofBatch]unix.Iovec
}

// spoofBatch is how many datagrams go through one system call.
const spoofBatch = 64

// answerRoom is more than any UDP answer has.
const answerRoom = 4096

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // octets received or sent
}

// forged is a query and the control message that has its source.
type forged struct{ query, source []byte }

func forge(query []byte, from netip.Addr) forged {
	return forged{query, unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: from.As4()})}
}

func newSpoofSocket(to netip.AddrPort) (*spoofSocket, error) {
	conn, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return nil, err
	}
	s := &spoofSocket{conn: conn}
	if err = conn.SetReadBuffer(8 << 20); err == nil { // as much as the system grants
		s.raw, err = conn.SyscallConn()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	port := to.Port()
	name := &unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}
	name.Port = *(*uint16)(unsafe.Pointer(&[2]byte{byte(port >> 8), byte(port)}))
	for i := range spoofBatch {
		s.out[i].hdr.Name, s.out[i].hdr.Namelen = (*byte)(unsafe.Pointer(name)), unix.SizeofSockaddrInet4
		s.out[i].hdr.Iov = &s.outVec[i]
		s.out[i].hdr.SetIovlen(1)
		s.inVec[i].Base = &make([]byte, answerRoom)[0]
		s.inVec[i].SetLen(answerRoom)
		s.in[i].hdr.Iov = &s.inVec[i]
		s.in[i].hdr.SetIovlen(1)
	}
	return s, nil
}

// send sends up to spoofBatch queries and returns how many.
func (s *spoofSocket) send(queries []forged) (sent int, err error) {
	queries = queries[:min(len(queries), spoofBatch)]
	for i := range queries {
		q := &queries[i]
		s.outVec[i].Base = &q.query[0]
		s.outVec[i].SetLen(len(q.query))
		s.out[i].hdr.Control = &q.source[0]
		s.out[i].hdr.SetControllen(len(q.source))
	}
	var errno syscall.Errno
	err = s.raw.Write(func(fd uintptr) bool {
		var n uintptr
		n, _, errno = unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&s.out[0])), uintptr(len(queries)), 0, 0, 0)
		if errno == 0 {
			sent = int(n)
		}
		return errno != unix.EAGAIN
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return sent, err
}

// recv waits for answers and returns how many they are and how many octets they have.
func (s *spoofSocket) recv() (n, octets uint64, err error) {
	var errno syscall.Errno
	err = s.raw.Read(func(fd uintptr) bool {
		var got uintptr
		got, _, errno = unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&s.in[0])), spoofBatch, 0, 0, 0)
		if errno == 0 {
			n = uint64(got)
		}
		return errno != unix.EAGAIN
	})
	if err == nil && errno != 0 {
		err = errno
	}
	for i := range n {
		octets += uint64(s.in[i].n)
	}
	return n, octets, err
}

// lost returns how many answers the kernel had no room for.
func (s *spoofSocket) lost() (n uint64, err error) {
	data, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return 0, err
	}
	local := fmt.Sprintf("00000000:%04X", s.conn.LocalAddr().(*net.UDPAddr).Port)
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) > 12 && f[1] == local {
			_, err = fmt.Sscan(f[12], &n)
			return n, err
		}
	}
	return 0, fmt.Errorf("/proc/net/udp does not have the socket %s", local)
}

// bindLate makes binding to port 0 leave the choice of the port to connect.
func bindLate(fd uintptr) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
}

// twoProcessors says whether the server and the flood can have one each.
func twoProcessors() bool { return runtime.NumCPU() > 1 }
