package udp

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"github.com/ptrd/ptrd/server/answer"
)

// memSocket is a packetSocket in memory: what a test puts into in comes out of
// recv, in batches; responses are kept.
type memSocket struct {
	msgs    []answer.Message
	in      chan memDatagram
	broken  chan error    // an error that recv returns
	stopped chan struct{} // closed: interrupted
	fail    func(d *answer.Message) error

	mu  sync.Mutex
	out []memDatagram
}

func (m *memSocket) rest() { answer.Release(m.msgs) }

type memDatagram struct {
	client, local netip.AddrPort
	unfit         answer.DropReason
	data          []byte
}

func newMemSocket() *memSocket {
	return &memSocket{
		msgs: newBuffers(answer.BatchSize), in: make(chan memDatagram, 4*answer.BatchSize),
		broken: make(chan error), stopped: make(chan struct{}),
	}
}

func (m *memSocket) recv(wait bool) ([]answer.Message, error) {
	n := 0
	if wait {
		select { // as a deadline goes before what is there to read
		case <-m.stopped:
			return nil, os.ErrDeadlineExceeded
		default:
		}
		select {
		case d := <-m.in:
			n = m.take(n, d)
		case err := <-m.broken:
			return nil, err
		case <-m.stopped:
			return nil, os.ErrDeadlineExceeded
		}
	}
	for n < answer.BatchSize {
		select {
		case d := <-m.in:
			n = m.take(n, d)
			continue
		default:
		}
		break
	}
	return m.msgs[:n], nil
}

func (m *memSocket) take(i int, in memDatagram) int {
	d := &m.msgs[i]
	d.Client, d.Local, d.Unfit, d.Len, d.Out = in.client, in.local, in.unfit, copy(d.Buf, in.data), 0
	return i + 1
}

func (m *memSocket) send(msgs []answer.Message, failed func(error)) {
	for i := range msgs {
		d := &msgs[i]
		if d.Out == 0 {
			continue
		}
		if m.fail != nil {
			if err := m.fail(d); err != nil {
				failed(err)
				continue
			}
		}
		m.keep(memDatagram{client: d.Client, local: d.Local, data: append([]byte(nil), d.Buf[:d.Out]...)})
	}
}

func (m *memSocket) keep(d memDatagram) {
	m.mu.Lock()
	m.out = append(m.out, d)
	m.mu.Unlock()
}

func (m *memSocket) replier(i int) func([]byte) error {
	client, local := m.msgs[i].Client, m.msgs[i].Local
	return func(message []byte) error {
		m.keep(memDatagram{client: client, local: local, data: append([]byte(nil), message...)})
		return nil
	}
}

func (m *memSocket) sent() []memDatagram {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]memDatagram(nil), m.out...)
}

var errUnreachable error = &net.OpError{Op: "write", Err: os.NewSyscallError("sendmsg", syscall.ENETUNREACH)}
