package daemon

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

var (
	mixed = flag.Duration("mixed", 2*time.Second, "how long TestMixedLoad puts load on the server")
	pairs = flag.Int("mixed-pairs", 0, "into how many pairs of spans without and with hostile clients TestMixedLoad divides its time, to print latencies of the honest ones; 0: all of it is hostile")
)

// mixedSecret is of a key that honest clients have, and hostileKey one of somebody who may
// transfer zones and behaves badly.
const (
	mixedKey    = "honest."
	hostileKey  = "hostile."
	mixedSecret = "c2VjcmV0IG9mIGEgdGVzdCwgd2hpY2ggaXMgbG9uZyBlbm91Z2gh"
	badSecret   = "YW5vdGhlciBzZWNyZXQgb2YgYSB0ZXN0LCBqdXN0IGFzIGxvbmch"
	mixedTry    = 2 * time.Second  // for an answer, until it is asked again
	mixedTurn   = 30 * time.Second // for a connection, or the next part of a transfer, until it is asked for again
	mixedWait   = 3 * time.Minute  // for what honest clients do, with all tries, on a loaded machine under the race detector
)

// Where clients ask from. Rate limits count by /24.
const (
	honestFrom  = "127.1.0.1"
	hostileFrom = "127.9.0.1"
)

// TestMixedLoad has honest and hostile clients of every kind at the same time. None of the
// honest kinds starves, nothing leaks, and the server stops in time. Under the race
// detector it is short; the long run and the one for latencies are
//
//	make mixed-load
//	make bench-mixed
func TestMixedLoad(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("other addresses of 127.0.0.0/8 than 127.0.0.1 are this host's on Linux only")
	}
	primary := start(t, shortDir(t), "listen: {dns: [\"127.0.0.1:0\"]}\nstate_dir: ./state\nzones:\n  - {name: sec.example, nameservers: [ns1.example.com], transfer: {allow: [127.0.0.1]}}\n")
	dir := shortDir(t)
	var big strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&big, "h%d A 192.0.2.%d\n", i, i%250)
	}
	replace(t, filepath.Join(dir, "big.zone"), big.String())
	l := start(t, dir, fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: "127.0.0.1:0"}
state_dir: ./state
keys: [{name: honest, secret: %[1]s}, {name: hostile, secret: %[1]s}]
defaults: {nameservers: [ns1.example.com]}
zones:
  - {name: plain.example, records: {x: {A: 192.0.2.1}}}
  - {name: big.example, file: big.zone, transfer: {allow: [{key: honest}, {key: hostile}]}}
  - {name: dyn.example, dynamic: {}, update: [{key: honest}]}
  - {name: sec.example, secondary: {primaries: [%[2]q], allow_notify: [127.1.0.0/24]}}
