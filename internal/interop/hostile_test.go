package interop

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone/dname"
)

// hostile is a client of ptrd that may have and change zones and means harm.
type hostile struct {
	rng    *rand.Rand
	server netip.AddrPort
	from   string // its address
	key    *tsig.Key
	apexes [2]string
}

// harmWait is how long a hostile client waits for something.
const harmWait = 3 * time.Second

// dial opens a connection; nil if the server has had enough of them.
func (h *hostile) dial() *net.TCPConn {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(h.from)}, Timeout: harmWait}
	c, err := d.Dial("tcp", h.server.String())
	if err != nil {
		return nil
	}
	c.SetDeadline(time.Now().Add(harmWait))
	return c.(*net.TCPConn)
}

// message returns a request, mostly with octets that are not as they should be, and
// perhaps signed, before or after.
func (h *hostile) message() []byte {
	m := new(dns.Msg)
	apex := h.apexes[h.rng.IntN(2)]
	switch h.rng.IntN(4) {
	case 0:
		m.SetAxfr(apex)
	case 1:
		m.SetIxfr(apex, h.rng.Uint32(), "ns1.example.com.", "hostmaster.example.com.")
	case 2:
		m.SetNotify(apex)
	default:
		m.SetUpdate(apex)
		name := fmt.Sprintf("%d.%s", h.rng.IntN(5), apex)
		r := &dns.PTR{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: 60}, Ptr: "x.example.com."}
		for range h.rng.IntN(5) {
			switch h.rng.IntN(4) {
			case 0:
				m.NameUsed([]dns.RR{r})
			case 1:
				m.Remove([]dns.RR{r})
			case 2:
				m.RemoveName([]dns.RR{r})
			default:
				m.Insert([]dns.RR{r, &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{"x"}}})
			}
		}
	}
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	spoil := func() {
		for range h.rng.IntN(4) {
			b[h.rng.IntN(len(b))] = byte(h.rng.Uint32())
		}
		if h.rng.IntN(4) == 0 {
			b = b[:1+h.rng.IntN(len(b))]
		}
	}
	sign := h.rng.IntN(3)
	if sign == 1 {
		spoil()
	}
	if sign > 0 && len(b) >= 12 {
		b, _ = h.key.Request(b, time.Now().Unix())
	}
	if sign != 1 {
		spoil()
	}
	return b
}

