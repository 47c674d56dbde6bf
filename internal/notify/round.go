package notify

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/priority"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// round is the state of Run, which alone uses it.
type round struct {
	n       *Notifier
	agenda  *priority.Queue[entry] // by time
	told    map[string]time.Time   // by the apex: when its last change was told; later ones may wait
	tasks   map[taskKey]*task
	sockets map[netip.Addr]*net.UDPConn // by the address that they send from
	readers sync.WaitGroup
	answers chan answer
	failed  chan *net.UDPConn // sockets that only give errors
}

// taskKey is a zone and a server that is to be told of it.
type taskKey struct {
	apex   string
	target netip.AddrPort
}

// task is a server that is being told.
type task struct {
	apex     dname.Name
	target   Target
	serial   zone.Serial
	id       uint16
	verifier *tsig.Verifier // of the answer to the last message; nil: none was sent, or it is not signed
	tries    int
	next     time.Time // when it is told, or told again
}

// answer is a datagram that came.
type answer struct {
	from netip.AddrPort
	data []byte
}

// entry is what is due at a time: a zone, or a server.
type entry struct {
	at   time.Time
	apex dname.Name // nil: not a zone
	key  taskKey
}

func newRound(n *Notifier) *round {
	return &round{
		n: n, agenda: priority.New(func(a, b entry) bool { return a.at.Before(b.at) }, nil), told: make(map[string]time.Time), tasks: make(map[taskKey]*task),
		sockets: make(map[netip.Addr]*net.UDPConn), answers: make(chan answer), failed: make(chan *net.UDPConn),
	}
}

// close ends the readers and waits for them.
func (r *round) close() {
	for _, s := range r.sockets {
		s.Close()
	}
	ended := make(chan struct{})
	go func() {
		r.readers.Wait()
		close(ended)
	}()
	for {
		select {
		case <-r.answers: // nobody asks any more
		case <-r.failed:
		case <-ended:
			return
		}
	}
}

// changed notes the zones that changed.
func (r *round) changed(zones map[string]dname.Name, now time.Time) {
	for key, apex := range zones {
		at := now
		switch last, ok := r.told[key]; {
		case ok && last.After(now): // will be told with what is there then
			continue
		case ok && last.Add(gap).After(now):
			at = last.Add(gap)
		}
		r.told[key] = at
		r.agenda.Push(entry{at: at, apex: apex})
	}
}

// work does what is due and returns how long it is until something else is.
func (r *round) work(now time.Time) time.Duration {
	for sent := 0; ; {
		e, ok := r.agenda.First()
		if !ok {
			break
		}
		if wait := e.at.Sub(now); wait > 0 {
			return wait
		}
		if sent >= burst {
			return rest
		}
		due := r.agenda.Pop()
		if due.apex != nil {
			r.tell(due.apex, now)
			continue
		}
		if t := r.tasks[due.key]; t != nil && t.next.Equal(due.at) { // else a later change is told
			r.send(due.key, t, now)
			sent++
		}
	}
	for key, at := range r.told {
		if now.Sub(at) > gap {
			delete(r.told, key)
		}
	}
	return time.Hour
}

// tell makes the tasks of a zone that changed.
func (r *round) tell(apex dname.Name, now time.Time) {
	set := r.n.o.Set()
	z := set.Get(apex)
	if z == nil || !z.IsAvailable() {
		return
	}
	for _, target := range r.n.targets(set, z) {
		key := taskKey{apex.Key(), target.Address}
		t := r.tasks[key]
		if t == nil {
			t = new(task)
			r.tasks[key] = t
		}
		*t = task{apex: apex, target: target, serial: z.Serial(), next: now}
		r.agenda.Push(entry{at: now, key: key})
	}
}

// send tells a server, or gives it up.
func (r *round) send(key taskKey, t *task, now time.Time) {
	z := r.n.o.Set().Get(t.apex)
	if z == nil || !z.IsAvailable() {
		delete(r.tasks, key)
		return
	}
	if t.tries == tries {
		r.n.totals.Lost.Add(1)
		r.log(slog.LevelWarn, "a secondary does not answer to NOTIFY", t)
		delete(r.tasks, key)
		return
	}
	var id [2]byte
	rand.Read(id[:]) // never fails
	t.id, t.serial, t.verifier = binary.BigEndian.Uint16(id[:]), z.Serial(), nil
	msg := message(t.id, z)
	if t.target.Key != nil {
		msg, t.verifier = t.target.Key.Request(msg, now.Unix())
	}
	s, err := r.socket(t.target)
	if err == nil {
		_, err = s.WriteToUDPAddrPort(msg, t.target.Address)
	}
	if err != nil && t.tries == 0 {
		r.log(slog.LevelWarn, "a NOTIFY could not be sent", t, slog.Any("err", err))
	}
	r.n.totals.Sent.Add(1)
	t.next = now.Add(min(patience<<t.tries, patienceMost))
	t.tries++
	r.agenda.Push(entry{at: t.next, key: key})
}

