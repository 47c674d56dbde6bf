package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/certtest"
	"github.com/ptrd/ptrd/internal/update"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/infile"
)

// observable returns all that a failed reload must leave as it is.
func (l *lab) observable(t *testing.T, ca string) string {
	t.Helper()
	cn, err := l.shown(t, ca, "ns1.example")
	if err != nil {
		t.Fatal(err)
	}
	view, s := l.views.Load(), l.Status()
	zones, err := json.Marshal(s.Zones[1:]) // without the one that was just asked for
	if err != nil {
		t.Fatal(err)
	}
	n, used := view.Policy.RateLimit.Buckets(0)
	logged := 0 // each finding of the active configuration is logged once
	for line := range strings.Lines(l.log.String()) {
		if strings.Contains(line, "msg=finding") && strings.Contains(line, "file.zone") {
			logged++
		}
	}
	return fmt.Sprintf("listeners %v %v %v, certificate %s, level %v, zones %s, held %v, buckets %d %d, findings logged %d",
		s.Listen, s.TLS, s.Admin, cn, l.level.Level(), zones, s.Held, n, used, logged)
}

// query asks a question n times over UDP.
func (l *lab) query(t *testing.T, name string, n int) {
	t.Helper()
	for range n {
		m := new(dns.Msg)
		m.SetQuestion(name, dns.TypeSOA)
		if _, _, err := (&dns.Client{Timeout: patience}).Exchange(m, l.dns); err != nil {
			t.Fatal(err)
		}
	}
}

// A reload that fails, at whatever point, leaves all that can be observed as it is, says
// so, and the next one goes on with the counters of zones. What fails after the
// configuration is active is a warning, and the reload is none that failed.
func TestFailedReloads(t *testing.T) {
	dir := shortDir(t)
	ca := certtest.New(t, dir, "ca")
	ca.Issue("ns1", "ns1.example", time.Hour)
	ca.Issue("other", "ns1.example", time.Hour)
	const head = `
listen: {dns: ["127.0.0.1:0"], admin: "127.0.0.1:0", tls: {addresses: ["127.0.0.1:0"], cert_file: CERT.pem, key_file: CERT.key}}
state_dir: ./state
defaults: {nameservers: [ns1.example.com]}
zones:
  - {prefix: 192.0.2.0/24}
`
	good := "metrics: {per_zone: true}\nrate_limit: {enabled: true, responses_per_second: 1000}" + strings.ReplaceAll(head, "CERT", "ns1") + `
  - {name: dynamic.example, dynamic: , update: [127.0.0.1]}
  - {name: file.example, file: file.zone, update: [127.0.0.1]}
`
	bad := "log: {level: debug}" + strings.ReplaceAll(head, "CERT", "other") + `
  - {name: file.example, file: file.zone, update: [127.0.0.1], dynamic_lifetime: 1h}
  - {name: new.example}
`
	replace(t, filepath.Join(dir, "file.zone"), "a 60 TXT 1\na 61 TXT 2\nb 60 CNAME c\nc 60 CNAME b\n")
	fs := &explosive{over: "file.zone"}
	l := startWith(t, dir, good, Options{Files: &infile.Files{System: fs}})
	path, journal := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "state", journalName)
	if l.update(t, "dynamic.example.", "a") != dns.RcodeSuccess || l.update(t, "file.example.", "u") != dns.RcodeSuccess {
		t.Fatal("updates refused")
	}
	l.query(t, "file.example.", 3)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	await(t, func() bool { return strings.Contains(l.observable(t, ca.File), `"queries":`) })
	before := l.observable(t, ca.File)
	for _, c := range []struct {
		point, text string
		begin, end  func()
		want        string
	}{
		{point: "configuration", text: bad + "more: 1\n", want: "more"},
		{point: "policy", text: bad + "cookies: {secrets: [aa]}\n", want: "cookies"},
		{point: "listeners", text: strings.Replace(bad, `"127.0.0.1:0"]`, fmt.Sprintf(`"127.0.0.1:0", %q]`, taken.Addr()), 1), want: "listen"},
		{point: "sources", text: bad, begin: func() { fs.armed.Store(true) }, end: func() { fs.armed.Store(false) }, want: "internal error"},
		{point: "journal", text: bad, begin: func() {
			if err := os.Rename(journal, journal+".away"); err != nil {
				t.Fatal(err)
			}
			replace(t, journal, "a backup")
		}, end: func() {
			if err := os.Rename(journal+".away", journal); err != nil {
				t.Fatal(err)
			}
		}, want: "cannot be written to the journal"},
	} {
		if c.begin != nil { // before the watcher can find the configuration
			c.begin()
		}
		replace(t, path, c.text)
		o := l.reload(t)
		var b strings.Builder
		if err := o.Print(&b); err != nil {
			t.Fatal(err)
		}
		if o.InForce || !strings.Contains(b.String(), c.want) || !strings.Contains(b.String(), "reload failed: keeping the running configuration") {
			t.Errorf("%s: %s", c.point, &b)
		}
		if after := l.observable(t, ca.File); after != before {
			t.Errorf("%s:\nbefore %s\nafter  %s", c.point, before, after)
		}
		if c.end != nil {
			replace(t, path, good)
			l.reload(t) // after all of those that read the other configuration
			c.end()
		}
	}
	// The good configuration goes on with the counters.
	await(t, func() bool { return l.Status().Journal == nil })
	if o := l.reload(t); !o.OK() || len(o.Changed) != 0 {
		t.Errorf("%+v", o)
	}
	zones := func() string { s := l.observable(t, ca.File); return s[strings.Index(s, "zones ["):] }
	if got, want := zones(), before[strings.Index(before, "zones ["):]; got != want {
		t.Errorf("zones after all:\n%s\nwant %s", got, want)
	}

	// What fails after the data are served is reported as that.
	l.updater = update.New(update.Options{Store: l.zones, Notes: noNotes{}, Log: l.Daemon.log})
	replace(t, path, bad)
	o := l.reload(t)
	var b strings.Builder
	if err := o.Print(&b); err != nil {
		t.Fatal(err)
	}
	if !o.InForce || !strings.Contains(b.String(), "warning: read how long records of zone file.example. live: cannot be read") || !strings.Contains(b.String(), "zone new.example.: added") {
		t.Errorf("after the reload: %s", &b)
	}
	if l.zones.Set().Get(dname.MustParse("new.example")) == nil {
		t.Error("not served")
	}
}

// noNotes cannot read notes.
type noNotes struct{}

func (noNotes) Notes(dname.Name, string) ([]zone.Note, error) {
	return nil, errors.New("cannot be read")
}

func (noNotes) SetNotes(dname.Name, []zone.Note) error { return nil }
