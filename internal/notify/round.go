package notify

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"log/slog"
	"maps"
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

// round is the state of Run. Only Run uses it.
type round struct {
	n       *Notifier
	agenda  *priority.Queue[entry] // by time
	sent    map[string]time.Time   // by the apex: when its last change was announced or will be
	cleaned time.Time              // when those of sent were removed that no longer matter
	tasks   map[taskKey]*task
	sockets map[netip.Addr]*net.UDPConn // by the address that they send from
	readers sync.WaitGroup
	answers chan answer
	failed  chan *net.UDPConn // sockets that only give errors

	requests []*request // that wait for answers
}

// taskKey is a zone and one of its targets.
type taskKey struct {
	apex   string
	target netip.AddrPort
}

// task is a NOTIFY to one target.
type task struct {
	apex     dname.Name
	target   Target
	serial   zone.Serial
	id       uint16
	verifier *tsig.Verifier // of the answer to the last message; nil: none was sent, or it is not signed
	tries    int
	next     time.Time // of the next message
	isAgain  bool      // the target has been notified before
}

// mostTries returns how often the message is sent.
func (t *task) mostTries() int {
	if t.isAgain {
		return triesAgain
	}
	return tries
}

// answer is a received datagram.
type answer struct {
	from netip.AddrPort
	data []byte
}

// entry is what is due at a time: the first messages of a zone, or to one of its targets, or a task.
type entry struct {
	at   time.Time
	apex dname.Name // nil: a task
	key  taskKey    // of a task or a target; zero: all targets
}

func newRound(n *Notifier) *round {
	return &round{
		n: n, agenda: priority.New(func(a, b entry) bool { return a.at.Before(b.at) }, nil), sent: make(map[string]time.Time), tasks: make(map[taskKey]*task),
		sockets: make(map[netip.Addr]*net.UDPConn), answers: make(chan answer), failed: make(chan *net.UDPConn),
	}
}

// close closes the sockets and waits for their readers.
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
		case <-r.answers: // no longer of interest
		case <-r.failed:
		case <-ended:
			return
		}
	}
}

// schedulePending schedules the zones that changed and the targets whose transfer failed.
func (r *round) schedulePending(now time.Time) {
	changed, failed := r.n.removePending()
	r.scheduleZones(changed, now)
	for _, e := range failed {
		r.agenda.Push(e)
	}
}

// scheduleZones schedules the zones that changed.
func (r *round) scheduleZones(zones map[string]dname.Name, now time.Time) {
	for key, apex := range zones {
		at := now
		switch last, ok := r.sent[key]; {
		case ok && last.After(now): // is scheduled, and announces the zone as it is then
			continue
		case ok && last.Add(gap).After(now):
			at = last.Add(gap)
		}
		r.sent[key] = at
		r.agenda.Push(entry{at: at, apex: apex})
	}
}

// sendDue sends the messages that are due and returns the time until the next is.
func (r *round) sendDue(now time.Time) time.Duration {
	if now.Sub(r.cleaned) > gap {
		r.cleaned = now
		maps.DeleteFunc(r.sent, func(_ string, at time.Time) bool { return now.Sub(at) > gap })
	}
	for sent := 0; ; {
		e, ok := r.agenda.First()
		if !ok {
			return time.Hour
		}
		if wait := e.at.Sub(now); wait > 0 {
			return wait
		}
		if sent >= burst {
			return pause
		}
		due := r.agenda.Pop()
		if due.apex != nil {
			r.addTasks(due.apex, due.key, now)
			continue
		}
		if t := r.tasks[due.key]; t != nil && t.next.Equal(due.at) { // else a later change replaced it
			r.send(due.key, t, now)
			sent++
		}
	}
}

// isMissing reports whether a target has not transferred a serial, and is not being notified of it.
func (r *round) isMissing(key taskKey, serial zone.Serial) (missing bool) {
	r.n.known.change(key, func(s *Secondary) {
		missing = s.Transferred.IsZero() || s.TransferredOf.Before(serial)
	})
	return missing && r.tasks[key] == nil
}

