package server

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
)

// streamConn returns a connection without a client: what the client sends is put
// into its buffer by feed.
func streamConn(t testing.TB) (*tcpConn, *tcpDesk) {
	s := newTestServer(t, nil)
	c := &tcpConn{server: s, client: netip.MustParseAddrPort("198.51.100.7:4242"), local: netip.MustParseAddrPort("203.0.113.1:53")}
	return c, <-s.conns.desks
}

// feed reads from stream as read does, at most n octets, and returns the rest.
func (c *tcpConn) feed(stream []byte, n int) []byte {
	c.makeRoom()
	n = copy(c.in[c.filled:], stream[:min(n, len(stream))])
	c.filled += n
	c.peak = max(c.peak, c.filled)
	return stream[n:]
}

// FuzzTCPStream cuts a stream in pieces and answers it: the answers are those of
// the messages that a plain reading of the stream finds, up to one that ends the
// connection.
func FuzzTCPStream(f *testing.F) {
	f.Add(framed(fakeQuery(1, "a.example")), uint16(1))                                                      // octet by octet
	f.Add(append(framed(fakeQuery(1, "a.example")), framed(fakeQuery(2, "big.example"))...), uint16(7))      // a long answer
	f.Add(append(framed(fakeQuery(1, "drop.example")), framed(fakeQuery(2, "a.example"))...), uint16(600))   // the end after the first
	f.Add(append(framed(fakeQuery(1, "slow.example")), framed(fakeQuery(2, "a.example"))...), uint16(3))     // one for the slow lane
	f.Add(append(framed(append(fakeQuery(1, "a.example"), make([]byte, 5000)...)), 0, 0, 1, 2), uint16(999)) // a long query, an empty one
	f.Add(bytes.Repeat(framed(fakeQuery(3, "mid.example")), 40), uint16(4096))                               // several writes
	first, desk := streamConn(f)
	f.Fuzz(func(t *testing.T, stream []byte, piece uint16) {
		var want [][]byte
		wantSlow, wantEnd := 0, false
		for rest := stream; len(rest) >= prefixSize && !wantEnd; {
			n := int(binary.BigEndian.Uint16(rest))
			if len(rest)-prefixSize < n {
				break
			}
			room := make([]byte, maxMessage)
			length, verdict := respondAlone(room, copy(room, rest[prefixSize:][:n]))
			switch verdict {
			case Answered:
				want = append(want, room[:length])
			case Defer:
				wantSlow++
			default:
				wantEnd = true
			}
			rest = rest[prefixSize+n:]
		}

		c := &tcpConn{server: first.server, client: first.client, local: first.local}
		slow, fine := 0, true
		var out []byte
		for rest := stream; fine && len(rest) > 0; {
			rest = c.feed(rest, int(piece)+1)
			for fine && c.hasMessage() {
				var size int
				size, _, fine = c.fill(desk)
				out = append(out, desk.work[:size]...)
				if c.deferred != nil {
					slow++
					c.deferred = nil
				}
			}
		}
		for i, w := range want {
			if len(out) < prefixSize || int(binary.BigEndian.Uint16(out)) != len(w) || !bytes.Equal(out[prefixSize:][:len(w)], w) {
				t.Fatalf("answer %d is not that of the message", i)
			}
			out = out[prefixSize+len(w):]
		}
		if len(out) > 0 || slow != wantSlow || fine == wantEnd {
			t.Fatalf("%d octets too much, %d deferred (want %d), ended %v (want %v)", len(out), slow, wantSlow, !fine, wantEnd)
		}
	})
}

// respondAlone is the fake answerer without a server.
func respondAlone(buf []byte, n int) (length int, v Verdict) {
	defer func() {
		if recover() != nil {
			v = Drop
		}
	}()
	return new(fakeAnswerer).Respond(nil, nil, buf, n)
}

func TestTCPBatchAllocatesNothing(t *testing.T) {
	skipAllocs(t)
	c, desk := streamConn(t)
	batch := bytes.Repeat(framed(fakeQuery(1, "a.example")), 10)
	n := testing.AllocsPerRun(100, func() {
		for rest := batch; len(rest) > 0; {
			rest = c.feed(rest, len(rest))
		}
		size, answers, fine := c.fill(desk)
		if size != len(batch) || answers != 10 || !fine {
			t.Fatalf("%d octets, %d answers", size, answers)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}
