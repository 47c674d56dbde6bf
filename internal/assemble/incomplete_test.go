package assemble

import (
	"github.com/ptrd/ptrd/zone/infile"
	"path/filepath"
	"slices"
	"testing"
)

// TestUnfinishedFiles: a file that is being written is not read, wherever it is named,
// and the other zones go on. The zone is read when it is complete.
func TestUnfinishedFiles(t *testing.T) {
	const zones = `
-- ptrd.yaml --
zones:
  - {name: a.example, file: [a.zone, more.zone]}
  - {name: b.example, file: b.zone}
  - {name: c.example, file: c.zone}
  - {prefix: 192.0.2.0/24, hosts: hosts}
`
	l := newLab(t, zones+`
-- a.zone --
www TXT one
$INCLUDE part
-- more.zone --
mail TXT one
-- part --
part TXT one
-- b.zone --
www TXT one
-- c.zone --
www TXT one
-- hosts --
192.0.2.1 one.example
`)
	unfinished := map[string]bool{}
	l.how.IsComplete = func(_ *infile.Task, path string) bool { return !unfinished[filepath.Base(path)] }
	l.expect(l.reload().Findings, "")
	before := l.store.Set()
	changed := func(p *Plan, names, zones []string) {
		t.Helper()
		var files, apexes []string
		for _, f := range p.Unfinished {
			files = append(files, filepath.Base(f))
			if !slices.Contains(p.Watch, f) {
				t.Errorf("%s is not watched", f)
			}
		}
		for _, c := range p.Batch.Changes {
			apexes = append(apexes, c.Apex.String())
		}
		if !slices.Equal(files, names) || !slices.Equal(apexes, zones) {
			t.Errorf("unfinished are %q, want %q; changed %q, want %q", files, names, apexes, zones)
		}
	}
	for _, name := range []string{"a.zone", "more.zone", "part", "hosts"} {
		unfinished[name] = true
	}
	l.write("-- a.zone --\n-- more.zone --\nwww TXT half\n-- part --\npart TXT half\n-- hosts --\n-- b.zone --\nwww TXT two\n")
	p := l.reload()
	l.expect(p.Findings, "")
	changed(p, []string{"a.zone", "hosts", "more.zone", "part"}, []string{"b.example."})
	if l.store.Set().Get(before.Get(l.zone("a.example").Apex()).Apex()) != before.Get(l.zone("a.example").Apex()) {
		t.Error("zone a.example changed")
	}

	// A file that the configuration names from now on is waited for as well, and a zone
	// with old data goes on with them.
	clear(unfinished)
	unfinished["d.zone"] = true
	l.write("-- a.zone --\nwww TXT two\n$INCLUDE d.zone\n-- hosts --\n192.0.2.1 two.example\n-- d.zone --\nwww TXT half\n")
	l.write(zones + "  - {name: d.example, file: d.zone}\n")
	p = l.reload()
	changed(p, []string{"d.zone"}, []string{"2.0.192.in-addr.arpa.", "d.example."})
	l.expect(p.Findings, `
		error: d.zone: the file is still being written, so that zones[4] is not served from it yet; it is read when it is closed, or with `+"`ptrd reload`"+`
	`)
	if len(p.Broken) != 1 || p.Broken[0].LastGood || l.zone("d.example").IsAvailable() {
		t.Errorf("broken are %+v", p.Broken)
	}

	// Who asks for a reload gets what is there.
	l.how.IsComplete = nil
	p = l.reload()
	changed(p, nil, []string{"a.example.", "d.example."})
	l.expect(p.Findings, "")
	if !l.zone("d.example").IsAvailable() {
		t.Error("zone d.example is not available")
	}
}

// TestChangedWhileRead: what changes while it is read is not used.
func TestChangedWhileRead(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - {name: a.example, file: [b.zone, a.zone]}
-- a.zone --
www TXT one
-- b.zone --
mail TXT one
`)
	l.reload()
	before := l.zone("a.example")
	l.write("-- a.zone --\nwww TXT two\n-- b.zone --\nmail TXT two\n")
	asked := 0
	l.how.IsComplete = func(_ *infile.Task, path string) bool {
		if filepath.Base(path) == "b.zone" {
			if asked++; asked == 3 { // both were read
				l.write("-- a.zone --\nwww TXT three\n")
			}
		}
		return true
	}
	p := l.reload()
	if l.zone("a.example") != before || len(p.Unfinished) == 0 {
		t.Fatalf("after %d questions unfinished are %q", asked, p.Unfinished)
	}
	l.how.IsComplete = func(*infile.Task, string) bool { return true }
	if p = l.reload(); l.zone("a.example") == before || p.Unfinished != nil {
		t.Errorf("unfinished are %q", p.Unfinished)
	}
}
