package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// messageSize is the size of a message in octets: as far as compression pointers reach
// (RFC 1035 §4.1.4). Longer messages would save few system calls and compress worse.
const messageSize = 16 << 10

var (
	errStopped = errors.New("the server is stopping")
	errTooLong = errors.New("the answer is longer than one message")
)

// stream writes records into messages and sends them. After an error it does nothing.
type stream struct {
	ctx   context.Context
	r     *deferred.Request
	turns chan struct{}
	pause func()

	hasTurn bool         // holds one of turns
	w       *wire.Writer // nil: no message is begun
	limit   int          // of the message, in octets; 0: the largest that the client accepts
	empty   bool         // the message has no records
	single  bool         // a second message is an error, errTooLong
	owner   wire.Owner   // of the previous record, if that is in the message
	name    [dname.MaxWire]byte

	records, messages, octets int
	err                       error
}

// zone writes the whole zone, its SOA first and last (RFC 5936 §2.2).
func (s *stream) zone(z *zone.Zone) {
	soa := z.SOA()
	for r := range z.All() {
		if s.record(r.Owner, r.Type, r.TTL, r.Data); s.err != nil {
			return
		}
		if s.pause != nil {
			s.pause()
		}
	}
	s.add(&soa)
}

// add writes a record.
func (s *stream) add(r *zone.Record) { s.record(r.Owner, r.Type, r.TTL, r.Data) }

// record writes a record, into a new message if this one is full.
func (s *stream) record(owner dname.Name, t rr.Type, ttl uint32, data []byte) {
	for s.err == nil {
		if s.w == nil {
			s.begin(messageSize)
		}
		if s.owner.Name == nil || !bytes.Equal(s.owner.Name, owner) {
			s.owner = wire.Owner{Name: append(dname.Name(s.name[:0]), owner...)}
		}
		switch {
		case s.w.Record(wire.Answer, &s.owner, t, rr.ClassIN, ttl, data, nil):
			s.empty = false
			s.records++
			return
		case s.single:
			s.endTurn()
			s.err = errTooLong
		case !s.empty:
			s.send()
		case s.limit != 0: // a large record gets a message of its own
			s.endTurn()
			s.begin(0)
		default:
			s.endTurn()
			s.err = fmt.Errorf("%v at %v: %d octets of RDATA are more than a message holds", t, owner, len(data))
			_ = s.r.Fail(wire.RCodeServFail, 0, "a record is larger than a message") // the client may be gone
		}
	}
}

// begin waits for a turn to compute and begins a message.
func (s *stream) begin(limit int) {
	s.turns <- struct{}{}
	s.hasTurn = true
	s.w, s.limit, s.empty = s.r.Begin(limit), limit, true
	s.owner = wire.Owner{}
}

// endTurn lets another transfer compute.
func (s *stream) endTurn() {
	s.w = nil
	if s.hasTurn {
		s.hasTurn = false
		<-s.turns
	}
}

// send sends the message when the client has received the one before. Other transfers
// may compute meanwhile.
func (s *stream) send() {
	s.messages++
	s.octets += s.w.Len()
	s.endTurn()
	if s.ctx.Err() != nil {
		s.err = errStopped
		return
	}
	s.err = s.r.Send(wire.AA, wire.RCodeNoError, 0, "")
}

// end sends the last message.
func (s *stream) end() {
	if s.w != nil {
		s.send()
	}
}
