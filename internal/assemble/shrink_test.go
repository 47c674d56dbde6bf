package assemble

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

// generated is a master file of so many records.
func generated(n int) string { return fmt.Sprintf("$GENERATE 1-%d a$ A 192.0.2.1\n", n) }

// TestMaxShrink: a change that removes too much of a zone is held back until it is
// confirmed or undone, and others go on.
func TestMaxShrink(t *testing.T) {
	var hosts strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&hosts, "10.0.%d.%d h%d.example\n", i/250, i%250, i)
	}
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - {name: large.example, file: large.zone}
  - {name: small.example, file: small.zone}
  - {name: off.example, file: off.zone, max_shrink: off}
  - {name: strict.example, file: strict.zone, max_shrink: 10%}
  - {prefix: 10.0.0.0/21, hosts: hosts}
-- large.zone --
`+generated(2000)+`-- small.zone --
`+generated(900)+`-- off.zone --
`+generated(2000)+`-- strict.zone --
`+generated(2000)+`-- hosts --
`+hosts.String())
	l.expect(l.reload().Findings, "")
	before := l.store.Set()
	held := func(p *Plan, want ...string) {
		t.Helper()
		var got []string
		for _, h := range p.Held {
			got = append(got, fmt.Sprintf("%v %d %d", h.Apex, h.Before, h.After))
			if l.store.Set().Get(h.Apex) != before.Get(h.Apex) {
				t.Errorf("zone %v is held and changed", h.Apex)
			}
		}
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Errorf("held are\n%s\nwant\n%s", g, w)
		}
	}
	// Half and more of it may stay.
	l.write("-- large.zone --\n" + generated(1001) + "-- small.zone --\n" + generated(1) + "-- off.zone --\n" + generated(1) + "-- strict.zone --\n" + generated(1801))
	held(l.reload())
	before = l.store.Set()

	rest, _, _ := strings.Cut(hosts.String(), "10.0.2.")
	l.write("-- large.zone --\n" + generated(498) + "-- strict.zone --\n" + generated(1500) + "-- hosts --\n" + rest)
	p := l.reload()
	held(p, "2.0.10.in-addr.arpa. 253 3", "3.0.10.in-addr.arpa. 253 3", "4.0.10.in-addr.arpa. 203 3",
		"large.example. 1004 501", "strict.example. 1804 1503")
	if len(p.Broken) != 5 || !p.Broken[3].LastGood {
		t.Errorf("broken are %+v", p.Broken)
	}
	const text = "large.zone: zone large.example. would go from 1004 records to 501, and max_shrink lets a change remove 50% at most, so the earlier content is still served; " +
		"check that the sources are complete, and if this is intended, run `ptrd reload --accept-shrink large.example.`"
	if got := l.text(p.Findings); !strings.Contains(got, "error: "+text+"\n") {
		t.Errorf("findings are\n%s", got)
	}
	// It stays held without being read again, and goes on when the file is as it was.
	if p = l.reload(); p.Reused != 5 || len(p.Held) != 5 {
		t.Errorf("%d items were reused, %d are held", p.Reused, len(p.Held))
	}
	l.write("-- strict.zone --\n" + generated(1801))
	l.how.MayShrink = func(apex dname.Name) bool { return apex.Equal(dname.MustParse("large.example.")) }
	p = l.reload()
	held(p, "2.0.10.in-addr.arpa. 253 3", "3.0.10.in-addr.arpa. 253 3", "4.0.10.in-addr.arpa. 203 3")
	if n := l.zone("large.example").Stats().Records; n != 501 {
		t.Errorf("%d records after the confirmation", n)
	}
	l.how.MayShrink = func(dname.Name) bool { return true }
	held(l.reload())
	l.how.MayShrink = nil
	held(l.reload())
	if n := l.zone("2.0.10.in-addr.arpa").Stats().Records; n != 3 {
		t.Errorf("%d records after the confirmation", n)
	}
}

// TestMaxShrinkAfterRestart: what a zone had is not kept over a restart, so that what
// there is now is served with a warning, once.
func TestMaxShrinkAfterRestart(t *testing.T) {
	var hosts strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&hosts, "10.0.%d.%d h%d.example\n", i/250, i%250, i)
	}
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - {name: large.example, file: large.zone}
  - {name: small.example, file: small.zone}
  - {name: off.example, file: large.zone, max_shrink: off}
  - {prefix: 10.0.0.0/21, hosts: hosts}
-- large.zone --
`+generated(2000)+`-- small.zone --
`+generated(900)+`-- hosts --
`+hosts.String())
	l.expect(l.reload().Findings, "")
	l.restart()
	l.expect(l.reload().Findings, "")
	rest, _, _ := strings.Cut(hosts.String(), "10.0.1.")
	l.write("-- large.zone --\n" + generated(10) + "-- small.zone --\n" + generated(1) + "-- hosts --\n" + rest)
	l.restart()
	l.expect(l.reload().Findings, `
		warning: hosts: 10.0.0.0/21 had 1224 records when it was served last and has 274 now; the earlier content is not kept over a restart, so the new one is served; check that its sources are complete
		warning: large.zone: zone large.example. had 2003 records when it was served last and has 13 now; the earlier content is not kept over a restart, so the new one is served; check that its sources are complete
	`)
	if n := l.zone("large.example").Stats().Records; n != 13 {
		t.Errorf("%d records are served", n)
	}
	l.restart()
	l.expect(l.reload().Findings, "")
}
