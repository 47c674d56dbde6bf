package daemon

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

// updating is a configuration with a dynamic zone and one from a file.
const updating = `
listen: {dns: ["127.0.0.1:0"]}
state_dir: ./state
defaults: {nameservers: [ns1.example.com]}
zones:
  - {name: dynamic.example, dynamic: , update: [127.0.0.1]}
  - {name: file.example, file: file.zone, update: [127.0.0.1]}
`

// dumped returns a zone as `ptrd dump` prints it.
func (l *lab) dumped(t *testing.T, apex string) string {
	t.Helper()
	var b bytes.Buffer
	if err := l.dump(&DumpQuery{What: apex}, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Updates by several clients go on while the file of one of the zones changes again
// and again. Whatever was acknowledged is there: after each reload, beside the newest
// content of the file, and after a restart, with the same serial.
func TestUpdatesUnderReloads(t *testing.T) {
	dir := shortDir(t)
	file := filepath.Join(dir, "file.zone")
	generation := func(n int) {
		replace(t, file, fmt.Sprintf("generation 60 TXT %d\nstatic-%d 60 TXT x\n", n, n))
	}
	generation(0)
	l := start(t, dir, updating)
	var done atomic.Bool
	var clients sync.WaitGroup
	var mu sync.Mutex
	acknowledged := map[string][]string{} // owners by apex
	for i := range 4 {
		clients.Go(func() {
			c := dns.Client{Timeout: patience, Net: []string{"udp", "tcp"}[i%2]}
			for n := 0; !done.Load(); n++ {
				apex := []string{"dynamic.example.", "file.example."}[n%2]
				owner := fmt.Sprintf("u%d-%d.%s", i, n, apex)
				m := new(dns.Msg)
				m.SetUpdate(apex)
				record, err := dns.NewRR(owner + " 60 TXT y")
				if err != nil {
					t.Error(err)
					return
				}
				m.Insert([]dns.RR{record})
				r, _, err := c.Exchange(m, l.dns)
				if err != nil || r.Rcode != dns.RcodeSuccess {
					t.Errorf("update of %s: %v %v", owner, err, r)
					return
				}
				mu.Lock()
				acknowledged[apex] = append(acknowledged[apex], owner)
				mu.Unlock()
			}
		})
	}
	// Somebody tries to delete what the file is about to have. Between the moment when
	// that is served and the one when updates know that it is the file's, none gets in.
	var current atomic.Int64
	clients.Go(func() {
		c := dns.Client{Timeout: patience, Net: "tcp"}
		for !done.Load() {
			m := new(dns.Msg)
			m.SetUpdate("file.example.")
			m.RemoveRRset([]dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: fmt.Sprintf("static-%d.file.example.", current.Load()), Rrtype: dns.TypeTXT}}})
			if _, _, err := c.Exchange(m, l.dns); err != nil {
				t.Error(err)
				return
			}
		}
	})
	const reloads = 30
	for n := 1; n <= reloads; n++ {
		current.Store(int64(n))
		generation(n)
		if o := l.reload(t); !o.OK() {
			t.Fatalf("reload %d: %+v", n, o)
		}
		if text := l.dumped(t, "file.example."); !strings.Contains(text, fmt.Sprintf("static-%d.file.example. 60 IN TXT \"x\" ; from the sources\n", n)) {
			t.Fatalf("after reload %d:\n%s", n, text)
		}
	}
	done.Store(true)
	clients.Wait()
	before := map[string]string{}
	for apex, owners := range acknowledged {
		before[apex] = l.dumped(t, apex)
		if len(owners) < reloads {
			t.Errorf("%s: only %d updates", apex, len(owners))
		}
		for _, owner := range owners {
			want := owner + ` 60 IN TXT "y"`
			if apex == "file.example." {
				want += " ; by update"
			}
			if !strings.Contains(before[apex], want+"\n") {
				t.Errorf("%s was acknowledged and is not there", owner)
			}
		}
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, updating)
	for apex, want := range before {
		if got := l.dumped(t, apex); got != want {
			t.Errorf("%s after a restart:\n%s\nwant\n%s", apex, got, want)
		}
	}
}

// Why an update was refused reaches a client that sent EDNS, and the log.
func TestRefusalOfUpdate(t *testing.T) {
	dir := shortDir(t)
	replace(t, filepath.Join(dir, "file.zone"), "generation 60 TXT 1\n")
	l := start(t, dir, updating)
	defer func() { l.stop() }()
	record := func(text string) dns.RR {
		r, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		apex string
		edit func(*dns.Msg)
		code uint16
		text string
	}{
		{"file.example.", func(m *dns.Msg) { m.RemoveRRset([]dns.RR{record("generation.file.example. 0 TXT 1")}) },
			dns.ExtendedErrorCodeProhibited, "TXT at generation.file.example. comes from the sources of the zone, which no update changes; change it there"},
		{"other.example.", func(m *dns.Msg) {}, dns.ExtendedErrorCodeNotAuthoritative, "zone other.example. is not served"},
		{"dynamic.example.", func(m *dns.Msg) { m.Insert([]dns.RR{record("a.other.example. 60 TXT x")}) },
			dns.ExtendedErrorCodeOther, "a.other.example. is not in zone dynamic.example."},
		{"dynamic.example.", func(m *dns.Msg) { m.NameUsed([]dns.RR{record("a.dynamic.example. 0 TXT x")}) },
			dns.ExtendedErrorCodeOther, "a.dynamic.example. is not in use"},
	} {
		m := new(dns.Msg)
		m.SetUpdate(c.apex)
		c.edit(m)
		for _, edns := range []bool{false, true} {
			if edns {
				m.SetEdns0(1232, false)
			}
			got, _, err := (&dns.Client{Timeout: patience}).Exchange(m, l.dns)
			if err != nil {
				t.Fatal(err)
			}
			var ede *dns.EDNS0_EDE
			if o := got.IsEdns0(); o != nil {
				for _, option := range o.Option {
					ede, _ = option.(*dns.EDNS0_EDE)
				}
			}
			if (ede != nil) != edns || edns && (ede.InfoCode != c.code || ede.ExtraText != c.text) {
				t.Errorf("%s: %v, want %d %q", c.apex, ede, c.code, c.text)
			}
		}
	}
	// Those that follow are counted there.
	if want := "comes from the sources of the zone"; !strings.Contains(l.log.String(), want) {
		t.Errorf("the log has no %q", want)
	}
}