// message returns a NOTIFY with the zone's SOA as a hint (RFC 1996 §3.7), where that
// is not too long for a datagram.
func message(id uint16, z *zone.Zone) []byte {
	apex := z.Apex()
	msg := make([]byte, wire.HeaderLen, wire.MinUDP)
	h := wire.Header{ID: id, Flags: wire.AA.WithOpcode(wire.OpcodeNotify), Questions: 1}
	msg = append(msg, apex...)
	msg = append(msg, 0, 6, 0, 1) // SOA, IN
	end := len(msg)
	if set, ok := z.Get(apex, 6); ok {
		it := set.Data()
		it.Next()
		msg = append(msg, 0xc0, wire.HeaderLen, 0, 6, 0, 1)
		msg = binary.BigEndian.AppendUint32(msg, set.TTL)
		msg = binary.BigEndian.AppendUint16(msg, uint16(len(it.Head)+len(it.Tail)))
		msg = append(append(msg, it.Head...), it.Tail...)
		h.Answers = 1
	}
	if len(msg) > wire.MinUDP-signatureRoom {
		msg, h.Answers = msg[:end], 0
	}
	h.Put(msg)
	return msg
}

// signatureRoom is what most TSIG records take at most.
const signatureRoom = 150

// socket returns the socket that a server is told by.
func (r *round) socket(t Target) (*net.UDPConn, error) {
	from := t.Source
	if !from.IsValid() {
		from = netip.IPv4Unspecified()
		if t.Address.Addr().Is6() {
			from = netip.IPv6Unspecified()
		}
	}
	if s := r.sockets[from]; s != nil {
		return s, nil
	}
	network := "udp4"
	if from.Is6() {
		network = "udp6"
	}
	s, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	if err != nil {
		return nil, err
	}
	r.sockets[from] = s
	r.readers.Go(func() { r.read(s, func() { r.failed <- s }) })
	return s, nil
}

// packetReader is the socket, for read.
type packetReader interface {
	ReadFromUDPAddrPort(b []byte) (n int, from netip.AddrPort, err error)
}

// dropSocket gives up a socket that cannot be read from. The next message from its address
// makes another; what was sent by it is sent again for want of an answer.
func (r *round) dropSocket(s *net.UDPConn) {
	for from, other := range r.sockets {
		if other == s {
			r.n.o.Log.Warn("the socket that NOTIFY goes out by only gives errors; another one is made", "source", from.String())
			delete(r.sockets, from)
		}
	}
	s.Close()
}

// maxReadErrors in a row, which no answer interrupts, make a socket useless. Fewer come of
// ICMP messages about secondaries that do not listen.
const maxReadErrors = 100

// read hands on what comes until the socket is closed. Errors of others than the
// reader (ICMP) come by reading as well and mean nothing: no answer comes. A socket that
// gives nothing but errors is reported.
func (r *round) read(s packetReader, report func()) {
	buf := make([]byte, 4096)
	for failures := 0; ; {
		n, from, err := s.ReadFromUDPAddrPort(buf)
		if err != nil {
			if isClosed(err) {
				return
			}
			if failures++; failures == maxReadErrors {
				report()
				return
			}
			continue
		}
		failures = 0
		r.answers <- answer{netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), append([]byte(nil), buf[:n]...)}
	}
}

// answered takes an answer. Whatever is none to what we sent last is passed over.
func (r *round) answered(a answer, now time.Time) {
	h, ok := wire.ReadHeader(a.data)
	if !ok || h.Flags&wire.QR == 0 || h.Flags.Opcode() != wire.OpcodeNotify || h.Questions != 1 {
		return
	}
	q, next := wire.ReadQuestion(a.data, wire.HeaderLen)
	if next < 0 {
		return
	}
	key := taskKey{q.Name.Key(), a.from}
	t := r.tasks[key]
	if t == nil || t.tries == 0 || t.id != h.ID {
		return
	}
	if t.verifier != nil {
		if _, err := t.verifier.Verify(a.data, now.Unix()); err != nil {
			r.n.totals.Refused.Add(1)
			r.log(slog.LevelWarn, "the answer to a NOTIFY is not signed as it should be", t, slog.Any("err", err))
			t.verifier, t.id = nil, t.id+1 // the next try is another message
			return
		}
	}
	delete(r.tasks, key)
	if c := h.Flags.RCode(); c != wire.RCodeNoError {
		r.n.totals.Refused.Add(1)
		r.log(slog.LevelWarn, "a secondary refuses NOTIFY; it has to have the zone, and us as one who may notify", t, slog.String("rcode", c.String()))
		return
	}
	r.n.totals.Answered.Add(1)
	r.log(slog.LevelDebug, "a secondary was notified", t)
}

func (r *round) log(level slog.Level, text string, t *task, attrs ...slog.Attr) {
	r.n.o.Log.LogAttrs(context.Background(), level, text, append([]slog.Attr{
		slog.String("zone", t.apex.String()), slog.String("peer", t.target.Address.String()), slog.Uint64("serial", uint64(t.serial)),
	}, attrs...)...)
}
