package deferred

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/server/worker"
)

// datagramRoom is how many octets the answer to a datagram has at most. No policy allows more.
const datagramRoom = 4096

// messageWriter has what a goroutine needs to write messages in the deferred lane. Only one
// goroutine uses it at a time.
type messageWriter struct {
	worker *worker.Worker
	buf    [Headroom + wire.MaxMessage]byte
}

// responder returns what writes the messages.
func (d *messageWriter) responder() *answer.Responder { return d.worker.Answerer.(*answer.Responder) }

// message returns the room for a message, which has headroom octets before it.
func (d *messageWriter) message(t answer.Transport) []byte {
	room := d.buf[Headroom:]
	if t.IsDatagram() {
		room = room[:datagramRoom]
	}
	return room
}

// Begin begins the next message of the answer and returns the writer for its records, which is
// used until Send. The message has the question, and room is reserved for the OPT record and the
// signature. Without them it has at most limit octets, or as many as the client accepts, if
// that is less or limit is 0.
func (r *Request) Begin(limit int) *wire.Writer {
	if r.writer == nil {
		r.writer = r.lane.acquireWriter()
	}
	return r.writer.responder().Begin(&r.Deferred, r.writer.message(r.Transport), limit)
}

// Send sends the message that Begin began, with those of AA and TC that are to be set, and the
// extended error ede and its text (0: none). After an error the client is gone, and no further
// message can be sent. In a transfer, it waits until the client has read the last message.
func (r *Request) Send(f wire.Flags, c wire.RCode, ede uint16, text string) error {
	n, ok := r.writer.responder().Finish(&r.Deferred, f, c, ede, text)
	if !ok {
		return nil
	}
	return r.transmit(r.writer, n, r.Signer())
}

// Fail answers with an RCODE, the extended error ede and its text (0: none), and no
// records.
func (r *Request) Fail(c wire.RCode, ede uint16, text string) error {
	r.Begin(0)
	return r.Send(0, c, ede, text)
}

// Reply sends one message to the client as Send does, signed if the request was. On TCP there may
// be several, which are sent in order. The caller may use the message again.
func (r *Request) Reply(message []byte) error {
	if r.writer == nil {
		r.writer = r.lane.acquireWriter()
	}
	return r.transmit(r.writer, copy(r.writer.buf[Headroom:], message), r.Signer())
}

// transmit sends the n octets in the writer, signed if signer is not nil.
func (r *Request) transmit(d *messageWriter, n int, signer *tsig.Signer) error {
	r.lane.replies.Add(1)
	if err := r.drain(); err != nil {
		return r.unsent(err)
	}
	if signer != nil {
		if n+signer.Len() > wire.MaxMessage {
			return r.unsent(fmt.Errorf("a message of %d octets leaves no room for its signature", n))
		}
		n = len(signer.Sign(d.buf[Headroom:][:n], r.lane.Now().Unix()))
	}
	if err := r.From.Reply(d.buf[:Headroom+n]); err != nil {
		return r.unsent(err)
	}
	return nil
}

// unsent counts a message that is not sent, and returns the error.
func (r *Request) unsent(err error) error {
	r.lane.unsent.Add(1)
	if !errors.Is(err, net.ErrClosed) {
		worker.Warn(r.lane.Log, "the response to a transfer, update, NOTIFY or signed request could not be sent", slog.String("client", r.Client.String()), slog.Any("err", err))
	}
	return err
}

// drain waits, in a transfer, until the client has read what is queued.
func (r *Request) drain() error {
	if !r.paced {
		return nil
	}
	return r.From.Drain()
}

// Hold makes the request last after Handle returns, until End is called. Only the handler may call
// it, before it passes the request to another goroutine.
func (r *Request) Hold() { r.held = true }

// End ends a request after Hold. The request must not be used afterwards.
func (r *Request) End() {
	if r.ended.Swap(true) {
		return
	}
	l := r.lane
	defer func() { // also after a panic
		r.From.Done()
		l.latencyMu.Lock()
		l.latency.Observe(l.Now().Sub(r.since), 1)
		l.latencyMu.Unlock()
		l.done.Add(1)
		l.working.Add(-1)
	}()
	if d := r.writer; d != nil {
		r.writer = nil
		l.releaseWriter(d)
	}
}

// keyText returns the name of the key of the request, for the log.
func (r *Request) keyText() string {
	if r.Signer() == nil {
		return ""
	}
	return r.Signer().KeyName().String()
}

// LogAttrs returns the client, the zone and, if there is one, the key of the request.
func (r *Request) LogAttrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("zone", r.Question().Name.String()), slog.String("client", r.Client.String())}
	if r.Signer() != nil {
		attrs = append(attrs, slog.String("key", r.keyText()))
	}
	return attrs
}