func framed(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// garbage sends requests over one connection, now and then with a length that is wrong,
// and as datagrams too, and takes what comes.
func (h *hostile) garbage() {
	c := h.dial()
	if c == nil {
		return
	}
	defer c.Close()
	u, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(h.from)}, net.UDPAddrFromAddrPort(h.server))
	if err != nil {
		return
	}
	defer u.Close()
	go io.Copy(io.Discard, c)
	for range 1 + h.rng.IntN(50) {
		b := h.message()
		u.Write(b)
		if b = framed(b); h.rng.IntN(20) == 0 {
			b[1]++
		}
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// leave asks for the zone and goes, before the answer or in its middle.
func (h *hostile) leave() {
	c := h.dial()
	if c == nil {
		return
	}
	c.Write(h.axfr())
	io.CopyN(io.Discard, c, h.rng.Int64N(100_000))
	if h.rng.IntN(2) == 0 {
		c.SetLinger(0)
	}
	c.Close()
}

func (h *hostile) axfr() []byte {
	b, err := new(dns.Msg).SetAxfr(h.apexes[0]).Pack()
	if err != nil {
		panic(err)
	}
	return framed(b)
}

// flood asks for the zone many times at once and reads next to nothing.
func (h *hostile) flood() *net.TCPConn {
	c := h.dial()
	if c == nil {
		return nil
	}
	c.SetReadBuffer(1 << 12)
	c.SetWriteDeadline(time.Now().Add(time.Second))
	c.Write(bytes.Repeat(h.axfr(), 200))
	io.CopyN(io.Discard, c, 1)
	return c
}

// TestHostileSecondary lets clients loose on ptrd that ask for a large zone many times at
// once without taking it, go in its middle, and send transfers, NOTIFY and UPDATE
// with wrong octets behind good and bad signatures. Meanwhile others are answered and
// get the zone, which stays as it was, and memory is bounded.
func TestHostileSecondary(t *testing.T) {
	t.Parallel()
	seed := uint64(envNumber(t, seedEnv, int(time.Now().UnixNano()&0xffff)))
	t.Logf("%s=%d", seedEnv, seed)
	g := newGrowing(seed, 50_000)
	const open = "3.0.192.in-addr.arpa." // that the key may change
	dir, addr := t.TempDir(), freePort(t)
	replaceZone(t, filepath.Join(dir, "zone"), g.text())
	config := mustWrite(dir, "ptrd.yaml", fmt.Sprintf(`listen: {dns: [%q], admin: ""}
state_dir: state
limits: {tcp_message: 1s, transfer_stall: 1s}
keys: [{name: %s, secret: %s}]
defaults: {transfer: {allow: 127.0.0.0/8}}
zones:
  - {name: %s, file: zone}
  - {name: %s, dynamic: {}, nameservers: [{name: ns1.example.com}], update: {key: %[2]s}}
`, addr, xfrKey, xfrSecret, g.apex, open))
	ours := startProcess(t, dir, requireBinary(t), "serve", "--config", config)
	if !awaitZones(addr, []string{g.apex, open}, ours.ended) {
		t.Fatalf("ptrd does not answer:\n%s", ours.log())
	}
	want, err := contentOf(addr, g.apex, "")
	if err != nil {
		t.Fatal(err)
	}
	before := peakMemory(t, ours)
	secret, err := base64.StdEncoding.DecodeString(xfrSecret)
	if err != nil {
		t.Fatal(err)
	}
	key, err := tsig.NewKey(tsig.KeyOptions{Name: dname.MustParse(xfrKey), Algorithm: tsig.HMACSHA256, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	var held []*net.TCPConn
	var mu sync.Mutex
	var harm sync.WaitGroup
	for i := range 8 {
		h := &hostile{rand.New(rand.NewPCG(seed, uint64(i))), addr, fmt.Sprintf("127.1.0.%d", i+1), key, [2]string{g.apex, open}}
		harm.Go(func() {
			for range 4 {
				h.garbage()
				h.leave()
				if c := h.flood(); c != nil {
					mu.Lock()
					held = append(held, c)
					mu.Unlock()
				}
			}
		})
	}
	defer func() {
		for _, c := range held {
			c.Close()
		}
	}()
	ended := make(chan struct{})
	go func() {
		harm.Wait()
		close(ended)
	}()
	c := newClient(addr)
	defer c.close()
	asked := 0
	for going := true; going; asked++ {
		for _, w := range ways[:3] {
			r, err := ask(c, question{"1.0.0." + g.apex, dns.TypePTR}, uint16(asked), w)
			if err != nil || r.silent || r.rcode != dns.RcodeSuccess || len(r.answer) != 1 {
				t.Fatalf("question %d, %v: %+v, %v\n%s", asked, w, r, err, ours.log())
			}
		}
		select {
		case <-ended:
			going = false
		case <-ours.ended:
			t.Fatalf("ptrd ended:\n%s", ours.log())
		default:
		}
	}
	t.Logf("%d questions answered; %d connections are held that read nothing", 3*asked, len(held))
	// Those that take nothing are cut off, and then it is another's turn.
	var got []string
	awaitThat(t, "a transfer for another client", func() bool {
		got, err = contentOf(addr, g.apex, "")
		return err == nil
	}, ours)
	if !slices.Equal(got, want) {
		t.Errorf("the zone has %d records, it had %d", len(got), len(want))
	}
	awaitThat(t, "a transfer of the zone that was changed", func() bool {
		_, err := contentOf(addr, open, "")
		return err == nil
	}, ours)
	if strings.Contains(ours.log(), "internal error") {
		t.Errorf("%s", ours.log())
	}
	// 16 transfers at a time and their messages, 1024 connections, and what Go leaves to
	// be collected.
	after := peakMemory(t, ours)
	t.Logf("peak memory %d MiB, %d MiB before", after>>20, before>>20)
	if after > before+64<<20 {
		t.Errorf("memory grew from %d to %d octets", before, after)
	}
}

// peakMemory returns the most octets that the process had in memory; 0 where the
// system does not tell.
func peakMemory(t *testing.T, c *process) (octets int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		t.Log(err)
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	fmt.Sscan(rest, &octets)
	return octets << 10
}
