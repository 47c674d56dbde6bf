package daemon

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/certtest"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/zone/finding"
)

// one returns the status of the zone of an address or prefix.
func (l *lab) one(t *testing.T, what string) *ZoneStatus {
	t.Helper()
	s, err := l.status(t.Context(), &StatusQuery{What: what})
	if err != nil || len(s.Zones) != 1 || s.Zones[0].Detail == nil {
		t.Fatalf("%s: %+v, %v", what, s, err)
	}
	return &s.Zones[0]
}

// TestStatusOfSecondaries: the status of a zone has the serials of its secondaries and primaries, and
// NOTIFY on request waits until a secondary is current.
func TestStatusOfSecondaries(t *testing.T) {
	follows := "zones: [{name: 2.0.192.in-addr.arpa, secondary: PRIMARY}, {name: 100.51.198.in-addr.arpa, secondary: PRIMARY}, {name: own.example}]"
	l := newFleet(t, testZones, follows)
	await(t, func() bool {
		return len(l.secondary.follower.States()) == 2 && l.secondary.Status().Counts[HealthOK] == 3
	})

	// The client of a transfer is known although it is not notified.
	var z *ZoneStatus
	await(t, func() bool { // the end of the transfer is noticed here later than there
		z = l.primary.one(t, "192.0.2.1")
		return len(z.Detail.Secondaries) > 0
	})
	if d := z.Detail; len(d.Secondaries) != 1 || d.Secondaries[0].Kind != "axfr" || d.Secondaries[0].TransferredOf != z.Serial || d.Secondaries[0].Address.Port() != 0 {
		t.Errorf("%+v", d.Secondaries)
	}
	if d := z.Detail; d.Prefix.String() != "192.0.2.0/24" || !strings.HasSuffix(d.Owner, "(zones[0])") || d.LastChange.Serial != z.Serial || fmt.Sprint(d.Transfers) != "[127.0.0.1]" || z.Health != HealthOK {
		t.Errorf("%+v", d)
	}
	copied := l.secondary.one(t, "192.0.2.1")
	if d := copied.Detail; len(d.Primaries) != 1 || d.Primaries[0] != (ServerSerial{Address: l.primary.dns, Serial: z.Serial}) || len(d.Events) != 2 || !strings.Contains(d.Events[1].What, "expires") {
		t.Errorf("%+v", d)
	}

	config := strings.Replace(l.primaryConfig(), "ptr: {192.0.2.1: a.", "transfer: {allow: 127.0.0.1, notify: [\""+l.secondary.dns+"\"]}, ptr: {192.0.2.1: b.", 1)
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	config = strings.Replace(config, "198.51.100.0/24", fmt.Sprintf("198.51.100.0/24, transfer: {allow: 127.0.0.1, notify: [%q]}", silent.LocalAddr()), 1)
	replace(t, filepath.Join(l.primary.dir, "config.yaml"), config)
	if o := l.primary.reload(t); !o.OK() {
		t.Fatalf("%+v", o)
	}
	notified := func(what, wait string) Notified {
		t.Helper()
		v, err := l.primary.notifyNow(t.Context(), url.Values{"what": {what}, "wait": {wait}})
		if err != nil {
			t.Fatal(err)
		}
		return v.(Notified)
	}
	n := notified("192.0.2.0/24", patience.String())
	if len(n) != 1 || len(n[0].Secondaries) != 1 || !n[0].IsCurrent() || n[0].Serial == z.Serial {
		t.Fatalf("%+v", n)
	}
	if s := n[0].Secondaries[0]; s.Notify != notify.Answered || s.Serial != n[0].Serial {
		t.Errorf("%+v", s)
	}
	await(t, func() bool { // the end of the transfer is noticed here later than there
		s := l.primary.one(t, "192.0.2.0/24").Detail.Secondaries[0]
		return s.TransferredOf == n[0].Serial && s.Kind == "ixfr"
	})
	// One that does not answer costs no more than the time given.
	await(t, func() bool { // it may not be asked in that time
		if n = notified("198.51.100.1", "100ms"); len(n) != 1 || n[0].IsCurrent() {
			t.Fatalf("%+v", n)
		}
		return n[0].Secondaries[0].Error == "no answer in time"
	})
	// All zones: those without secondaries are left out.
	n = notified("", "100ms")
	var b strings.Builder
	if err := n.Print(&b); err != nil || len(n) != 2 || !strings.HasSuffix(b.String(), " of 2 zones with secondaries: all of them answered and have the current serial\n") {
		t.Errorf("%+v\n%s", n, &b)
	}
	if n = notified("one.example", "100ms"); len(n) != 1 || len(n[0].Secondaries) != 0 {
		t.Errorf("%+v", n)
	}

	// Checks of all secondary zones in a prefix, and of one.
	for what, want := range map[string]int{"0.0.0.0/0": 2, "192.0.2.0/24": 1} {
		v, err := l.secondary.refresh(t.Context(), url.Values{"what": {what}})
		if err != nil || len(v.(Refreshed)) != want {
			t.Fatalf("%s: %v, %v", what, v, err)
		}
		text, err := json.Marshal(v)
		var again Refreshed
		if err == nil {
			err = json.Unmarshal(text, &again)
		}
		if err != nil || len(again) != want || again[0].Serial == 0 || !strings.HasPrefix(string(text), "[") {
			t.Errorf("%s: %s, %v", what, text, err)
		}
	}
	if _, err := l.secondary.refresh(t.Context(), url.Values{"what": {"own.example"}}); err == nil || !strings.Contains(err.Error(), "no secondary zone of this server") {
		t.Errorf("%v", err)
	}
}

