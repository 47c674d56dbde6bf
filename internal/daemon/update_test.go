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
	if err := l.dump(apex, &b); err != nil {
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
