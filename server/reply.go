package server

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
)

// slowDesk is what is needed to write a message in the slow lane: whoever has one
// is alone with it.
type slowDesk struct {
	lane *lane
	buf  [prefixSize + maxMessage]byte
}

// message returns the room for a message; its length in front goes to the octets
// before.
func (d *slowDesk) message(t Transport) []byte {
	room := d.buf[prefixSize:]
	if t == UDP {
		room = room[:udpBuffer]
	}
	return room
}

// Zone returns the zone that is to be transferred.
func (r *SlowRequest) Zone() *zone.Zone { return r.zone }

// Question returns the question, or the zone section of an UPDATE. Its name is valid
// as long as Message is.
func (r *SlowRequest) Question() wire.Question { return r.question }

// keep notes what the front read of the request, whose signed part is message.
func (r *SlowRequest) keep(m *message, message []byte) {
	r.m = *m
	r.Message = append(r.Message[:0], message...) // the question stays where it is
	r.m.opt.Options = nil
}

// roomIn returns how many octets of a limit a message of the answer may have beside
// its signature. A key whose name is so long that not even the question fits in
// beside it gets an answer over the limit.
func (r *SlowRequest) roomIn(limit, end int) int {
	if r.signer == nil {
		return limit
	}
	return min(max(limit-r.signer.Len(), end+wire.OPTLen), maxMessage-r.signer.Len())
}

// Begin begins the next message of the answer and returns what its records are
// written with, until Send: it has the question, and room is kept for the OPT
// record, which the first message has, and the signature. It has at most limit
// octets without them, or as many as the client takes; 0: as many as that.
func (r *SlowRequest) Begin(limit int) *wire.Writer {
	if r.desk == nil {
		r.desk = r.lane.takeDesk()
	}
	d := r.desk.lane.answerer.(*Responder)
	buf := r.desk.message(r.Transport)
	end := r.m.end
	copy(buf, r.Message[:end])
	d.m, d.zone = r.m, r.zone
	d.m.question.Name = buf[wire.HeaderLen : end-4]
	d.m.hasOPT = r.m.hasOPT && r.messages == 0 // RFC 5936 §2.2.5
	if limit > 0 {
		d.m.limit = min(d.m.limit, limit)
	}
	d.begin(r.View.Policy, buf)
	return &d.w
}

// Send sends the message begun, with those of AA and TC that are to be set, and the
// extended error ede and its text (0: none). An error says that the client is gone
// and further messages are in vain. It waits for the client in a transfer only: until
// that took the message before.
func (r *SlowRequest) Send(f wire.Flags, c wire.RCode, ede uint16, text string) error {
	d := r.desk.lane.answerer.(*Responder)
	n, _ := d.finish(r.View.Policy, &r.Request, f, c, CountSlowAnswered, ede, text)
	if isRefusal(c) && !d.mayRefuse(r, n) {
		return nil
	}
	return r.transmit(r.desk, n, r.signer)
}

// Fail answers with an RCODE, the extended error ede and its text (0: none), and no
// records.
func (r *SlowRequest) Fail(c wire.RCode, ede uint16, text string) error {
	r.Begin(0)
	return r.Send(0, c, ede, text)
}

// Reply sends one message to the client as Send does, signed if the request was. On
// TCP there may be several, which are sent in order. The message is the caller's again
// afterwards.
func (r *SlowRequest) Reply(message []byte) error {
	if r.desk == nil {
		r.desk = r.lane.takeDesk()
	}
	return r.transmit(r.desk, copy(r.desk.buf[prefixSize:], message), r.signer)
}

// transmit signs, if there is somebody to, and sends the n octets that the desk
// holds.
func (r *SlowRequest) transmit(d *slowDesk, n int, signer *tsig.Signer) error {
	r.lane.replies.Add(1)
	if err := r.drain(); err != nil {
		return r.unsent(err)
	}
	if signer != nil {
		if n+signer.Len() > maxMessage {
			return r.unsent(fmt.Errorf("a message of %d octets leaves no room for its signature", n))
		}
		n = len(signer.Sign(d.buf[prefixSize:][:n], r.lane.now().Unix()))
	}
	binary.BigEndian.PutUint16(d.buf[:], uint16(n))
	r.messages++
	if err := r.reply(d.buf[:prefixSize+n]); err != nil {
		return r.unsent(err)
	}
	return nil
}

// unsent counts a message that is not sent, and returns the error.
func (r *SlowRequest) unsent(err error) error {
	r.lane.unsent.Add(1)
	if !errors.Is(err, net.ErrClosed) {
		warn(r.lane.log, "answer to a deferred request not sent", slog.String("client", r.Client.String()), slog.Any("error", err))
	}
	return err
}

// drain waits, in a transfer, until the client took what is queued for it.
func (r *SlowRequest) drain() error {
	if !r.paced || r.conn == nil {
		return nil
	}
	return r.conn.drain()
}

// Hold tells that the handler goes on with the request after HandleSlow returns, or
// hands it to others: whoever has it then calls End. Only the handler may call it,
// before it hands on.
func (r *SlowRequest) Hold() { r.held = true }

// End says that the request that Hold held is answered, or will not be. Nothing may
// be done with it afterwards.
func (r *SlowRequest) End() {
	if r.ended.Swap(true) {
		return
	}
	l := r.lane
	defer func() { // whatever putDesk does
		r.done()
		l.latencyMu.Lock()
		l.latency.observe(l.now().Sub(r.since), 1)
		l.latencyMu.Unlock()
		l.done.Add(1)
		l.working.Add(-1)
	}()
	if d := r.desk; d != nil {
		r.desk = nil
		l.putDesk(d)
	}
}

// keyText names the key of the request for the log.
func (r *SlowRequest) keyText() string {
	if r.signer == nil {
		return ""
	}
	return r.signer.KeyName().String()
}

// LogAttrs returns what the log tells of a request: its client, its zone, and its
// key if it has one.
func (r *SlowRequest) LogAttrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("zone", r.question.Name.String()), slog.String("peer", r.Client.String())}
	if r.signer != nil {
		attrs = append(attrs, slog.String("key", r.keyText()))
	}
	return attrs
}