// TestStatusOfManyZones: the status of ten thousand zones in words costs what its lines cost, not what the
// zones cost, and the broken zone is among them.
func TestStatusOfManyZones(t *testing.T) {
	var b strings.Builder
	b.WriteString("listen: {dns: [\"127.0.0.1:0\"], admin: \"\"}\nstate_dir: state\ndefaults: {nameservers: ns1.example.com}\nzones:\n")
	for i := range 80 {
		fmt.Fprintf(&b, "  - {prefix: 10.%d.0.0/17}\n", i)
	}
	b.WriteString("  - {name: broken.example, file: none.zone}\n")
	l := start(t, shortDir(t), b.String())
	cost := func(q *StatusQuery) (s *Status, objects int, octets int) {
		objects = math.MaxInt
		for range 3 { // the rest of the process allocates too, at times
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var err error
			if s, err = l.status(t.Context(), q); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			objects = min(objects, int(after.Mallocs-before.Mallocs))
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return s, objects, len(text)
	}
	began := time.Now()
	s, objects, octets := cost(&StatusQuery{Worst: true, Limit: 100})
	t.Logf("%d objects, %d octets, %v", objects, octets, time.Since(began))
	if len(s.Zones) != 100 || s.Unlisted != 10141 || s.Zones[0].Zone != "broken.example." || s.Counts[HealthOK] != 10240 || s.Counts[HealthError] != 1 || !s.Broken {
		t.Errorf("%d zones, %d not listed, first %+v, counts %v, broken %v", len(s.Zones), s.Unlisted, s.Zones[0], s.Counts, s.Broken)
	}
	if objects > 5000 || octets > 64<<10 {
		t.Errorf("%d objects, %d octets", objects, octets)
	}
	began = time.Now()
	s, objects, octets = cost(&StatusQuery{What: "10.7.3.9"})
	t.Logf("of one zone: %d objects, %d octets, %v", objects, octets, time.Since(began))
	if len(s.Zones) != 1 || s.Zones[0].Zone != "3.7.10.in-addr.arpa." || s.Broken || objects > 5000 || octets > 8<<10 {
		t.Errorf("%+v: %d objects, %d octets", s.Zones, objects, octets)
	}
	if s, _, _ = cost(&StatusQuery{Healths: []Health{HealthError, HealthExpired}}); len(s.Zones) != 1 {
		t.Errorf("%d broken zones", len(s.Zones))
	}
	if s = l.Status(); len(s.Zones) != 10241 || s.Zones[0].Detail != nil {
		t.Errorf("%d zones", len(s.Zones))
	}
}

// TestTimesAreUTC: status prints the times of a server in another time zone as UTC.
func TestTimesAreUTC(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 30, 0, 0, time.FixedZone("", 3600))
	const want = "2026-01-02 02:30:00"
	secondary := &SecondaryStatus{Checked: &at, From: "192.0.2.53:53"}
	detail := &ZoneDetail{
		Sources: []ZoneSource{{Time: at}}, Events: []Event{{At: at}}, LastChange: &history.Line{At: at},
		Secondaries: []notify.Secondary{{Notify: notify.Answered, Answered: at, Transferred: at}},
	}
	for n, s := range map[int]*Status{
		3: {Ready: true, Started: at, Reload: ReloadStatus{At: at}, Zones: []ZoneStatus{{Secondary: secondary}}},
		6: {What: "192.0.2.1", Zones: []ZoneStatus{{Secondary: secondary, Detail: detail}}},
	} {
		var b strings.Builder
		if err := s.Print(&b); err != nil || strings.Count(b.String(), want) != n || strings.Contains(b.String(), "03:30") {
			t.Errorf("%v\n%s", err, &b)
		}
	}
}

