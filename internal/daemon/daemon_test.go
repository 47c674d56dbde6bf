package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone/finding"
)

// patience is how long a test waits for what must come. On a loaded machine, each process may stand still
// for seconds.
const patience = time.Minute

// syncBuffer is a log that a test reads while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// lab is a running daemon.
type lab struct {
	*Daemon
	dir  string
	dns  string
	log  *syncBuffer
	stop func() error // ends it and returns what Run did
}

func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ptrd") // a test's own may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// replace puts text in the place of a file in one step.
func replace(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func start(t *testing.T, dir, config string) *lab {
	t.Helper()
	return startWith(t, dir, config, Options{})
}

// startWith is start with some options of its own.
func startWith(t *testing.T, dir, config string, o Options) *lab {
	t.Helper()
	path := filepath.Join(dir, "config.yaml")
	replace(t, path, config)
	l := &lab{dir: dir, log: &syncBuffer{}}
	ctx, cancel := context.WithCancel(context.Background())
	up, down := make(chan *Daemon, 1), make(chan error, 1)
	go func() {
		o.Config, o.Version, o.Log, o.Env = path, "test", l.log, func(string) string { return "" }
		down <- Run(ctx, o, func(d *Daemon) { up <- d })
	}()
	select {
	case l.Daemon = <-up:
	case err := <-down:
		cancel()
		t.Fatalf("Run: %v\n%s", err, l.log)
	case <-time.After(patience):
		cancel()
		t.Fatalf("not up\n%s", l.log)
	}
	if listen := l.Status().Listen; len(listen) > 0 {
		l.dns = listen[0]
	}
	l.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-down:
			return err
		case <-time.After(patience):
			return fmt.Errorf("Run does not end\n%s", l.log)
		}
	})
	t.Cleanup(func() {
		if err := l.stop(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func (l *lab) reload(t *testing.T) *Outcome {
	t.Helper()
	o, err := l.Reload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// generation is a config in which everything says the same number: an alias in
// one zone, its target's data in another, and the policy.
func generation(n int) string {
	return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: "127.0.0.1:0"}
state_dir: ./state
identity: {nsid: "g%[1]d"}
defaults: {nameservers: [ns1.example.com]}
zones:
  - name: a.example
    records: {x: {CNAME: n%[1]d.b.example.}}
  - name: b.example
    records: {n%[1]d: {TXT: '"g%[1]d"'}}
`, n)
}

// ask returns the generation that an answer is of, or an error if it is of none.
func ask(c *dns.Client, conn *dns.Conn) (string, error) {
	m := new(dns.Msg)
	m.SetQuestion("x.a.example.", dns.TypeTXT)
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_NSID{Code: dns.EDNS0NSID}}
	r, _, err := c.ExchangeWithConn(m, conn)
	if err != nil {
		return "", err
	}
	if r.Rcode != dns.RcodeSuccess || len(r.Answer) != 2 {
		return "", fmt.Errorf("half an answer:\n%v", r)
	}
	alias, ok1 := r.Answer[0].(*dns.CNAME)
	text, ok2 := r.Answer[1].(*dns.TXT)
	opt := r.IsEdns0()
	if !ok1 || !ok2 || opt == nil || len(opt.Option) == 0 {
		return "", fmt.Errorf("not the answer:\n%v", r)
	}
	nsid, ok := opt.Option[0].(*dns.EDNS0_NSID)
	if !ok {
		return "", fmt.Errorf("no NSID:\n%v", r)
	}
	g := text.Txt[0]
	if alias.Target != "n"+g[1:]+".b.example." || nsid.Nsid != fmt.Sprintf("%x", g) {
		return "", fmt.Errorf("a mixed answer: alias %s, data %s, policy %s", alias.Target, g, nsid.Nsid)
	}
	return g, nil
}

// TestReloadStorm changes zones and policy under queries, a third of the changes
// broken: each query is answered, from one generation alone. No generation
// comes back.
func TestReloadStorm(t *testing.T) {
	const changes = 30
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	l := start(t, shortDir(t), generation(0))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	var answers atomic.Int64
	for range 2 {
		clients.Go(func() {
			c := &dns.Client{Timeout: patience}
			conn, err := c.Dial(l.dns)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			last := 0
			for ctx.Err() == nil {
				g, err := ask(c, conn)
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				if _, err := fmt.Sscanf(g, "g%d", &n); err != nil || n < last {
					t.Errorf("generation %s after %d", g, last)
					return
				}
				last = n
				answers.Add(1)
			}
		})
	}
	path := filepath.Join(l.dir, "config.yaml")
	good := 0
	for i := 1; i <= changes; i++ {
		broken := ""
		switch random.IntN(9) {
		case 0:
			broken = strings.Replace(generation(i), "zones:", "zonse:", 1)
		case 1:
			broken = generation(i) + "  - name: c.example\n    file: missing.zone\n    ptr: 7\n"
		case 2:
			broken = generation(i)[:100]
		}
		if broken != "" {
			replace(t, path, broken)
			if o := l.reload(t); o.InForce {
				t.Errorf("a broken config came into force: %+v", o)
			}
			continue
		}
		good = i
		replace(t, path, generation(i))
		if i%2 == 0 { // otherwise the watcher has to see it
			if o := l.reload(t); !o.OK() {
				t.Errorf("a good config was refused: %+v", o)
			}
			continue
		}
		await(t, func() bool {
			v := l.views.Load()
			return string(v.Policy.NSID) == fmt.Sprintf("g%d", i)
		})
	}
	cancel()
	clients.Wait()
	if answers.Load() < changes {
		t.Errorf("only %d answers", answers.Load())
	}
	if got := string(l.views.Load().Policy.NSID); got != fmt.Sprintf("g%d", good) {
		t.Errorf("in the end %s is served, want g%d", got, good)
	}
	await(t, func() bool { // an answer is counted after it was sent
		udp := l.server.Totals().Transports[answer.UDP]
		return udp.Received == udp.Answered
	})
}

// exchange asks once over UDP.
func exchange(m *dns.Msg, server string) (*dns.Msg, error) {
	r, _, err := (&dns.Client{Timeout: patience}).Exchange(m, server)
	return r, err
}

// await waits for a condition.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited in vain")
		}
	}
}

// TestFailuresChangeNothing goes through what a reload can fail at; the view
// stays the very same.
func TestFailuresChangeNothing(t *testing.T) {
	l := start(t, shortDir(t), generation(0))
	path := filepath.Join(l.dir, "config.yaml")
	addrs, admin := l.server.Addrs()[server.DNS], l.front.address()
	// fail reloads twice: a reload of the watcher that began before may still exchange the view for an equal one.
	fail := func(t *testing.T) (o *Outcome) {
		t.Helper()
		if o = l.reload(t); o.InForce {
			t.Fatalf("it came into force: %+v", o)
		}
		view := l.views.Load()
		if string(view.Policy.NSID) != "g0" {
			t.Errorf("%s is served", view.Policy.NSID)
		}
		if o = l.reload(t); l.views.Load() != view {
			t.Error("the view was exchanged")
		}
		return o
	}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for name, text := range map[string]string{
		"no YAML":            "{",
		"unknown key":        generation(1) + "more: 1\n",
		"address in use":     strings.Replace(generation(1), `"127.0.0.1:0"]`, fmt.Sprintf(`"127.0.0.1:0", %q]`, other.Addr()), 1),
		"admin in use":       strings.Replace(generation(1), `admin: "127.0.0.1:0"`, fmt.Sprintf(`admin: %q`, other.Addr()), 1),
		"no address at all":  strings.Replace(generation(1), `dns: ["127.0.0.1:0"]`, `dns: []`, 1),
		"bad cookie secrets": generation(1) + "cookies: {secrets: [aa]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			replace(t, path, text)
			o := fail(t)
			if o.InForce || o.OK() {
				t.Fatalf("it came into force: %+v", o)
			}
			if errs, _ := finding.Count(o.Findings); errs == 0 && o.Error == "" {
				t.Errorf("nothing says what is wrong: %+v", o)
			}
			if got := l.server.Addrs()[server.DNS]; fmt.Sprint(got) != fmt.Sprint(addrs) {
				t.Errorf("listens on %v, was %v", got, addrs)
			}
			if got := l.front.address(); got != admin {
				t.Errorf("admin address %v, was %v", got, admin)
			}
			if s := l.Status(); s.Reload.OK || len(s.Zones) != 2 {
				t.Errorf("status %+v", s)
			}
		})
	}
	t.Run("journal closed", func(t *testing.T) {
		if err := l.journal.Close(); err != nil {
			t.Fatal(err)
		}
		replace(t, path, generation(2))
		if o := fail(t); o.InForce {
			t.Errorf("served without being in the journal: %+v", o)
		}
	})
}

// TestNothingChanged: a reload of the same is no change, and the zones are the
// very same.
func TestNothingChanged(t *testing.T) {
	l := start(t, shortDir(t), generation(0))
	set := l.zones.Set()
	if o := l.reload(t); !o.OK() || len(o.Changed) != 0 {
		t.Errorf("%+v", o)
	}
	if l.zones.Set() != set {
		t.Error("the set was exchanged")
	}
}

// TestSerialsNeverGoBack restarts with the same state directory and changed
// content, and with a lost one.
func TestSerialsNeverGoBack(t *testing.T) {
	dir := shortDir(t)
	serial := func(l *lab) (s uint32) {
		for _, z := range l.Status().Zones {
			if z.Zone == "b.example." {
				return uint32(z.Serial)
			}
		}
		t.Fatal("no zone b.example.")
		return 0
	}
	l := start(t, dir, generation(0))
	first := serial(l)
	for i := 1; i < 5; i++ { // quicker than one a second: it runs ahead of the clock
		replace(t, filepath.Join(dir, "config.yaml"), generation(i))
		l.reload(t)
	}
	ahead := serial(l)
	if ahead < first+4 {
		t.Errorf("serial %d after four changes of %d", ahead, first)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, generation(4))
	if s := serial(l); s != ahead {
		t.Errorf("serial %d after a restart with the same content, was %d", s, ahead)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, generation(5))
	if s := serial(l); s <= ahead {
		t.Errorf("serial %d after a restart with other content, was %d", s, ahead)
	}
}

// The secret is kept over restarts. One that cannot be used is made again, with a line
// in the log, and is durable before it has its name.
func TestCookieSecret(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, secretName)
	var log syncBuffer
	d := &Daemon{logs: logs{log: slog.New(slog.NewTextHandler(&log, nil))}}
	a := d.cookieSecret(dir)
	if b := d.cookieSecret(dir); !bytes.Equal(a, b) || len(a) != 16 || log.String() != "" {
		t.Errorf("%x, then %x\n%s", a, b, &log)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for name, damage := range map[string]func() error{
		"empty":      func() error { return os.WriteFile(path, nil, 0o600) },
		"short":      func() error { return os.WriteFile(path, []byte("xx"), 0o600) },
		"large":      func() error { return os.WriteFile(path, make([]byte, 1<<20), 0o600) },
		"unreadable": func() error { return errors.Join(os.Remove(path), os.Symlink(path, path)) },
		"directory":  func() error { return errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "sub"), 0o700)) },
	} {
		if err := damage(); err != nil {
			t.Fatal(name, err)
		}
		before := strings.Count(log.String(), "\n")
		b := d.cookieSecret(dir)
		c := d.cookieSecret(dir)
		if bytes.Equal(a, b) || !bytes.Equal(b, c) || len(b) != 16 {
			t.Errorf("%s: %x, then %x", name, b, c)
		}
		if n := strings.Count(log.String(), "\n") - before; n != 1 {
			t.Errorf("%s: %d lines\n%s", name, n, &log)
		}
		a = b
	}
}

// TestFindingsAreLoggedOnce: not at each reload again.
func TestFindingsAreLoggedOnce(t *testing.T) {
	text := generation(0) + "  - prefix: 192.0.2.0/24\n    ptr: {192.0.2.1: [one.example, two.example]}\n"
	l := start(t, shortDir(t), text)
	for range 3 {
		l.reload(t)
	}
	if n := strings.Count(l.log.String(), "2 PTRs at one address"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, l.log)
	}
	// While the config is refused, it is unknown whether the zones are fixed.
	path := filepath.Join(l.dir, "config.yaml")
	replace(t, path, text+"more: 1\n")
	for range 2 {
		l.reload(t)
	}
	if n := strings.Count(l.log.String(), "unknown key"); n != 1 || strings.Contains(l.log.String(), "resolved") {
		t.Errorf("the refusal is logged %d times, or something as fixed:\n%s", n, l.log)
	}
	replace(t, path, text)
	l.reload(t)
	if n := strings.Count(l.log.String(), "2 PTRs at one address"); n != 1 || strings.Count(l.log.String(), `msg="findings resolved" count=1`) != 1 {
		t.Errorf("logged %d times, or the refusal not as fixed:\n%s", n, l.log)
	}
	replace(t, path, generation(0))
	l.reload(t)
	if strings.Count(l.log.String(), `msg="findings resolved" count=1`) != 2 {
		t.Errorf("not reported as fixed:\n%s", l.log)
	}
}

// TestPrintOutcome shows all lines that an outcome can have.
func TestPrintOutcome(t *testing.T) {
	o := Outcome{
		InForce:  true,
		Findings: []finding.Finding{{Severity: finding.Error, Position: finding.Position{File: "a.zone", Line: 7, Col: 3}, Text: "correct it"}},
		Changed: []ChangedZone{
			{Zone: "2.0.192.in-addr.arpa.", What: "added", To: 5},
			{Zone: "113.0.203.in-addr.arpa.", What: "removed", From: 5},
			{Zone: "100.51.198.in-addr.arpa.", What: "changed", From: 4294967295, To: 0},
		},
		Zones:   4,
		Broken:  []BrokenZone{{Zone: "a.example.", LastGood: true}, {Zone: "b.example."}},
		Opened:  []netip.AddrPort{netip.MustParseAddrPort("[::]:53")},
		Closed:  []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")},
		Restart: []string{"user"},
	}
	const want = `a.zone:7:3: error: correct it
zone 2.0.192.in-addr.arpa.: added, serial 5
zone 113.0.203.in-addr.arpa.: removed
zone 100.51.198.in-addr.arpa.: serial 4294967295 → 0
zone a.example.: has errors, the data of before are still served
zone b.example.: has errors and no previous data; answers SERVFAIL until it is fixed
listens on [::]:53
no longer listens on 127.0.0.1:53
user: changed, which takes a restart
reloaded: 3 zones changed of 4; 1 error, 0 warnings
`
	var b strings.Builder
	if err := o.Print(&b); err != nil || b.String() != want {
		t.Errorf("%v, printed\n%s\nwant\n%s", err, &b, want)
	}
}

// TestLogsOfReloads: the log tells of changed addresses, and once of keys whose
// change has no effect yet.
func TestLogsOfReloads(t *testing.T) {
	l := start(t, shortDir(t), generation(0))
	path := filepath.Join(l.dir, "config.yaml")
	more := strings.Replace(generation(0), `"127.0.0.1:0"]`, `"127.0.0.1:0", "[::1]:0"]`, 1) + "user: nobody\n"
	count := func(text string, want int) {
		t.Helper()
		if n := strings.Count(l.log.String(), text); n != want {
			t.Errorf("%q is there %d times, want %d:\n%s", text, n, want, l.log)
		}
	}
	const restart = `msg="changed keys that are read at the start only; restart ptrd" keys=[user]`
	replace(t, path, more)
	o := l.reload(t)
	if fmt.Sprint(o.Opened) != "[[::1]:0]" || len(o.Closed) > 0 {
		t.Errorf("opened %v, closed %v", o.Opened, o.Closed)
	}
	var out strings.Builder
	if err := o.Print(&out); err != nil {
		t.Fatal(err)
	}
	if want := "listens on [::1]:0\nuser: changed, which takes a restart\nreloaded: 0 zones changed of 2\n"; out.String() != want {
		t.Errorf("printed %q, want %q", &out, want)
	}
	count("opened=[[::1]:0] closed=[]", 1)
	count(restart, 1)
	l.reload(t)
	count(restart, 1)
	count("opened=", 1)
	replace(t, path, generation(0))
	l.reload(t)
	count("opened=[] closed=[[::1]:0]", 1)
	replace(t, path, more)
	l.reload(t)
	count(restart, 2)
}

// TestLoggedSpans: spans of time have their unit, in JSON too.
func TestLoggedSpans(t *testing.T) {
	for format, want := range map[string]string{"json": `"took":"27ms"`, "text": "took=27ms"} {
		var b strings.Builder
		events, _ := newLogger(&b, &config.Log{Format: format, Level: "info"})
		slog.New(events).Info("reloaded", "took", 27*time.Millisecond)
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: %s, want %s in it", format, &b, want)
		}
	}
}

// TestAdmin reads everything that the admin address shows of a real server.
func TestAdmin(t *testing.T) {
	l := start(t, shortDir(t), generation(0))
	for _, path := range []string{"/metrics", "/healthz", "/readyz", "/status"} {
		resp, err := http.Get("http://" + l.front.address().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
}
