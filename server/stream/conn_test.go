package stream

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/workertest"
)

// memStream is a tcpSocket whose client takes so many octets of each write, the
// rest when asked to.
type memStream struct {
	takes int // 0: all
	sent  []byte
	held  []byte
}

func (m *memStream) send(answers []byte, _ int) bool {
	n := len(answers)
	if m.takes > 0 {
		n = min(m.takes, n)
	}
	m.sent = append(m.sent, answers[:n]...)
	m.held = append(m.held, answers[n:]...)
	return len(m.held) == 0
}

func (m *memStream) take() {
	m.sent = append(m.sent, m.held...)
	m.held = m.held[:0]
}

func (m *memStream) reply([]byte) error { return nil }
func (m *memStream) wake()              {}
func (m *memStream) abort()             {}

// streamConn returns a connection without a client, and an answerer to answer it at.
func streamConn(s *Server) (*tcpConn, *memStream) {
	m := new(memStream)
	return &tcpConn{conns: s.conns, sock: m, client: netip.MustParseAddrPort("198.51.100.7:4242"), local: netip.MustParseAddrPort("203.0.113.1:53")}, m
}

// streamSeeds are streams, and pieces to cut them in.
func streamSeeds(f *testing.F) {
	f.Add(workertest.Framed(workertest.FakeQuery(1, "a.example")), uint16(1))                                                                          // octet by octet
	f.Add(append(workertest.Framed(workertest.FakeQuery(1, "a.example")), workertest.Framed(workertest.FakeQuery(2, "big.example"))...), uint16(7))    // a long answer
	f.Add(append(workertest.Framed(workertest.FakeQuery(1, "drop.example")), workertest.Framed(workertest.FakeQuery(2, "a.example"))...), uint16(600)) // the end after the first
	f.Add(append(workertest.Framed(workertest.FakeQuery(1, "slow.example")), workertest.Framed(workertest.FakeQuery(2, "a.example"))...), uint16(3))   // one for the deferred lane
	f.Add(append(workertest.Framed(append(workertest.FakeQuery(1, "a.example"), make([]byte, 5000)...)), 0, 0, 1, 2), uint16(999))                     // a long query, an empty one
	f.Add(bytes.Repeat(workertest.Framed(workertest.FakeQuery(3, "mid.example")), 40), uint16(4096))                                                   // several writes
	f.Add(bytes.Repeat(workertest.Framed(workertest.FakeQuery(4, "slow.example")), 40), uint16(50))                                                    // more than may be in work
}

// wantedOf returns the answers to a stream, in order, how many of its queries
// are for the deferred lane, and whether it ends the connection.
func wantedOf(stream []byte) (answers []byte, slow int, end bool) {
	for rest := stream; len(rest) >= prefixSize; {
		n := int(binary.BigEndian.Uint16(rest))
		if len(rest)-prefixSize < n {
			break
		}
		room := make([]byte, maxMessage)
		length, verdict := respondAlone(room, copy(room, rest[prefixSize:][:n]))
		switch verdict {
		case answer.Answered:
			answers = append(answers, workertest.Framed(room[:length])...)
		case answer.Defer:
			slow++
		default:
			return answers, slow, true
		}
		rest = rest[prefixSize+n:]
	}
	return answers, slow, false
}

// FuzzTCPStream cuts a stream in pieces and answers it, also for a client that
// takes answers in pieces: the answers are those of the messages that a plain
// reading of the stream finds, up to one that ends the connection.
func FuzzTCPStream(f *testing.F) {
	streamSeeds(f)
	s := newTestServer(f, nil)
	answerer := newConnAnswerer(s.Group, answer.TCP)
	f.Fuzz(func(t *testing.T, stream []byte, piece uint16) {
		want, wantSlow, wantEnd := wantedOf(stream)
		c, m := streamConn(s)
		m.takes = int(piece >> 3)
		slow := 0
		var in []byte
		for rest := stream; len(rest) > 0 && !c.ending; {
			n := min(int(piece)+1, len(rest))
			in, rest = append(in, rest[:n]...), rest[n:]
			for {
				answerer.begin(s.Now())
				taken := c.answer(answerer, in)
				answerer.publish()
				in = in[taken:]
				slow += s.lane.Discard()
				if m.take(); taken == 0 {
					break
				}
			}
		}
		if !bytes.Equal(m.sent, want) || slow != wantSlow || c.ending != wantEnd {
			t.Fatalf("%d octets of answers (want %d), equal %v, %d deferred (want %d), ended %v (want %v)",
				len(m.sent), len(want), bytes.Equal(m.sent, want), slow, wantSlow, c.ending, wantEnd)
		}
	})
}

// respondAlone is the fake answerer without a server.
func respondAlone(buf []byte, n int) (length int, v answer.Verdict) {
	defer func() {
		if recover() != nil {
			v = answer.Drop
		}
	}()
	return new(workertest.FakeAnswerer).Respond(nil, nil, buf, n)
}

func TestTCPBatchAllocatesNothing(t *testing.T) {
	servertest.SkipAllocs(t)
	s := newTestServer(t, nil)
	answerer := newConnAnswerer(s.Group, answer.TCP)
	c, m := streamConn(s)
	batch := bytes.Repeat(workertest.Framed(workertest.FakeQuery(1, "a.example")), 10)
	n := testing.AllocsPerRun(100, func() {
		answerer.begin(s.Now())
		taken := c.answer(answerer, batch)
		answerer.publish()
		if taken != len(batch) || len(m.sent) != len(batch) {
			t.Fatalf("%d octets taken, %d sent", taken, len(m.sent))
		}
		m.sent = m.sent[:0]
	})
	if n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

func TestPortableBufferGrowsAndShrinks(t *testing.T) {
	c := &netConn{}
	c.makeRoom()
	if len(c.in) != connBuffer {
		t.Fatalf("begins with %d octets", len(c.in))
	}
	for range 10 { // a client that fills whatever there is
		c.peak, c.filled = len(c.in), 5
		c.in[0] = 0
		c.makeRoom()
	}
	if len(c.in) != readSize {
		t.Errorf("grew to %d octets, want %d", len(c.in), readSize)
	}
	binary.BigEndian.PutUint16(c.in, maxMessage)
	c.filled, c.peak = len(c.in), len(c.in)
	c.makeRoom()
	if len(c.in) != prefixSize+maxMessage {
		t.Errorf("%d octets for the largest message", len(c.in))
	}
	for range 10 {
		c.filled, c.peak = 0, 60
		c.makeRoom()
	}
	if len(c.in) != connBuffer {
		t.Errorf("%d octets when idle", len(c.in))
	}
}
