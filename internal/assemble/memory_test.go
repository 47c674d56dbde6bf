package assemble

import (
	"fmt"
	"strings"
	"testing"
)

// TestZoneMemory: a zone that takes more memory than it may keeps what it has, its
// records are not collected further, and others are loaded.
func TestZoneMemory(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
limits: {zone_memory: 1048576}
zones:
  - {name: a.example, file: a.zone}
  - {name: b.example, file: b.zone}
-- a.zone --
www TXT there
-- b.zone --
www TXT there
`)
	l.expect(l.reload().Findings, "")
	before := l.zone("a.example")
	var text strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&text, "n%d TXT number%d\n", i, i)
	}
	l.write("-- a.zone --\n" + text.String() + "-- b.zone --\nwww TXT others\n")
	p := l.reload()
	l.expect(p.Findings, "error: ptrd.yaml:6:5: zones[0]: the zone takes more than 1048576 octets of memory while it is loaded; remove what is not meant to be in its sources, or raise `limits.zone_memory`")
	if len(p.Broken) != 1 || !p.Broken[0].LastGood || l.zone("a.example") != before {
		t.Errorf("broken are %+v", p.Broken)
	}
	if p := l.reload(); p.Reused != 2 {
		t.Errorf("%d zones are as they were", p.Reused)
	}
	l.write("-- ptrd.yaml --\nzones:\n  - {name: a.example, file: a.zone}\n  - {name: b.example, file: b.zone}\n")
	l.expect(l.reload().Findings, "")
	if got := l.zone("a.example").Stats().Names; got != 50_001 {
		t.Errorf("%d names", got)
	}
}