`, mixedSecret, primary.dns))
	await(t, func() bool { return l.Status().Ready && serves(l, "sec.example.") })
	m := &mixedLoad{t: t, dns: l.dns, admin: l.Status().Admin}

	m.span(*mixed/10, true) // fills pools, tables and caches
	before := m.rest()
	if *pairs > 0 {
		var without, with []map[string]time.Duration
		for range *pairs {
			span := *mixed / time.Duration(2**pairs)
			without = append(without, m.span(span, false))
			with = append(with, m.span(span, true))
		}
		m.table(without, with)
	} else {
		m.span(*mixed, true)
	}
	after := m.rest()
	t.Logf("before: %v; after: %v", before, after)
	const (
		slack       = 10       // goroutines and descriptors: the runtime's, and connections to the primary
		memorySlack = 32 << 20 // octets: the history of dyn.example grows
	)
	if after.goroutines > before.goroutines+slack || after.descriptors > before.descriptors+slack || after.heap > 2*before.heap+memorySlack {
		t.Errorf("something leaks: before %v, after %v", before, after)
	}
	if n := l.contain.Counts(); len(n) > 0 {
		t.Errorf("parts of the server failed: %v", n)
	}

	// The server stops while the load goes on.
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	m.attack(ctx, &clients)
	m.work(ctx, &clients, make(chan struct{}))
	begin := time.Now()
	if err := l.stop(); err != nil { // not within patience, or with an error
		t.Error(err)
	}
	took := time.Since(begin)
	t.Logf("stopped after %v", took.Round(time.Millisecond))
	// deploy/ptrd.service gives it 15 s. A short run has other tests beside it, and the race detector.
	if *mixed >= time.Minute && took > 15*time.Second {
		t.Errorf("does not stop within 15 s under load")
	}
	cancel()
	clients.Wait()
}

func serves(l *lab, apex string) bool {
	for _, z := range l.Status().Zones {
		if z.Zone == apex {
			return z.State == stateServed
		}
	}
	return false
}

// usage is what the process holds at rest.
type usage struct {
	goroutines, descriptors int
	heap                    uint64
}

func (u usage) String() string {
	return fmt.Sprintf("%d goroutines, %d descriptors, %d KiB", u.goroutines, u.descriptors, u.heap>>10)
}

// mixedLoad are the clients.
type mixedLoad struct {
	t          *testing.T
	dns, admin string
	serial     atomic.Int64 // of owner names that are added
}

// rest waits until the server has let go of its clients, and returns what is left.
func (m *mixedLoad) rest() (u usage) {
	m.t.Helper()
	least := 1 << 30
	for quiet := 0; quiet < 20; <-time.After(50 * time.Millisecond) { // it ends when nothing has gone for a second
		if n := runtime.NumGoroutine(); n < least {
			least, quiet = n, 0
		} else {
			quiet++
		}
	}
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		m.t.Fatal(err)
	}
	return usage{runtime.NumGoroutine(), len(files), stats.HeapAlloc}
}

// results are the latencies of one honest kind.
type results struct {
	name   string
	took   []time.Duration
	again  int // tries that were not answered well
	failed int
	err    error // the last one
}

// span lets the clients go on for some time, and returns the median latency of each honest
// kind. Nothing that they do may fail for good.
func (m *mixedLoad) span(d time.Duration, hostile bool) map[string]time.Duration {
	m.t.Helper()
	ctx, cancel := context.WithCancel(m.t.Context())
	var honest, others sync.WaitGroup
	if hostile {
		m.attack(ctx, &others)
	}
	over := make(chan struct{})
	timer := time.AfterFunc(d, func() { close(over) })
	kinds := m.work(ctx, &honest, over)
	honest.Wait()
	timer.Stop()
	cancel()
	others.Wait()
	medians := map[string]time.Duration{}
	for _, k := range kinds {
		if k.failed > 0 {
			m.t.Errorf("%s starve: %d answered well, %d not, after %d more tries; %v", k.name, len(k.took), k.failed, k.again, k.err)
		}
		if len(k.took) == 0 {
			continue
		}
		slices.Sort(k.took)
		medians[k.name] = k.took[len(k.took)/2]
	}
	return medians
}

// table prints, for each honest kind, the medians of the medians, and that of the ratios of
// the spans that belong together.
func (m *mixedLoad) table(without, with []map[string]time.Duration) {
	var b strings.Builder
	b.WriteString("\n| honest clients | alone | with hostile ones | ratio |\n| --- | --- | --- | --- |\n")
	for _, kind := range honestKinds {
		var a, z []time.Duration
		var ratio []float64
		for i := range without {
			x, y := without[i][kind.name], with[i][kind.name]
			if x > 0 && y > 0 {
				a, z, ratio = append(a, x), append(z, y), append(ratio, float64(y)/float64(x))
			}
		}
		if len(a) == 0 {
			continue
		}
		fmt.Fprintf(&b, "| %s | %v | %v | %.2f |\n", kind.name, median(a).Round(time.Microsecond), median(z).Round(time.Microsecond), median(ratio))
	}
	m.t.Log(b.String())
}

func median[T cmp.Ordered](list []T) T {
	slices.Sort(list)
	return list[len(list)/2]
}

// honestKinds are what well-behaved clients do, and the pause between two times.
var honestKinds = []struct {
	name  string
	pause time.Duration
	do    func(*mixedLoad, context.Context) error
}{
	{"queries", 10 * time.Millisecond, func(m *mixedLoad, ctx context.Context) error {
		q := new(dns.Msg)
		q.SetQuestion("x.plain.example.", dns.TypeA)
		return m.ask(ctx, "udp", q, "")
	}},
	{"queries over TCP", 20 * time.Millisecond, func(m *mixedLoad, ctx context.Context) error {
		q := new(dns.Msg)
		q.SetQuestion("x.plain.example.", dns.TypeA)
		return m.ask(ctx, "tcp", q, "")
	}},
	{"signed queries", 20 * time.Millisecond, func(m *mixedLoad, ctx context.Context) error {
		q := new(dns.Msg)
		q.SetQuestion("x.plain.example.", dns.TypeA)
		return m.ask(ctx, "udp", q, mixedKey)
	}},
	{"updates", 50 * time.Millisecond, func(m *mixedLoad, ctx context.Context) error {
		q := new(dns.Msg)
		q.SetUpdate("dyn.example.")
		rr, err := dns.NewRR(fmt.Sprintf("h%d.dyn.example. 60 A 192.0.2.1", m.serial.Add(1)%1000))
		if err != nil {
			return err
		}
		if m.serial.Load()/1000%2 == 1 {
			q.RemoveRRset([]dns.RR{rr})
		} else {
			q.Insert([]dns.RR{rr})
		}
		return m.ask(ctx, "udp", q, mixedKey)
	}},
	{"NOTIFY", 50 * time.Millisecond, func(m *mixedLoad, ctx context.Context) error {
		q := new(dns.Msg)
		q.SetNotify("sec.example.")
		return m.ask(ctx, "udp", q, "")
	}},
	{"transfers", 100 * time.Millisecond, func(m *mixedLoad, ctx context.Context) error {
		return m.transfer(ctx, honestFrom, mixedKey)
	}},
}

// ask sends a message and wants NOERROR.
func (m *mixedLoad) ask(ctx context.Context, network string, q *dns.Msg, key string) error {
	var local net.Addr = &net.UDPAddr{IP: net.ParseIP(honestFrom)}
	if network == "tcp" {
		local = &net.TCPAddr{IP: net.ParseIP(honestFrom)}
	}
	c := dns.Client{Net: network, Timeout: mixedTry, Dialer: &net.Dialer{LocalAddr: local, Timeout: mixedTry}}
	if key != "" {
		q.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
		c.TsigSecret = map[string]string{key: mixedSecret}
	}
	r, _, err := c.ExchangeContext(ctx, q, m.dns)
	if err == nil && r.Rcode != dns.RcodeSuccess {
		err = fmt.Errorf("%s", dns.RcodeToString[r.Rcode])
	}
	return err
}

// transfer takes the big zone.
func (m *mixedLoad) transfer(ctx context.Context, from, key string) error {
	conn, err := m.dial(ctx, from, m.dns)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	tr := dns.Transfer{Conn: &dns.Conn{Conn: conn}, TsigSecret: map[string]string{key: mixedSecret}, ReadTimeout: mixedTurn}
	q := new(dns.Msg)
	q.SetAxfr("big.example.")
	q.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
	in, err := tr.In(q, m.dns)
	if err != nil {
		return err
	}
	for e := range in {
		err = cmp.Or(err, e.Error)
	}
	return err
}

func (m *mixedLoad) dial(ctx context.Context, from, to string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: mixedTurn}
	return d.DialContext(ctx, "tcp", to)
}

// work starts the honest clients. Each does what it does once at least, and then until over
// is closed or ctx ends. What is not answered well is tried again, as real clients do.
func (m *mixedLoad) work(ctx context.Context, clients *sync.WaitGroup, over <-chan struct{}) (kinds []*results) {
	for _, kind := range honestKinds {
		r := &results{name: kind.name}
		kinds = append(kinds, r)
		clients.Go(func() {
			for {
				begin := time.Now()
				err := kind.do(m, ctx)
				for err != nil && ctx.Err() == nil && time.Since(begin) < mixedWait {
					r.again++
					pause(ctx, 20*time.Millisecond)
					err = kind.do(m, ctx)
				}
				if err == nil {
					r.took = append(r.took, time.Since(begin))
				} else {
					r.failed, r.err = r.failed+1, err
				}
				pause(ctx, kind.pause)
				select {
				case <-over:
					return
				case <-ctx.Done():
					return
				default:
				}
			}
		})
	}
	return kinds
}

// attack starts the hostile clients, until ctx ends.
func (m *mixedLoad) attack(ctx context.Context, clients *sync.WaitGroup) {
	for _, message := range hostileMessages(m.t) {
		clients.Go(func() { m.flood(ctx, message) })
	}
	update := new(dns.Msg)
	update.SetUpdate("nobody.example.")
	axfr := new(dns.Msg)
	axfr.SetAxfr("big.example.")
	unserved, allowed, guessed := framed(m.t, update, "", ""), framed(m.t, axfr.Copy(), hostileKey, mixedSecret), framed(m.t, axfr.Copy(), hostileKey, badSecret)
	for range 4 {
		// Requests without end, whose answers are never read.
		clients.Go(func() { m.sendOnly(ctx, m.dns, unserved, -1) })
		// A transfer to a client that may have it and reads nothing.
		clients.Go(func() { m.sendOnly(ctx, m.dns, allowed, 20) })
		// One with a guessed key, again and again.
		clients.Go(func() { m.sendOnly(ctx, m.dns, guessed, -1) })
		// Transfers without a pause.
		clients.Go(func() {
			for ctx.Err() == nil {
				if m.transfer(ctx, hostileFrom, hostileKey) != nil {
					pause(ctx, time.Millisecond)
				}
			}
		})
	}
	for range 32 { // half requests
		clients.Go(func() { m.sendOnly(ctx, m.admin, []byte("GET /status HTTP/1.1\r\nHo"), 1) })
		clients.Go(func() { m.sendOnly(ctx, m.dns, []byte{0}, 1) })
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// hostileMessages are what is sent over UDP.
func hostileMessages(t *testing.T) (list [][]byte) {
	add := func(m *dns.Msg, key, secret string) { list = append(list, framed(t, m, key, secret)[2:]) }
	query, update, notify, ixfr := new(dns.Msg), new(dns.Msg), new(dns.Msg), new(dns.Msg)
	query.SetQuestion("x.plain.example.", dns.TypeA)
	update.SetUpdate("dyn.example.")
	notify.SetNotify("sec.example.")
	ixfr.SetIxfr("big.example.", 1, "ns1.example.com.", "hostmaster.example.com.")
	add(query, "", "")
	add(update, "", "")
	add(notify, "", "")
	add(ixfr, "", "")
	add(query.Copy(), "unknown.", badSecret)
	add(query.Copy(), hostileKey, badSecret)
	add(query.Copy(), hostileKey, mixedSecret) // the same again and again
	return append(list, []byte("no message at all, but longer than a header"))
}

// framed returns a message, signed if there is a key, with its length in front.
func framed(t *testing.T, m *dns.Msg, key, secret string) []byte {
	var b []byte
	var err error
	if key == "" {
		b, err = m.Pack()
	} else {
		m.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
		b, _, err = dns.TsigGenerate(m, secret, "", false)
	}
	if err != nil {
		t.Error(err)
	}
	return append([]byte{byte(len(b) >> 8), byte(len(b))}, b...)
}

// flood sends some thousand datagrams a second, and reads nothing.
func (m *mixedLoad) flood(ctx context.Context, message []byte) {
	d := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.ParseIP(hostileFrom)}}
	conn, err := d.DialContext(ctx, "udp", m.dns)
	if err != nil {
		return
	}
	defer conn.Close()
	for ctx.Err() == nil {
		for range 5 {
			_, _ = conn.Write(message) // the server may be gone
		}
		pause(ctx, time.Millisecond)
	}
}

// sendOnly connects and sends octets so many times, or without end, and reads nothing. When
// the server closes the connection, it begins again.
func (m *mixedLoad) sendOnly(ctx context.Context, to string, octets []byte, times int) {
	for ctx.Err() == nil {
		if conn, err := m.dial(ctx, hostileFrom, to); err == nil {
			stop := context.AfterFunc(ctx, func() { conn.Close() })
			_ = conn.(*net.TCPConn).SetReadBuffer(4096) // soon full; else there is just more in it
			for n := 0; n != times && err == nil; n++ {
				_, err = conn.Write(octets)
			}
			if err == nil {
				pause(ctx, 2*time.Second) // the connection stays open
			}
			stop()
			conn.Close()
		}
		pause(ctx, 5*time.Millisecond)
	}
}
