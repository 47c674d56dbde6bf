package transfer

import (
	"encoding/binary"
	"errors"
	"log/slog"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
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
	if off < 0 || end-off != rr.SOANumbersLen {
		return 0, false
	}
	return zone.Serial(binary.BigEndian.Uint32(msg[off:])), true
}

// Bounds of the history, in records.
const (
	// maxHistory times the records of the zone, or minHistory in a small zone, is how much
	// history is read to see whether it condenses to less than the zone: it bounds memory.
	maxHistory = 2
	minHistory = 1000

	// smallHistory is how many records each transfer may read on its own: some 3 MB. More are read once for
	// all clients that have the same serial (largeHistory).
	smallHistory = 10_000

	// minIncremental is how many records an incremental answer may have even if the zone has
	// fewer: they fit into a message or two, and the client learns what changed.
	minIncremental = 100
)

// incremental answers an IXFR of a client that has the serial from.
func (h *Handler) incremental(s *stream, z *zone.Zone, from zone.Serial) Kind {
	soa := z.SOA()
	if from == z.Serial() || z.Serial().Before(from) { // RFC 1995 §2: the same or newer
		return s.current(&soa)
	}
	udp := s.r.Transport == answer.UDP
	most := max(z.Stats().Records, minIncremental)
	limit := max(maxHistory*most, minHistory)
	chain := h.changes(s, z, from, min(limit, smallHistory))
	if chain == nil && limit > smallHistory && !udp {
		key := span{z.Key(), from, z.Serial()}
		shared := h.large.join(key)
		defer h.large.leave(key)
		shared.once.Do(func() {
			h.large.turn.Lock()
			defer h.large.turn.Unlock()
			if chain := h.changes(s, z, from, limit); records(chain) <= most { // else the zone is sent, which may take long
				shared.chain = chain
			}
		})
		chain = shared.chain
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

// changes returns the changesets from the client's serial to ours without what they undo; nil if the history
// does not have them, or they have more than limit records.
func (h *Handler) changes(s *stream, z *zone.Zone, from zone.Serial, limit int) []*zone.Changeset {
	chain := h.chain(s.r, z, from, limit)
	if len(chain) > 1 {
		chain = condense(chain, s.pause)
	}
	return chain
}

// chain returns the changesets from the client's serial to ours; nil if the history does
// not have them.
func (h *Handler) chain(r *deferred.Request, z *zone.Zone, from zone.Serial, most int) []*zone.Changeset {
	if h.o.History == nil {
		return nil
	}
	chain, ok, err := h.o.History.Chain(z.Apex(), from, z.Serial(), most)
	if err != nil {
		h.o.Log.Error("reading the history failed; sending the whole zone", slog.String("zone", z.Apex().String()), slog.String("client", r.Client.String()), slog.Any("err", err))
	}
	if err != nil || !ok || len(chain) == 0 {
		return nil
	}
	return chain
}

// records returns the number of records in the changesets.
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

// list writes the SOA of the list, which has the serial, and then the other records.
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

// datagram answers with the changesets if they fit into one datagram, and otherwise with
// our SOA alone, after which the client asks over TCP (RFC 1995 §2).
func (s *stream) datagram(soa *zone.Record, chain []*zone.Changeset) Kind {
	s.single = true
	if s.chain(soa, chain); s.err == nil {
		return Incremental
	}
	s.records, s.err = 0, nil
	return s.current(soa)
}

// current answers with our SOA alone or, if that does not fit into a datagram, with TC.
func (s *stream) current(soa *zone.Record) Kind {
	s.single = s.r.Transport == answer.UDP
	if s.add(soa); errors.Is(s.err, errTooLong) {
		s.r.Begin(0)
		s.err = s.r.Send(wire.AA|wire.TC, wire.RCodeNoError, 0, "")
	}
	return Current
}
