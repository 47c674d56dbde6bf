package secondary

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// fakePrimary answers requests in memory. Its fields are set before it is asked.
type fakePrimary struct {
	t    testing.TB
	keys *tsig.Keys

	mu    sync.Mutex
	o     *zonetest.Oracle
	since map[zone.Serial]*zonetest.Oracle // what differences may begin at
	asked []string                         // network, QTYPE; and EDNS where it lacks

	noUDP  bool
	noEDNS bool
	closes string // a QTYPE after whose answer the connection is closed
	// Where they are set, they change the messages of an answer before they are signed,
	// and then.
	spoil  func(network string, answer [][]byte) [][]byte
	signed func(network string, answer [][]byte) [][]byte
}

// grace is what the limits of time have in addition, because the process may stand still for seconds; it is
// within the fudge of TSIG.
const grace = 200 * time.Second

// unhurried is the clock of clients whose limits are not tested.
func unhurried() time.Time { return time.Now().Add(grace) }

var fakeAddr = netip.MustParseAddrPort("192.0.2.1:53")

// dial is a Dialer that leads to the primary.
func (f *fakePrimary) dial(_ context.Context, network string, _ netip.Addr, address netip.AddrPort) (net.Conn, error) {
	if address != fakeAddr || network == "udp" && f.noUDP {
		return nil, errors.New("nobody is there")
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		if network == "udp" {
			f.serveUDP(theirs)
		} else {
			f.serveTCP(theirs)
		}
	}()
	return ours, nil
}

func (f *fakePrimary) serveUDP(conn net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		for _, m := range f.answer("udp", buf[:n]) {
			if _, err := conn.Write(m); err != nil {
				return
			}
		}
	}
}

func (f *fakePrimary) serveTCP(conn net.Conn) {
	for {
		var head [2]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		buf := make([]byte, binary.BigEndian.Uint16(head[:]))
		if _, err := io.ReadFull(conn, buf); err != nil {
			return
		}
		answer := f.answer("tcp", buf)
		if answer == nil {
			return
		}
		for _, m := range answer {
			if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)); err != nil {
				return
			}
		}
		f.mu.Lock()
		last := f.asked[len(f.asked)-1]
		f.mu.Unlock()
		if f.closes != "" && strings.HasSuffix(last, f.closes) {
			return
		}
	}
}

// answer returns the messages that answer a request.
func (f *fakePrimary) answer(network string, request []byte) (out [][]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	q := new(dns.Msg)
	if err := q.Unpack(request); err != nil {
		f.t.Errorf("the request cannot be read: %v", err)
		return nil
	}
	note := network + " " + dns.TypeToString[q.Question[0].Qtype]
	if q.IsEdns0() == nil {
		note += " plain"
	}
	f.asked = append(f.asked, note)
	reply := func(rcode int, records []zone.Record) []byte {
		m := new(dns.Msg)
		m.SetRcode(q, rcode)
		m.Authoritative, m.Compress = true, true
		for _, r := range records {
			m.Answer = append(m.Answer, record(f.t, r))
		}
		b, err := m.Pack()
		if err != nil {
			f.t.Error(err)
		}
		return b
	}
	apex := f.o.Apex
	switch {
	case f.noEDNS && q.IsEdns0() != nil:
		out = [][]byte{reply(dns.RcodeFormatError, nil)}
	case q.Question[0].Name != apex.String():
		out = [][]byte{reply(dns.RcodeRefused, nil)}
	case q.Question[0].Qtype == dns.TypeSOA:
		out = [][]byte{reply(dns.RcodeSuccess, whole(f.o)[:1])}
	default:
		records, typ := whole(f.o), rr.TypeAXFR
		if q.Question[0].Qtype == dns.TypeIXFR {
			typ = rr.TypeIXFR
			serial := zone.Serial(q.Ns[0].(*dns.SOA).Serial)
			if from := f.since[serial]; from != nil {
				records = sequences(from, f.o)
			} else if serial == f.o.Serial() {
				records = records[:1]
			}
		}
		out = messages(f.t, apex, typ, records, func() int { return 3 })
		for _, m := range out {
			binary.BigEndian.PutUint16(m, q.Id)
		}
	}
	if f.spoil != nil {
		out = f.spoil(network, out)
	}
	if at := tsigAt(request); at > 0 && f.keys != nil {
		signer, _ := f.keys.Verify(request, at, time.Now().Unix())
		if signer.Err() != tsig.NoError {
			out = [][]byte{reply(dns.RcodeNotAuth, nil)}
		}
		for i, m := range out {
			out[i] = signer.Sign(m, time.Now().Unix())
		}
	}
	if f.signed != nil {
		out = f.signed(network, out)
	}
	return out
}

// tsigAt returns the offset of the TSIG record of a request; 0: there is none.
func tsigAt(msg []byte) int {
	h, _ := wire.ReadHeader(msg)
	_, off := wire.ReadQuestion(msg, wire.HeaderLen)
	for range int(h.Authorities) + int(h.Additionals) {
		r, next := wire.ReadRecord(msg, off)
		if r.Type == rr.TypeTSIG {
			return off
		}
		off = next
	}
	return 0
}

