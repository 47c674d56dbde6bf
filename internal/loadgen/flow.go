package loadgen

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
)

// maxSuffix is the room of an OPT record with the longest cookie (RFC 7873 §4).
const maxSuffix = wire.OPTLen + 4 + 40

// slotSize is the room of a query.
const slotSize = wire.HeaderLen + longestQuestion + maxSuffix

// What an entry of flow.ids says; from idSlot on it is the slot that holds the
// query in flight.
const (
	idUnused = iota
	idAnswered
	idExpired
	idSlot
)

// none is no slot.
const none = -1

// slot is a query that was made. It is in one of three lists: free, in flight
// (in the order of sending, so that the first one expires first), or the batch to
// be sent next.
type slot struct {
	due  int64 // ns after the start; what latency is measured from
	sent int64 // what the timeout is measured from
	id   uint16
	len  uint16 // octets of the message
	end  uint16 // of the question in it

	next, prev int32
}

// flow is one socket or connection and what is in flight on it.
type flow struct {
	t      transport
	counts *counts
	tcp    bool
	up     bool
	retry  int64 // when to connect again, if not up

	slots []slot
	msgs  []byte // slotSize octets for each slot

	free          int32 // list by next alone
	first, last   int32 // list of what is in flight
	inFlight      int
	batch         []int32  // slots to be sent
	out           [][]byte // their messages
	ids           []uint16 // of all IDs: idUnused, …
	nextID        uint16
	flags         wire.Flags
	suffix        []byte // the OPT record, if any
	suffixRecords uint16 // 0 or 1
	cookie        [8]byte
}

// newFlow returns a flow that is not up, with a window of at most maxFlowWindow.
func newFlow(window int, o *Options, c *counts, random uint64) *flow {
	f := &flow{
		counts: c, tcp: o.TCP,
		slots: make([]slot, window),
		msgs:  make([]byte, window*slotSize),
		first: none, last: none,
		batch:  make([]int32, 0, batchSize),
		out:    make([][]byte, 0, batchSize),
		ids:    make([]uint16, 1<<16),
		nextID: uint16(random),
		suffix: make([]byte, 0, maxSuffix),
	}
	for i := range f.slots {
		f.slots[i].next = int32(i) + 1
	}
	f.slots[window-1].next = none
	if o.RecursionDesired {
		f.flags = wire.RD
	}
	if o.UDPSize > 0 {
		f.suffixRecords = 1
		var flags uint16
		if o.DO {
			flags = wire.DO
		}
		// RFC 6891 §6.1.2: root, OPT, payload size, extended RCODE and version, flags.
		f.suffix = append(f.suffix, 0, 0, byte(rr.TypeOPT), byte(o.UDPSize>>8), byte(o.UDPSize), 0, 0, byte(flags>>8), byte(flags), 0, 0)
		if o.Cookie {
			binary.BigEndian.PutUint64(f.cookie[:], random*0x9e3779b97f4a7c15+1)
			f.setCookie(f.cookie[:])
		}
	}
	return f
}

// setCookie makes the OPT record carry a COOKIE option.
func (f *flow) setCookie(data []byte) {
	s := f.suffix[:wire.OPTLen]
	binary.BigEndian.PutUint16(s[wire.OPTLen-2:], uint16(4+len(data)))
	s = append(s, 0, wire.OptionCookie, 0, byte(len(data)))
	f.suffix = append(s, data...)
}

// hasRoom reports whether another query can be made now.
func (f *flow) hasRoom() bool {
	return f.up && f.free != none && len(f.batch) < batchSize
}

// hasShare reports whether there is room for a part of the window that is worth a
// call. A closed loop that sent for each answer would have batches of one, and the
// server too. What is left of the window is three quarters at least, unless most
// of it is lost. Over TCP any room is: a query takes along the acknowledgement that
// servers wait for which do without TCP_NODELAY, 40 ms otherwise.
func (f *flow) hasShare() bool {
	room := len(f.slots) - f.inFlight - len(f.batch)
	return f.tcp || room >= max(1, len(f.slots)/4)
}

// prepare makes the next query, which was due at the given time, and puts it into
// the batch. There must be room.
func (f *flow) prepare(c cursor, due int64) {
	i := f.free
	s := &f.slots[i]
	f.free = s.next
	for f.ids[f.nextID] >= idSlot { // at most half of the IDs are in use
		f.nextID++
	}
	s.id, s.due = f.nextID, due
	f.ids[s.id] = idSlot + uint16(i)
	f.nextID++

	room := f.msgs[int(i)*slotSize : (int(i)+1)*slotSize]
	wire.Header{ID: s.id, Flags: f.flags, Questions: 1, Additionals: f.suffixRecords}.Put(room)
	m := c.appendQuestion(room[:wire.HeaderLen:slotSize])
	m = append(m, 0, byte(rr.ClassIN))
	s.end = uint16(len(m))
	m = append(m, f.suffix...)
	s.len = uint16(len(m))
	f.batch = append(f.batch, i)
	f.out = append(f.out, m)
}

// flush sends the batch, or as much of it as there is room for. It reports
// whether anything was sent.
func (f *flow) flush(now int64) (bool, error) {
	if len(f.batch) == 0 || !f.up {
		return false, nil
	}
	n, err := f.t.send(f.out)
	for _, i := range f.batch[:n] {
		s := &f.slots[i]
		s.sent = now
		s.next, s.prev = none, f.last
		if f.last != none {
			f.slots[f.last].next = i
		} else {
			f.first = i
		}
		f.last = i
		f.counts.queryOctets += uint64(s.len)
		f.counts.lag.Record(duration(now - s.due))
	}
	f.inFlight += n
	f.counts.sent += uint64(n)
	f.batch = f.batch[:copy(f.batch, f.batch[n:])]
	f.out = f.out[:copy(f.out, f.out[n:])]
	return n > 0, err
}

// dropFirst gives up the first query of the batch.
func (f *flow) dropFirst() {
	i := f.batch[0]
	f.batch = f.batch[:copy(f.batch, f.batch[1:])]
	f.out = f.out[:copy(f.out, f.out[1:])]
	f.ids[f.slots[i].id] = idUnused
	f.release(i)
}

func (f *flow) release(i int32) {
	f.slots[i].next = f.free
	f.free = i
}

// resolve ends the query in slot i, which is in flight; state is what its ID says
// from now on.
func (f *flow) resolve(i int32, state uint16) {
	s := &f.slots[i]
	if s.prev != none {
		f.slots[s.prev].next = s.next
	} else {
		f.first = s.next
	}
	if s.next != none {
		f.slots[s.next].prev = s.prev
	} else {
		f.last = s.prev
	}
	f.ids[s.id] = state
	f.inFlight--
	f.release(i)
}

// expire ends the queries that were sent at the given time or earlier.
func (f *flow) expire(sent int64) {
	for f.first != none && f.slots[f.first].sent <= sent {
		f.counts.timeouts++
		f.counts.sample(f.slots[f.first].due, Lost)
		f.resolve(f.first, idExpired)
	}
}

// disconnect ends all that is in flight: its connection is gone. The batch waits
// for the next one.
func (f *flow) disconnect() {
	f.t.close()
	f.up = false
	for f.first != none {
		f.counts.disconnected++
		f.counts.sample(f.slots[f.first].due, Lost)
		f.resolve(f.first, idUnused)
	}
}
