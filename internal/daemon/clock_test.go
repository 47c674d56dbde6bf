package daemon

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// TestClockBehind: a server whose clock is behind what it wrote down says so once, serves,
// and counts its serials on.
func TestClockBehind(t *testing.T) {
	dir := shortDir(t)
	config := func(ptr string) string {
		return `
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: state
defaults: {nameservers: ns1.example.com}
zones: [{prefix: 192.0.2.0/24, ptr: {192.0.2.1: ` + ptr + `}}]
`
	}
	l := start(t, dir, config("a.example.com"))
	apex := dname.MustParse("2.0.192.in-addr.arpa.")
	z := l.zones.Set().Get(apex)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(l.log.String(), "system clock") {
		t.Errorf("the clock is right:\n%s", l.log)
	}
	// As if the process before had run a week from now.
	j, err := journal.Open(filepath.Join(dir, "state", journalName), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ahead := time.Now().Add(7 * 24 * time.Hour)
	later := z.WithSerial(zone.Serial(ahead.Unix()))
	err = j.Append(&zone.Batch{Source: "test", At: ahead.UnixMilli(), Changes: []zone.Change{{
		Zone: later, Apex: apex, Base: z, Steps: []zone.Step{{Changeset: zone.Diff(z, later, nil), At: ahead.UnixMilli()}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, config("b.example.com"))
	if n := strings.Count(l.log.String(), "the system clock is or was wrong"); n != 1 {
		t.Errorf("%d lines about the clock:\n%s", n, l.log)
	}
	if got := l.zones.Set().Get(apex).Serial(); got != later.Serial()+1 {
		t.Errorf("serial %d, want the next after %d", got, later.Serial())
	}
}