// addTasks adds the tasks of a zone that changed, and returns their keys. If only is not zero, it is a
// target that gets NOTIFY again, unless it has the serial.
func (r *round) addTasks(apex dname.Name, only taskKey, now time.Time) (keys []taskKey) {
	set := r.n.o.Set()
	z := set.Get(apex)
	if z == nil || !z.IsAvailable() {
		return nil
	}
	for _, target := range r.n.targets(set, z) {
		key := taskKey{apex.Key(), target.Address}
		isAgain := only != taskKey{}
		if isAgain && (only != key || !r.isMissing(key, z.Serial())) {
			continue
		}
		t := r.tasks[key]
		if t == nil {
			t = new(task)
			r.tasks[key] = t
		}
		*t = task{apex: apex, target: target, serial: z.Serial(), next: now, isAgain: isAgain}
		r.agenda.Push(entry{at: now, key: key})
		r.n.known.change(key, func(s *Secondary) {
			if latest, ok := s.LatestSerial(); s.Behind.IsZero() && (!ok || latest.Before(z.Serial())) {
				s.Behind = now
			}
		})
		keys = append(keys, key)
	}
	return keys
}

// send sends the next message of a task, or ends it after the last try.
func (r *round) send(key taskKey, t *task, now time.Time) {
	z := r.n.o.Set().Get(t.apex)
	if z == nil || !z.IsAvailable() {
		r.end(key, t, NotSent, "", now)
		return
	}
	if t.tries == t.mostTries() {
		r.n.totals.Lost.Add(1)
		if !t.isAgain {
			r.log(slog.LevelWarn, "a secondary does not answer to NOTIFY", t)
		}
		r.end(key, t, Lost, "", now)
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
	if err != nil && t.tries == 0 && !t.isAgain {
		r.log(slog.LevelWarn, "a NOTIFY could not be sent", t, slog.Any("err", err))
	}
	r.n.totals.Sent.Add(1)
	t.next = now.Add(min(firstTimeout<<t.tries, maxTimeout))
	t.tries++
	r.agenda.Push(entry{at: t.next, key: key})
	r.n.known.change(key, func(s *Secondary) {
		s.Notified, s.NotifiedOf, s.Tries = now, t.serial, t.tries
		if !s.IsFailing() { // else it is until it answers
			s.Notify = Waiting
		}
	})
}

// message returns a NOTIFY with the zone's SOA as a hint (RFC 1996 §3.7), if that fits
// into a datagram.
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

// signatureRoom is enough for the TSIG records of all usual key names and algorithms.
const signatureRoom = 150

// socket returns the socket for messages to a target.
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

// dropSocket closes a socket that cannot be read from. The next message from its address
// opens another; messages without an answer are sent again.
func (r *round) dropSocket(s *net.UDPConn) {
	for from, other := range r.sockets {
		if other == s {
			r.n.o.Log.Warn("a socket for NOTIFY returns only errors; opening another", "source", from.String())
			delete(r.sockets, from)
		}
	}
	s.Close()
}

// maxReadErrors in a row make a socket useless. Fewer may result from ICMP messages about
// secondaries that do not listen.
const maxReadErrors = 100

// read passes on datagrams until the socket is closed. ICMP messages show as errors of
// reading and are ignored: the answer is missing anyway. report is called if the socket
// returns nothing but errors.
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

// handleAnswer ends the task that a datagram answers. It ignores datagrams that do not
// answer the last message.
func (r *round) handleAnswer(a answer, now time.Time) {
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
			r.n.known.change(key, func(s *Secondary) {
				s.Notify, s.Reason = Refused, "the answer is not signed as it should be: "+err.Error()
			})
			return
		}
	}
	if c := h.Flags.RCode(); c != wire.RCodeNoError {
		r.end(key, t, Refused, c.String(), now)
		r.n.totals.Refused.Add(1)
		r.log(slog.LevelWarn, "a secondary refuses NOTIFY; it needs the zone, and the address that this server sends from, which `source` in `transfer.notify` sets, among its primaries", t, slog.String("rcode", c.String()))
		return
	}
	r.end(key, t, Answered, "", now)
	r.n.totals.Answered.Add(1)
	r.log(slog.LevelDebug, "a secondary was notified", t)
}

func (r *round) log(level slog.Level, text string, t *task, attrs ...slog.Attr) {
	r.n.o.Log.LogAttrs(context.Background(), level, text, append([]slog.Attr{
		slog.String("zone", t.apex.String()), slog.String("peer", t.target.Address.String()), slog.Uint64("serial", uint64(t.serial)),
	}, attrs...)...)
}
