package udp

import (
	"net/netip"
	"syscall"
	"unsafe"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/worker"
	"golang.org/x/sys/unix"
)

// mmsgSocket receives and sends batches by recvmmsg and sendmmsg.
//
// Under load a call finds datagrams and the worker does not wait; otherwise mmsgPort waits. The
// calls are raw: they do not block, and telling the scheduler about them would cost more than a
// small datagram. It could also take the processor from the worker during a long batch.
type mmsgSocket struct {
	port     *mmsgPort
	worker   *worker.Worker // counts the kernel's drops
	wildcard bool
	is6      bool

	msgs     []answer.Message
	received int // datagrams of the last recv
	errno    syscall.Errno
	readFn   func(uintptr) bool
	tryFn    func(uintptr)
	sendFn   func(uintptr)
	restFn   func(uintptr)
	pending  []answer.Message // of the current send
	failed   func(error)

	in      [answer.BatchSize]mmsghdr
	inVec   [answer.BatchSize]unix.Iovec
	names   [answer.BatchSize]unix.RawSockaddrInet6 // large enough for IPv4
	control [answer.BatchSize]recvControl
	out     [answer.BatchSize]mmsghdr
	outVec  [answer.BatchSize]unix.Iovec
	source  [answer.BatchSize]sendControl
}

// mmsghdr is struct mmsghdr of recvmmsg(2); Go pads it as C does.
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // octets received or sent
}

// recvControl has room for an IPV6_PKTINFO.
type recvControl [5]uint64

// sendControl has room for an IPV6_PKTINFO.
type sendControl [5]uint64

// socket returns the packetSocket of one worker.
func (p *mmsgPort) socket(l *worker.Worker) packetSocket {
	m := &mmsgSocket{
		port: p, worker: l, wildcard: p.local.Addr().IsUnspecified(), is6: p.local.Addr().Is6(),
		msgs: newBuffers(answer.BatchSize),
	}
	m.readFn = m.readable
	m.tryFn = m.receive
	m.sendFn = m.transmit
	m.restFn = func(uintptr) { m.worker.KernelDropped.Add(m.port.dropped()) }
	for i := range m.in {
		m.inVec[i].Base = &m.msgs[i].Buf[0]
		m.inVec[i].SetLen(BufferSize)
		h := &m.in[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&m.names[i]))
		h.Iov = &m.inVec[i]
		h.SetIovlen(1)
		if m.wildcard {
			h.Control = (*byte)(unsafe.Pointer(&m.control[i]))
		}
		m.resetHeader(i)
		m.prepareSource(i)
		m.out[i].hdr.Iov = &m.outVec[i]
		m.out[i].hdr.SetIovlen(1)
	}
	return m
}

// resetHeader restores the lengths that the kernel overwrites.
func (m *mmsgSocket) resetHeader(i int) {
	h := &m.in[i].hdr
	h.Namelen = unix.SizeofSockaddrInet6
	if m.wildcard {
		h.SetControllen(len(m.control[i]) * 8)
	}
}

// prepareSource fills in the constant part of the control message of a response.
func (m *mmsgSocket) prepareSource(i int) {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&m.source[i]))
	if m.is6 {
		h.Level, h.Type = unix.IPPROTO_IPV6, unix.IPV6_PKTINFO
		h.SetLen(unix.CmsgLen(unix.SizeofInet6Pktinfo))
	} else {
		h.Level, h.Type = unix.IPPROTO_IP, unix.IP_PKTINFO
		h.SetLen(unix.CmsgLen(unix.SizeofInet4Pktinfo))
	}
}

func (m *mmsgSocket) recv(wait bool) ([]answer.Message, error) {
	for i := range m.received {
		m.resetHeader(i)
	}
	m.received, m.errno = 0, 0
	var err error
	if wait {
		err = m.port.await(m.readFn)
	} else {
		err = m.port.try(m.tryFn)
	}
	switch {
	case err != nil:
		return nil, err
	case m.errno != 0 && m.errno != unix.EAGAIN:
		return nil, m.errno
	}
	for i := range m.received {
		m.read(i)
	}
	return m.msgs[:m.received], nil
}

// readable receives datagrams and reports whether waiting is unnecessary.
func (m *mmsgSocket) readable(uintptr) bool {
	if m.receive(0); m.errno != unix.EAGAIN {
		m.port.found()
		return true
	}
	errno := m.port.watch()
	if errno != 0 {
		m.errno = errno
	}
	return errno != 0
}

func (m *mmsgSocket) receive(uintptr) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(m.port.fd), uintptr(unsafe.Pointer(&m.in[0])), answer.BatchSize, unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if m.errno = errno; errno == 0 {
			m.received = int(n)
		}
		return
	}
}

// read reads the header of a received datagram.
func (m *mmsgSocket) read(i int) {
	h, d := &m.in[i], &m.msgs[i]
	d.Len, d.Out, d.Unfit = int(h.n), 0, answer.DropByRespond
	d.Client = sock.Sockaddr(&m.names[i])
	d.Local = m.port.local
	if h.hdr.Flags&unix.MSG_TRUNC != 0 {
		d.Unfit = answer.DropTooLong
	}
	if h.hdr.Controllen > 0 {
		m.readControl(i, int(h.hdr.Controllen))
	}
}

