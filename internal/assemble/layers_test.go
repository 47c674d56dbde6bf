package assemble

import "testing"

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
