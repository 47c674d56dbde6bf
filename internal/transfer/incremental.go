package transfer

import (
	"encoding/binary"
	"errors"
	"log/slog"

	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// clientSerial returns the serial that the client has: that of the SOA, its only
// record, in the authority section of an IXFR (RFC 1995 §3).
func clientSerial(msg []byte) (zone.Serial, bool) {
	h, _ := wire.ReadHeader(msg)
	q, next := wire.ReadQuestion(msg, wire.HeaderLen)
	if next < 0 || h.Answers != 0 || h.Authorities != 1 {
		return 0, false
	}
	r, end := wire.ReadRecord(msg, next)
	if end < 0 || r.Type != rr.TypeSOA || r.Class != rr.ClassIN || !wire.AppendName(nil, msg, r.Owner).Equal(q.Name) {
		return 0, false
	}
	off := wire.SkipName(msg, end-len(r.Data))
	if off >= 0 {
		off = wire.SkipName(msg, off)
	}
	if off < 0 || end-off != 20 { // SERIAL, REFRESH, RETRY, EXPIRE, MINIMUM
		return 0, false
	}
	return zone.Serial(binary.BigEndian.Uint32(msg[off:])), true
}

// patience is how many times as many records as the zone has a history may have for
// us to look whether what does not undo itself is less than the zone, and
// patienceLeast how many it may have in a small zone: both bound memory.
const (
	patience      = 2
	patienceLeast = 1000
)

// leastIncremental is how many records an answer by changesets may have however small
// the zone is: they are a message or two, and tell the client more.
const leastIncremental = 100

// incremental answers an IXFR of a client that has a serial.
func (h *Handler) incremental(s *stream, z *zone.Zone, from zone.Serial) Kind {
	soa := soaOf(z)
	if from == z.Serial() || z.Serial().Before(from) { // RFC 1995 §2: the same or newer
		return s.current(&soa)
	}
	udp := s.r.Transport == answer.UDP
	most := max(z.Stats().Records, leastIncremental)
	chain := h.chain(s.r, z, from, max(patience*most, patienceLeast))
	if len(chain) > 1 {
		chain = condense(chain, s.pause)
	}
	if chain == nil || records(chain) > most {
		if udp {
			return s.current(&soa)
		}
		s.zone(z)
		return FullByIXFR
	}
	if udp {
		return s.datagram(&soa, chain)
	}
	s.chain(&soa, chain)
	return Incremental
}

// chain returns the changesets from the client's serial to ours; nil if they are not
// to be had.
func (h *Handler) chain(r *server.SlowRequest, z *zone.Zone, from zone.Serial, most int) []*zone.Changeset {
	if h.o.History == nil {
		return nil
	}
	chain, ok, err := h.o.History.Chain(z.Apex(), from, z.Serial(), most)
	if err != nil {
		h.o.Log.Error("reading the history; the whole zone is sent", slog.String("zone", z.Apex().String()), slog.String("peer", r.Client.String()), slog.Any("err", err))
	}
	if err != nil || !ok || len(chain) == 0 {
		return nil
	}
	return chain
}

// records returns how many records an answer with the changesets has, the SOA at its
// beginning and end left out.
func records(chain []*zone.Changeset) (n int) {
	for _, c := range chain {
		n += len(c.Removed) + len(c.Added)
	}
	return n
}

// chain writes an answer with the changesets (RFC 1995 §4).
func (s *stream) chain(soa *zone.Record, chain []*zone.Changeset) {
	s.add(soa)
	for _, c := range chain {
		s.list(c.Removed)
		s.list(c.Added)
	}
	s.add(soa)
}

// list writes the SOA of the list, which stands for the serial, and then the rest.
func (s *stream) list(list []zone.Record) {
	for _, soa := range []bool{true, false} {
		for i := range list {
			if s.err != nil {
				return
			}
			if (list[i].Type == rr.TypeSOA) == soa {
				s.add(&list[i])
			}
			if s.pause != nil {
				s.pause()
			}
		}
	}
}

// datagram answers by the changesets where that is one datagram, and by our SOA alone
// where it is not, upon which the client asks over TCP (RFC 1995 §2).
func (s *stream) datagram(soa *zone.Record, chain []*zone.Changeset) Kind {
	s.single = true
	if s.chain(soa, chain); s.err == nil {
		return Incremental
	}
	s.records, s.err = 0, nil
	return s.current(soa)
}

// current answers by our SOA alone; over UDP where there is no room for that, by
// the order to ask over TCP.
func (s *stream) current(soa *zone.Record) Kind {
	s.single = s.r.Transport == answer.UDP
	if s.add(soa); errors.Is(s.err, errTooLong) {
		s.r.Begin(0)
		s.err = s.r.Send(wire.AA|wire.TC, wire.RCodeNoError, 0, "")
	}
	return Current
}