// readControl reads the destination address from the control messages, and prepares the control
// message of the response: it has the same address as its source, but not the interface, so that
// routing chooses one. Only a link-local address needs its interface.
func (m *mmsgSocket) readControl(i, n int) {
	c := unsafe.Slice((*byte)(unsafe.Pointer(&m.control[i])), n)
	d := &m.msgs[i]
	for len(c) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&c[0]))
		size := int(h.Len)
		if size < unix.CmsgLen(0) || size > len(c) {
			return
		}
		data := unsafe.Add(unsafe.Pointer(h), unix.CmsgLen(0))
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && size >= unix.CmsgLen(unix.SizeofInet4Pktinfo):
			info := (*unix.Inet4Pktinfo)(data)
			d.Local = netip.AddrPortFrom(netip.AddrFrom4(info.Addr), m.port.local.Port())
			// Spec_dst is the local address that routing chose: it differs from
			// Addr if that is a broadcast or multicast address (ip(7)).
			if info.Spec_dst != info.Addr && info.Spec_dst != [4]byte{} || !isUnicast(d.Local.Addr()) {
				d.Unfit = answer.DropNotUnicast
			}
			m.sourceInfo4(i).Spec_dst = info.Addr
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && size >= unix.CmsgLen(unix.SizeofInet6Pktinfo):
			info := (*unix.Inet6Pktinfo)(data)
			addr := netip.AddrFrom16(info.Addr)
			d.Local = netip.AddrPortFrom(addr.Unmap(), m.port.local.Port())
			if !isUnicast(d.Local.Addr()) {
				d.Unfit = answer.DropNotUnicast
			}
			out := m.sourceInfo6(i)
			out.Addr, out.Ifindex = info.Addr, 0
			if addr.IsLinkLocalUnicast() && addr.Is6() && !addr.Is4In6() {
				out.Ifindex = info.Ifindex
			}
		}
		step := unix.CmsgSpace(size - unix.CmsgLen(0))
		if step >= len(c) {
			return
		}
		c = c[step:]
	}
}

func (m *mmsgSocket) sourceInfo4(i int) *unix.Inet4Pktinfo {
	return (*unix.Inet4Pktinfo)(unsafe.Add(unsafe.Pointer(&m.source[i]), unix.CmsgLen(0)))
}

func (m *mmsgSocket) sourceInfo6(i int) *unix.Inet6Pktinfo {
	return (*unix.Inet6Pktinfo)(unsafe.Add(unsafe.Pointer(&m.source[i]), unix.CmsgLen(0)))
}

func (m *mmsgSocket) rest() {
	answer.Release(m.msgs)
	// An error means that the socket is closed, which recv reports as well.
	_ = m.port.try(m.restFn)
}

func (m *mmsgSocket) send(msgs []answer.Message, failed func(error)) {
	m.pending, m.failed = msgs, failed
	if err := m.port.try(m.sendFn); err != nil {
		for i := range msgs {
			if msgs[i].Out > 0 {
				failed(err)
			}
		}
	}
}

// transmit sends the pending responses. It does not wait for room in the send buffer: the
// responses would be late, and the next batch waits. The kernel stops at a message that it
// cannot send and returns the error with the next call; that message is skipped.
func (m *mmsgSocket) transmit(uintptr) {
	n := 0
	for i := range m.pending {
		if d := &m.pending[i]; d.Out > 0 {
			m.fill(n, i, d)
			n++
		}
	}
	for first := 0; first < n; {
		sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(m.port.fd), uintptr(unsafe.Pointer(&m.out[first])), uintptr(n-first), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			first += int(sent)
		case unix.EINTR:
		default:
			m.failed(errno)
			first++
		}
	}
}

// fill fills in the k-th outgoing header, for the response to datagram i.
func (m *mmsgSocket) fill(k, i int, d *answer.Message) {
	m.outVec[k].Base = &d.Buf[0]
	m.outVec[k].SetLen(d.Out)
	h := &m.out[k].hdr
	h.Name, h.Namelen = (*byte)(unsafe.Pointer(&m.names[i])), m.in[i].hdr.Namelen
	if m.wildcard {
		h.Control = (*byte)(unsafe.Pointer(&m.source[i]))
		h.SetControllen(m.sourceLen())
	}
}

func (m *mmsgSocket) sourceLen() int {
	if m.is6 {
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
}

func (m *mmsgSocket) replier(i int) func([]byte) error {
	port, name, nameLen := m.port, m.names[i], m.in[i].hdr.Namelen
	var source *sendControl
	if m.wildcard {
		source = new(sendControl)
		*source = m.source[i]
	}
	sourceLen := m.sourceLen()
	return func(msg []byte) error {
		vec := unix.Iovec{Base: &msg[0]}
		vec.SetLen(len(msg))
		h := unix.Msghdr{Name: (*byte)(unsafe.Pointer(&name)), Namelen: nameLen, Iov: &vec}
		h.SetIovlen(1)
		if source != nil {
			h.Control = (*byte)(unsafe.Pointer(source))
			h.SetControllen(sourceLen)
		}
		var errno syscall.Errno
		err := port.try(func(uintptr) {
			for {
				_, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(port.fd), uintptr(unsafe.Pointer(&h)), unix.MSG_DONTWAIT)
				if errno != unix.EINTR {
					return
				}
			}
		})
		if err == nil && errno != 0 {
			return errno
		}
		return err
	}
}