// TestCertificates: a certificate is an error after its end and a warning shortly before, for its
// lifetime; neither makes the server unready.
func TestCertificates(t *testing.T) {
	day := 24 * time.Hour
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		lifetime, left time.Duration
		want           string
	}{
		{90 * day, 31 * day, ""},
		{90 * day, 13 * day, "warning"},
		{365 * day, 15 * day, ""},
		{6 * day, 3 * day, ""},
		{6 * day, day, "warning"},
		{90 * day, 0, "error"},
		{90 * day, -day, "error"},
	} {
		cert := certificate{"listen.tls", "ns1.pem", now.Add(c.left - c.lifetime), now.Add(c.left)}
		got := ""
		cert.addTo(func(name string, s finding.Severity, unready bool, format string, args ...any) {
			if got = s.String(); name != "certificate" || unready || !strings.Contains(fmt.Sprintf(format, args...), "listen.tls: the certificate ns1.pem expire") {
				t.Errorf("%s: "+format, append([]any{name}, args...)...)
			}
		}, now)
		if got != c.want {
			t.Errorf("%v left of %v: %q, want %q", c.left, c.lifetime, got, c.want)
		}
	}
	dir := shortDir(t)
	cert, key := certtest.New(t, dir, "ca").Issue("ns1", "ns1.example", -time.Hour)
	l := start(t, dir, fmt.Sprintf("listen: {dns: [\"127.0.0.1:0\"], tls: {addresses: [\"127.0.0.1:0\"], cert_file: %q, key_file: %q}}\nstate_dir: state\nzones: [{prefix: 192.0.2.0/24, nameservers: [ns.example.com]}]\n", cert, key))
	s := l.Status()
	if len(s.Conditions) != 1 || s.Conditions[0].Name != "certificate" || s.Conditions[0].Severity != finding.Error || !s.Broken {
		t.Errorf("%+v", s.Conditions)
	}
	if ready, why := l.isReady(); !ready {
		t.Error(why)
	}
}

// TestUnready: a server whose answers make no progress is not ready; other parts do not decide.
func TestUnready(t *testing.T) {
	l := start(t, shortDir(t), "listen: {dns: [\"127.0.0.1:0\"]}\nstate_dir: state\nzones: [{prefix: 192.0.2.0/24, nameservers: [ns.example.com]}]\n")
	d := new(Daemon)
	d.journal, d.server = l.journal, l.server
	d.state.Store(l.state.Load())
	d.stuck.Store(&[]string{"updates"})
	if ready, why := d.isReady(); !ready {
		t.Error(why)
	}
	d.stuck.Store(&[]string{"updates", partAnswers})
	if ready, why := d.isReady(); ready || why != "no progress of answers; the log says since when" {
		t.Errorf("%v, %q", ready, why)
	}
}

// TestRefusedNotify: a secondary that refuses NOTIFY is a warning about the zone, as long as it is
// notified.
func TestRefusedNotify(t *testing.T) {
	refuses, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer refuses.Close()
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := refuses.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			buf[2], buf[3] = buf[2]|0x80, byte(dns.RcodeNotAuth)
			if _, err := refuses.WriteToUDPAddrPort(buf[:n], from); err != nil {
				return
			}
		}
	}()
	const config = "listen: {dns: [\"127.0.0.1:0\"]}\nstate_dir: state\nzones: [{prefix: 192.0.2.0/24, nameservers: [ns.example.com]%s}]\n"
	dir := shortDir(t)
	l := start(t, dir, fmt.Sprintf(config, fmt.Sprintf(", transfer: {notify: [%q]}", refuses.LocalAddr())))
	await(t, func() bool { return l.Status().Counts[HealthWarning] == 1 })
	if z := l.Status().Zones[0]; z.Reason != "1 secondary server refused NOTIFY or did not answer" || l.Status().Broken {
		t.Errorf("%+v", z)
	}
	replace(t, filepath.Join(dir, "config.yaml"), fmt.Sprintf(config, ""))
	if l.reload(t); l.Status().Counts[HealthOK] != 1 {
		t.Errorf("a server that is no longer notified: %+v", l.Status().Zones)
	}
}
