package assemble

import (
	"fmt"
	"strings"
	"testing"
)

// A change larger than the zone carries no changeset: the history begins anew there.
// It is served all the same, and the next small change has one again.
func TestChangeLargerThanTheZone(t *testing.T) {
	text := func(target string) string {
		var b strings.Builder
		b.WriteString("-- large.zone --\n")
		for i := range 5000 {
			fmt.Fprintf(&b, "%d.%d PTR h%d.%s\n", i%250+1, i/250, i, target)
		}
		return b.String()
	}
	l := newLab(t, "-- ptrd.yaml --\nzones: [{prefix: 10.1.0.0/16, file: large.zone, max_shrink: off}]\n"+text("a.example.com."))
	l.reload()
	for _, step := range []struct {
		text    string
		removed int // without the SOA; -1: there is no changeset
	}{
		{text("b.example.com."), -1},
		{strings.Replace(text("b.example.com."), "h77.b", "other.b", 1), 1},
		{"-- large.zone --\n1.1 PTR alone.example.com.\n", -1},
	} {
		before := l.serial("1.10.in-addr.arpa")
		l.write(step.text)
		p := l.reload()
		if len(p.Batch.Changes) != 1 || !before.Before(l.serial("1.10.in-addr.arpa")) {
			t.Fatalf("changed %s, serial %d after %d", changed(p), l.serial("1.10.in-addr.arpa"), before)
		}
		steps := p.Batch.Changes[0].Steps
		switch {
		case step.removed < 0 && len(steps) != 0:
			t.Errorf("%d steps of a change larger than the zone", len(steps))
		case step.removed >= 0 && (len(steps) != 1 || len(steps[0].Changeset.Removed) != step.removed+1):
			t.Errorf("%+v, want one step that removes %d and the SOA", steps, step.removed)
		}
	}
}
