package assemble

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// A zone gets a static layer when it begins to accept updates, and loses it when it no
// longer does or has no sources any more. Its data stay, so that its history does not change.
func TestLayersFollowConfiguration(t *testing.T) {
	const apex = "2.0.192.in-addr.arpa."
	const item = "zones: [{prefix: 192.0.2.0/24, ptr: {192.0.2.1: a.example}"
	const rules = ", update: [{from: [127.0.0.1]}]"
	l := newLab(t, "-- ptrd.yaml --\n"+item+"}]\n")
	l.reload()
	serial := l.zone(apex).Serial()
	for _, c := range []struct {
		what, yaml string
		layered    bool
	}{
		{"rules", item + rules + "}]\n", true},
		{"rules again", item + rules + "}]\n", true},
		{"no rules", item + "}]\n", false},
		{"rules once more", item + rules + "}]\n", true},
	} {
		l.now++
		l.write("-- ptrd.yaml --\n" + c.yaml)
		before := l.zone(apex)
		p := l.reload()
		z := l.zone(apex)
		if len(p.Batch.Changes) > 0 || z.Serial() != serial || z.Digest() != before.Digest() {
			t.Errorf("%s: the data changed: %v", c.what, p.Batch.Changes)
		}
		if got := z.Layers().Static != nil; got != c.layered {
			t.Errorf("%s: has a static layer: %v", c.what, got)
		}
		if c.what == "rules again" && (z != before || p.Reused != 1) {
			t.Errorf("%s: the zone was built again", c.what)
		}
		if p := l.plan(); p.Reused != 1 || len(p.Batch.Layers) != 0 {
			t.Errorf("%s: the next plan reads the zone again", c.what)
		}
	}
}

// A zone is complete before its serial is decided: the derived layer follows from the forward
// zones of the same plan, static data have precedence, and a restart changes nothing.
func TestDerivedLayerInPlan(t *testing.T) {
	const apex = "2.0.192.in-addr.arpa."
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - {prefix: 192.0.2.0/24, ptr: {192.0.2.1: static.example}, derive: [fwd.example]}
  - {name: fwd.example, file: fwd.zone}
-- fwd.zone --
a A 192.0.2.1
b A 192.0.2.2
`)
	calls := 0
	l.how.Derive = func(zones *zone.Set, static *zone.Zone, pause func()) (*zone.Zone, error) {
		calls++
		fwd := zones.Get(dname.MustParse("fwd.example."))
		if fwd == nil || static.Apex().String() != apex || static.Layers().Static != nil {
			t.Fatalf("derive for %v of %v", static.Apex(), fwd)
		}
		return commit.NewLayer(static.Apex(), func(yield func(zone.Record) bool) {
			for r := range fwd.All() {
				address, _ := netip.AddrFromSlice(r.Data)
				if r.Type == rr.TypeA && !yield(zone.Record{Owner: dname.FromAddr(address), Type: rr.TypePTR, TTL: r.TTL, Data: r.Owner.Clone()}) {
					return
				}
			}
		}, pause)
	}
	holds := func(what string, want ...string) {
		t.Helper()
		var got []string
		for r := range l.zone(apex).All() {
			if r.Type == rr.TypePTR {
				got = append(got, strings.TrimSuffix(r.Owner.String(), "."+apex)+" "+dname.Name(r.Data).String())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	l.reload()
	serial := l.serial(apex)
	holds("at the start", "1 static.example.", "2 b.fwd.example.")
	l.now += 100
	if p := l.plan(); len(p.Batch.Changes) > 0 || p.Reused != 2 || calls != 1 {
		t.Errorf("the second plan changes %v; %d reused, %d calls", p.Batch.Changes, p.Reused, calls)
	}
	l.restart()
	l.reload()
	holds("after a restart", "1 static.example.", "2 b.fwd.example.")
	if l.serial(apex) != serial {
		t.Errorf("serial %d after a restart, was %d", l.serial(apex), serial)
	}

	// Both change in one plan.
	l.write("-- fwd.zone --\na A 192.0.2.1\nc A 192.0.2.3\n-- ptrd.yaml --\nzones:\n  - {prefix: 192.0.2.0/24, derive: [fwd.example]}\n  - {name: fwd.example, file: fwd.zone}\n")
	p := l.reload()
	holds("after a change of both", "1 a.fwd.example.", "3 c.fwd.example.")
	i := slices.IndexFunc(p.Batch.Changes, func(c zone.Change) bool { return c.Apex.String() == apex })
	if steps := p.Batch.Changes[i].Steps; len(steps) != 1 || len(steps[0].Changeset.Added) != 3 || len(steps[0].Changeset.Removed) != 3 {
		t.Errorf("steps %+v", steps)
	}

	// A zone that is no longer derived is built again, and one that begins to.
	for _, derive := range []string{"", ", derive: [fwd.example]"} {
		l.write("-- ptrd.yaml --\nzones:\n  - {prefix: 192.0.2.0/24, ptr: {192.0.2.9: s.example}" + derive + "}\n  - {name: fwd.example, file: fwd.zone}\n")
		l.reload()
		if has := l.zone(apex).Layers().Derived != nil; has != (derive != "") {
			t.Errorf("derive %q: %v", derive, has)
		}
	}
	holds("after it began again", "1 a.fwd.example.", "3 c.fwd.example.", "9 s.example.")
}

// Many derived records do not hide that the sources of a zone lose most of theirs.
func TestDerivedLayerShrinks(t *testing.T) {
	const apex = "0.10.in-addr.arpa."
	static := func(n int) string {
		return fmt.Sprintf("-- rev.zone --\n$ORIGIN 5.%s\n$GENERATE 1-%d $ PTR h.example.\n", apex, n)
	}
	l := newLab(t, "-- ptrd.yaml --\nzones:\n  - {prefix: 10.0.0.0/16, file: rev.zone, derive: [fwd.example]}\n  - {name: fwd.example}\n"+static(1200))
	l.how.Derive = func(_ *zone.Set, static *zone.Zone, pause func()) (*zone.Zone, error) {
		return commit.NewLayer(static.Apex(), func(yield func(zone.Record) bool) {
			for i := range 5000 {
				address := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				if !yield(zone.Record{Owner: dname.FromAddr(address), Type: rr.TypePTR, TTL: 60, Data: dname.MustParse("d.example.")}) {
					return
				}
			}
		}, pause)
	}
	l.reload()
	l.write(static(700))
	if p := l.reload(); len(p.Held) != 0 {
		t.Errorf("held are %v", p.Held)
	}
	l.write(static(1200))
	l.reload()
	l.write(static(3))
	if p := l.reload(); len(p.Held) != 1 || p.Held[0].After > 10 {
		t.Errorf("held are %v", p.Held)
	}
	if p := l.plan(); len(p.Held) != 1 {
		t.Errorf("held are %v", p.Held)
	}
}
