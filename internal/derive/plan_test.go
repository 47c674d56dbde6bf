package derive

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// The batch of a plan has the names of zones that are not built again, and of forward zones that
// changed after the plan saw them.
func TestPlan(t *testing.T) {
	cfg, err := config.Parse("ptrd.yaml", []byte("defaults: {nameservers: [ns.example.], derive: [example.net, example.org]}\nzones: [{prefix: 192.0.2.0/24}, {prefix: 192.0.3.0/24}]"))
	if err != nil {
		t.Fatal(err)
	}
	const here, there = "2.0.192.in-addr.arpa.", "3.0.192.in-addr.arpa."
	// host returns a forward zone with a host in both prefixes.
	host := func(apex string, last byte) *zone.Zone {
		return (&modelZone{apex: apex, sets: map[modelKey]map[string]uint32{
			{"a." + apex, rr.TypeA}: {string([]byte{192, 0, 2, last}): 60, string([]byte{192, 0, 3, last}): 60},
		}}).build(t, uint32(last))
	}
	d := New(Options{})
	w, r := commit.New(commit.Options{Derive: []commit.Stage{d.Stage}}), NewRules(cfg, nil)
	// serve publishes forward zones, of which the plan sees the first only, and builds reverse zones.
	serve := func(forward []*zone.Zone, built ...string) {
		t.Helper()
		_, err := w.Commit(commit.Request{
			Propose: func(set *zone.Set) (*zone.Batch, error) {
				b, p := &zone.Batch{}, d.NewPlan(r, set)
				add := func(z *zone.Zone) {
					b.Changes = append(b.Changes, zone.Change{Zone: z, Apex: z.Apex(), Base: set.Get(z.Apex())})
				}
				for _, z := range forward {
					add(z)
				}
				for _, apex := range built {
					static := (&modelZone{apex: apex}).build(t, 1)
					index, err := p.Layer(set.With(forward[:1], nil), static, nil)
					if err != nil {
						return nil, err
					}
					z, err := commit.Merge(zone.Layers{Static: static, Derived: index}, nil, nil)
					if err != nil {
						return nil, err
					}
					add(z)
				}
				p.Complete(b)
				return b, nil
			},
			Show: func(*zone.Set) { d.SetRules(r) },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, apex := range []string{here, there} {
			want := map[string]string{}
			for z := range w.Set().All() {
				for record := range z.All() {
					if record.Type == rr.TypeA && apex == dname.FromAddr(netip.AddrFrom4([4]byte(record.Data))).Parent().String() {
						want[dname.FromAddr(netip.AddrFrom4([4]byte(record.Data))).String()] = record.Owner.String()
					}
				}
			}
			got := map[string]string{}
			for record := range w.Set().Get(dname.MustParse(apex)).All() {
				if record.Type == rr.TypePTR {
					got[record.Owner.String()] = dname.Name(record.Data).String()
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) || len(want) == 0 {
				t.Errorf("%s: %v, want %v", apex, got, want)
			}
		}
	}
	serve([]*zone.Zone{host("example.net.", 1)}, here, there)
	serve([]*zone.Zone{host("example.net.", 2), host("example.org.", 3)}, here)
	serve([]*zone.Zone{host("example.net.", 4)})
	serve([]*zone.Zone{host("example.net.", 5), host("example.org.", 6)}, there, here)
}
