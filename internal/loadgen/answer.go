package loadgen

import (
	"bytes"
	"time"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// counts are what one worker saw. Only the worker writes them.
type counts struct {
	sent, answered, timeouts, disconnected uint64
	failed                                 uint64 // could not be sent
	duplicates, late, wrongID              uint64
	wrongQuestion, malformed               uint64
	unreachable, reconnects, drops         uint64
	truncated                              uint64
	queryOctets, answeredQueryOctets       uint64
	answerOctets                           uint64
	compared, different                    uint64
	rcodes                                 [1 << 12]uint64 // RFC 6891 §6.1.3: twelve bits
	latency, lag                           Histogram
	lastAnswer                             int64 // ns after the start
	examples                               []Difference
	samples                                []Sample // as many as there is room for
	lastError                              error
}

func duration(ns int64) time.Duration { return time.Duration(ns) }

// sample keeps a query if there is room.
func (c *counts) sample(due int64, latency time.Duration) {
	if len(c.samples) < cap(c.samples) {
		c.samples = append(c.samples, Sample{duration(due), latency})
	}
}

// matchAnswer looks at a message that came at the given time: does it answer a query in
// flight, and how.
func (f *flow) matchAnswer(msg []byte, now int64, x *Expectations) {
	c := f.counts
	h, ok := wire.ReadHeader(msg)
	if !ok || h.Flags&wire.QR == 0 {
		c.malformed++
		return
	}
	switch f.ids[h.ID] {
	case idUnused:
		c.wrongID++
		return
	case idAnswered:
		c.duplicates++
		return
	case idExpired:
		c.late++
		return
	}
	i := int32(f.ids[h.ID] - idSlot)
	s := &f.slots[i]
	query := f.msgs[int(i)*slotSize:]
	question := query[wire.HeaderLen:s.end]
	off := wire.HeaderLen
	switch {
	case h.Questions == 1 && len(msg) >= int(s.end) && bytes.Equal(msg[wire.HeaderLen:s.end], question):
		off = int(s.end)
	case h.Questions == 0 && h.Flags.RCode() != wire.RCodeNoError:
		// A server that cannot read a query need not repeat its question.
	default:
		c.wrongQuestion++
		return
	}
	a := reply{header: h, rcode: h.Flags.RCode(), msg: msg, answers: off}
	if !a.read() {
		c.malformed++
		return
	}
	if a.cookie != nil && f.cookie != [8]byte{} && len(a.cookie) > len(f.cookie) && [8]byte(a.cookie) == f.cookie {
		f.setCookie(a.cookie)
	}
	c.answered++
	c.rcodes[a.rcode]++
	if h.Flags&wire.TC != 0 {
		c.truncated++
	}
	c.answerOctets += uint64(len(msg))
	c.answeredQueryOctets += uint64(s.len)
	c.latency.Record(duration(now - s.due))
	c.sample(s.due, duration(now-s.due))
	c.lastAnswer = now
	if x != nil {
		x.compare(question, &a, c)
	}
	f.resolve(i, idAnswered)
}

// reply is a message that answers a query.
type reply struct {
	header  wire.Header
	rcode   wire.RCode // of twelve bits
	msg     []byte
	answers int    // offset of the answer section
	cookie  []byte // of 8 to 40 octets, if there is one
}

// read walks the records, to find malformed ones and the OPT record; it reports
// whether the message is well-formed.
func (a *reply) read() bool {
	off := a.answers
	n := int(a.header.Answers) + int(a.header.Authorities) + int(a.header.Additionals)
	for range n {
		var r wire.Record
		if r, off = wire.ReadRecord(a.msg, off); off < 0 {
			return false
		}
		if r.Type == rr.TypeOPT {
			e := wire.EDNSOf(r)
			a.rcode |= wire.RCode(e.RCode) << 4
			it := wire.IterOptions(e.Options)
			for it.Next() {
				if it.Code == wire.OptionCookie && len(it.Data) >= 8 && len(it.Data) <= 40 {
					a.cookie = it.Data
				}
			}
			if it.Malformed() {
				return false
			}
		}
	}
	return off == len(a.msg)
}

// target returns the target of the n-th PTR record of the answer section, in the
// room of dst; nil if there are fewer.
func (a *reply) target(dst []byte, n int) dname.Name {
	off := a.answers
	for range a.header.Answers {
		var r wire.Record
		r, off = wire.ReadRecord(a.msg, off)
		if r.Type != rr.TypePTR {
			continue
		}
		if n--; n < 0 {
			return wire.AppendName(dst[:0], a.msg, off-len(r.Data))
		}
	}
	return nil
}