func testKey(t testing.TB, name, secret string) *tsig.Key {
	t.Helper()
	k, err := tsig.NewKey(tsig.KeyOptions{Name: dname.MustParse(name), Algorithm: tsig.HMACSHA256, Secret: []byte(secret)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newFake(t testing.TB) *fakePrimary {
	one, two := oracle(t, soa1+rest), oracle(t, soa2+rest+"c 60 PTR z.\nd 60 PTR z.\ne 60 PTR z.\nf 60 PTR z.\ng 60 PTR z.\n")
	return &fakePrimary{t: t, o: two, since: map[zone.Serial]*zonetest.Oracle{1: one}}
}

// take asks the primary for the SOA, and then for the zone.
func (f *fakePrimary) take(p *Primary, typ rr.Type, now func() time.Time) (*received, error) {
	p.Address = fakeAddr
	c := &client{dial: f.dial, now: now}
	a, err := c.soa(f.t.Context(), p, f.o.Apex)
	if err != nil {
		return nil, err
	}
	asked := request{typ: typ, apex: f.o.Apex, base: mustBuild(f.t, f.since[1])}
	return c.transfer(f.t.Context(), p, asked, !a.noEDNS, nil)
}

// TestTake asks primaries that do what they should in several ways.
func TestTake(t *testing.T) {
	key := testKey(t, "k.", "secret")
	for _, c := range []struct {
		what    string
		primary func(f *fakePrimary)
		key     *tsig.Key
		asked   string
	}{
		{"plain", func(*fakePrimary) {}, nil, "udp SOA,tcp "},
		{"signed", func(f *fakePrimary) { f.keys = tsig.NewKeys([]*tsig.Key{key}) }, key, "udp SOA,tcp "},
		{"nobody at UDP", func(f *fakePrimary) { f.noUDP = true }, nil, "tcp SOA,tcp "},
		{"no EDNS", func(f *fakePrimary) { f.noEDNS = true }, nil, "udp SOA,udp SOA plain,tcp  plain"},
		{"truncated over UDP", func(f *fakePrimary) {
			f.spoil = func(network string, answer [][]byte) [][]byte {
				if network == "udp" {
					answer[0][2] |= 2
				}
				return answer
			}
		}, nil, "udp SOA,tcp SOA,tcp "},
		{"forged datagrams come first", func(f *fakePrimary) {
			f.spoil = func(network string, answer [][]byte) [][]byte {
				if network == "udp" {
					id := append([]byte(nil), answer[0]...)
					id[0]++
					question := append([]byte(nil), answer[0]...)
					question[13]++
					answer = [][]byte{{1, 2, 3}, id, question, answer[0]}
				}
				return answer
			}
		}, nil, "udp SOA,tcp "},
		{"forged MAC over UDP", func(f *fakePrimary) {
			f.keys = tsig.NewKeys([]*tsig.Key{key})
			f.signed = func(network string, answer [][]byte) [][]byte {
				if network == "udp" {
					answer[0][len(answer[0])-10] ^= 1
				}
				return answer
			}
		}, key, "udp SOA,tcp SOA,tcp "},
	} {
		for _, typ := range []rr.Type{rr.TypeAXFR, rr.TypeIXFR} {
			f := newFake(t)
			c.primary(f)
			got, err := f.take(&Primary{Key: c.key}, typ, unhurried)
			if err != nil {
				t.Errorf("%s: %v", c.what, err)
				continue
			}
			hold(t, got.zone, f.o)
			if (got.changes != nil) != (typ == rr.TypeIXFR) {
				t.Errorf("%s, %v: %d differences", c.what, typ, len(got.changes))
			}
			want := strings.Replace(c.asked, "tcp  ", "tcp "+typ.String()+" ", 1)
			if strings.HasSuffix(want, "tcp ") {
				want += typ.String()
			}
			if got := strings.Join(f.asked, ","); got != want {
				t.Errorf("%s: asked %q, want %q", c.what, got, want)
			}
		}
	}
}

// TestDistrust asks primaries whose answers must not be taken.
func TestDistrust(t *testing.T) {
	key, other := testKey(t, "k.", "secret"), testKey(t, "k.", "another")
	tcp := func(f func(answer [][]byte) [][]byte) func(string, [][]byte) [][]byte {
		return func(network string, answer [][]byte) [][]byte {
			if network == "tcp" {
				return f(answer)
			}
			return answer
		}
	}
	keys := func(list ...*tsig.Key) *tsig.Keys { return tsig.NewKeys(list) }
	for _, c := range []struct {
		what    string
		primary func(f *fakePrimary)
		want    string
	}{
		{"no signature", func(*fakePrimary) {}, "is not signed"},
		{"refused without a signature", func(f *fakePrimary) {
			f.spoil = func(_ string, answer [][]byte) [][]byte { answer[0][3] |= 5; return answer[:1] }
		}, "answers REFUSED"},
		{"no such key", func(f *fakePrimary) { f.keys = keys() }, "BADKEY"},
		{"another secret", func(f *fakePrimary) { f.keys = keys(other) }, "BADSIG"},
		{"octets of a signed message changed", func(f *fakePrimary) {
			f.keys = keys(key)
			f.signed = tcp(func(answer [][]byte) [][]byte { answer[1][len(answer[1])/3] ^= 1; return answer })
		}, "MAC"},
		{"messages in another order", func(f *fakePrimary) {
			f.keys = keys(key)
			f.signed = tcp(func(answer [][]byte) [][]byte { answer[1], answer[2] = answer[2], answer[1]; return answer })
		}, "MAC"},
		{"a message twice", func(f *fakePrimary) {
			f.keys = keys(key)
			f.signed = tcp(func(answer [][]byte) [][]byte {
				return append(append(answer[:2:2], answer[1]), answer[2:]...)
			})
		}, "MAC"},
		{"a message is left out", func(f *fakePrimary) {
			f.keys = keys(key)
			f.signed = tcp(func(answer [][]byte) [][]byte { return append(answer[:1:1], answer[2:]...) })
		}, "MAC"},
		{"a message of somebody else's", func(f *fakePrimary) {
			f.keys = keys(key)
			var plain [][]byte
			f.spoil = func(_ string, answer [][]byte) [][]byte {
				plain = nil
				for _, m := range answer {
					plain = append(plain, append([]byte(nil), m...))
				}
				return answer
			}
			f.signed = tcp(func(answer [][]byte) [][]byte { return append(append(answer[:1:1], plain[1]), answer[1:]...) })
		}, "MAC"},
		{"the last message is not signed", func(f *fakePrimary) {
			f.keys = keys(key)
			var last []byte
			f.spoil = func(_ string, answer [][]byte) [][]byte {
				last = append([]byte(nil), answer[len(answer)-1]...)
				return answer
			}
			f.signed = tcp(func(answer [][]byte) [][]byte { return append(answer[:len(answer)-1:len(answer)-1], last) })
		}, "last message of the answer is not signed"},
	} {
		f := newFake(t)
		c.primary(f)
		got, err := f.take(&Primary{Key: key}, rr.TypeAXFR, unhurried)
		var untrusted *trustError
		if err == nil {
			t.Errorf("%s: it is taken, %+v", c.what, got)
		} else if !errors.As(err, &untrusted) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
}

// A server that answers for the zone without authority is no primary of it.
func TestNoAuthority(t *testing.T) {
	f := newFake(t)
	f.spoil = func(_ string, answer [][]byte) [][]byte { answer[0][2] &^= 4; return answer }
	if got, err := f.take(&Primary{}, rr.TypeAXFR, unhurried); err == nil || !strings.Contains(err.Error(), "AA is not set") {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSlow asks primaries that are slow, stop, or go away.
func TestSlow(t *testing.T) {
	tcp := func(f func(answer [][]byte) [][]byte) func(string, [][]byte) [][]byte {
		return func(network string, answer [][]byte) [][]byte {
			if network == "tcp" {
				return f(answer)
			}
			return answer
		}
	}
	real := func() func() time.Time { return time.Now }
	for _, c := range []struct {
		what    string
		primary func(f *fakePrimary)
		now     func() func() time.Time
		want    string
	}{
		{"goes away", func(f *fakePrimary) { f.signed = tcp(func([][]byte) [][]byte { return nil }) }, real, "closed before the end"},
		{"goes away in the middle of a message", func(f *fakePrimary) {
			f.signed = tcp(func(answer [][]byte) [][]byte { return answer[:1] })
			f.spoil = f.signed
		}, func() func() time.Time {
			// Time stands still until a message is overdue.
			calls := 0
			return func() time.Time {
				if calls++; calls > 7 {
					return time.Now().Add(-time.Hour)
				}
				return time.Now()
			}
		}, "the answer stopped"},
		{"drips", func(*fakePrimary) {}, func() func() time.Time {
			now := time.Now()
			return func() time.Time { now = now.Add(10 * time.Second); return now }
		}, "which is too slow"},
	} {
		f := newFake(t)
		c.primary(f)
		got, err := f.take(&Primary{}, rr.TypeAXFR, c.now())
		var gone *transportError
		if err == nil {
			t.Errorf("%s: it is taken, %+v", c.what, got)
		} else if !errors.As(err, &gone) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
}

// A transfer that nobody wants any more ends, whatever the primary does.
func TestCancel(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.signed = func(network string, answer [][]byte) [][]byte {
		if network == "tcp" {
			cancel()
			return answer[:1] // and then it waits for another request
		}
		return answer
	}
	c := &client{dial: f.dial, now: time.Now}
	if _, err := c.transfer(ctx, &Primary{Address: fakeAddr}, request{typ: rr.TypeAXFR, apex: f.o.Apex}, true, nil); err == nil {
		t.Error("it is taken")
	}
}
