package derive

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// planTest serves zones by plans, and compares the PTRs with the addresses.
type planTest struct {
	*testing.T
	d *Deriver
	w *commit.Writer
	r *Rules
}

const (
	planHere, planThere = "2.0.192.in-addr.arpa.", "3.0.192.in-addr.arpa."
	planFrom            = "[example.net, example.org]"
)

func newPlanTest(t *testing.T) *planTest {
	d := New(Options{})
	p := &planTest{T: t, d: d, w: commit.New(commit.Options{Stages: []commit.Stage{d.Stage}})}
	p.setFrom(planFrom)
	return p
}

// setFrom has later plans derive names from other zones.
func (p *planTest) setFrom(from string) {
	p.Helper()
	cfg, err := config.Parse("ptrd.yaml", []byte("defaults: {nameservers: [ns.example.], derive: "+from+"}\nzones: [{prefix: 192.0.2.0/24}, {prefix: 192.0.3.0/24}]"))
	if err != nil {
		p.Fatal(err)
	}
	p.r = NewRules(cfg, nil)
}

// host returns a forward zone with a host in both prefixes.
func (p *planTest) host(apex string, last byte) *zone.Zone {
	return (&modelZone{apex: apex, sets: map[modelKey]map[string]uint32{
		{"a." + apex, rr.TypeA}: {string([]byte{192, 0, 2, last}): 60, string([]byte{192, 0, 3, last}): 60},
	}}).build(p.T, uint32(last))
}

// planned is what a plan changes.
type planned struct {
	forward   []*zone.Zone // of which the plan sees the first only, if there is one
	built     []string     // reverse zones whose layers are built
	held      []string     // likewise, but they stay as they are served
	meanwhile func()       // is called before the batch is published
}

func (p *planTest) serve(x planned) {
	p.Helper()
	_, err := p.w.Commit(commit.Request{
		Propose: func(set *zone.Set) (*zone.Batch, error) {
			b, plan := &zone.Batch{}, p.d.NewPlan(p.r, set)
			add := func(z *zone.Zone) {
				c, list := zone.Change{Zone: z, Apex: z.Apex(), Base: set.Get(z.Apex())}, &b.Changes
				if c.Base != nil && c.Base.Digest() == z.Digest() {
					list = &b.Layers
				}
				*list = append(*list, c)
			}
			for _, z := range x.forward {
				add(z)
			}
			seen := set.With(x.forward[:min(len(x.forward), 1)], nil)
			for i, apex := range slices.Concat(x.built, x.held) {
				static := (&modelZone{apex: apex}).build(p.T, 1)
				index, err := plan.Layer(seen, static, nil)
				if err != nil {
					return nil, err
				}
				z, err := commit.Merge(zone.Layers{Static: static, Derived: index}, nil, nil)
				if err != nil {
					return nil, err
				}
				if i < len(x.built) {
					add(z)
				}
			}
			plan.Complete(b)
			if x.meanwhile != nil {
				x.meanwhile()
				x.meanwhile = nil
			}
			return b, nil
		},
		Show: func(*zone.Set) { p.d.SetRules(p.r) },
	})
	p.d.EndPlan()
	if err != nil {
		p.Fatal(err)
	}
}

// change publishes a forward zone without a plan.
func (p *planTest) change(z *zone.Zone) {
	p.Helper()
	if err := p.w.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex(), Base: p.w.Set().Get(z.Apex())}}}); err != nil {
		p.Fatal(err)
	}
}

// check compares the PTRs of both zones with the addresses of all forward zones.
func (p *planTest) check() {
	p.Helper()
	for _, apex := range []string{planHere, planThere} {
		want := map[string]string{}
		for z := range p.w.Set().All() {
			for record := range z.All() {
				if record.Type == rr.TypeA && apex == dname.FromAddr(netip.AddrFrom4([4]byte(record.Data))).Parent().String() {
					want[dname.FromAddr(netip.AddrFrom4([4]byte(record.Data))).String()] = record.Owner.String()
				}
			}
		}
		got := map[string]string{}
		for record := range p.w.Set().Get(dname.MustParse(apex)).All() {
			if record.Type == rr.TypePTR {
				got[record.Owner.String()] = dname.Name(record.Data).String()
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || len(want) == 0 {
			p.Errorf("%s: %v, want %v", apex, got, want)
		}
	}
}

// The batch of a plan has the names of zones that are not built again, and of forward zones that
// changed after the plan saw them.
func TestPlan(t *testing.T) {
	p := newPlanTest(t)
	for _, x := range []planned{
		{forward: []*zone.Zone{p.host("example.net.", 1)}, built: []string{planHere, planThere}},
		{forward: []*zone.Zone{p.host("example.net.", 2), p.host("example.org.", 3)}, built: []string{planHere}},
		{forward: []*zone.Zone{p.host("example.net.", 4)}},
		{forward: []*zone.Zone{p.host("example.net.", 5), p.host("example.org.", 6)}, built: []string{planThere, planHere}},
	} {
		p.serve(x)
		p.check()
	}
}

// A zone that stays as it is served, although its layer was built, follows the batch too.
func TestPlanHeld(t *testing.T) {
	p := newPlanTest(t)
	p.serve(planned{forward: []*zone.Zone{p.host("example.net.", 1)}, built: []string{planHere, planThere}})
	p.serve(planned{forward: []*zone.Zone{p.host("example.net.", 2), p.host("example.org.", 3)}, built: []string{planHere}, held: []string{planThere}})
	p.check()
}

// A layer that was kept while other rules were active, which do not follow it, is not used again.
func TestPlanStale(t *testing.T) {
	for _, from := range []string{"[example.net]", "[]"} {
		p := newPlanTest(t)
		p.serve(planned{forward: []*zone.Zone{p.host("example.net.", 1), p.host("example.org.", 2)}, built: []string{planHere, planThere}})
		p.setFrom(from)
		p.serve(planned{held: []string{planHere, planThere}})
		p.change(p.host("example.net.", 3))
		p.setFrom(planFrom)
		p.serve(planned{held: []string{planThere}})
		p.change(p.host("example.org.", 4))
		p.serve(planned{built: []string{planHere, planThere}})
		p.check()
	}
}

// A forward zone that changes while new layers are built has them built again.
func TestPlanConflict(t *testing.T) {
	p := newPlanTest(t)
	p.setFrom("[example.org]")
	p.serve(planned{forward: []*zone.Zone{p.host("example.net.", 1)}, built: []string{planHere, planThere}})
	p.setFrom(planFrom)
	p.serve(planned{built: []string{planHere, planThere}, meanwhile: func() { p.change(p.host("example.net.", 2)) }})
	p.check()
}

// A zone of which only the layer changes follows what the plan did not see.
func TestPlanLayers(t *testing.T) {
	p := newPlanTest(t)
	p.serve(planned{forward: []*zone.Zone{p.host("example.net.", 1)}, built: []string{planHere, planThere}})
	p.setFrom("[example.org, example.net]")
	p.serve(planned{forward: []*zone.Zone{p.host("example.net.", 1), p.host("example.org.", 2)}, built: []string{planHere, planThere}})
	p.check()
}

// Addresses that a rule for a range makes have no derived PTRs, but those of files at the same names have.
func TestMadeAddresses(t *testing.T) {
	p := newPlanTest(t)
	p.serve(planned{built: []string{planHere, planThere}})
	static := (&modelZone{apex: "example.net.", sets: map[modelKey]map[string]uint32{
		{"a.example.net.", rr.TypeA}: {"\xc0\x00\x02\x05": 60},
	}}).build(t, 1)
	made, err := commit.NewLayer(static.Apex(), slices.Values([]zone.Record{
		{Owner: dname.MustParse("a.example.net."), Type: rr.TypeA, TTL: 60, Data: []byte{192, 0, 2, 1}},
		{Owner: dname.MustParse("b.example.net."), Type: rr.TypeA, TTL: 60, Data: []byte{192, 0, 2, 2}},
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	z, err := commit.Merge(zone.Layers{Static: static, Made: made}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.change(z)
	var got []string
	for r := range p.w.Set().Get(dname.MustParse(planHere)).All() {
		if r.Type == rr.TypePTR {
			got = append(got, r.Owner.String()+" "+dname.Name(r.Data).String())
		}
	}
	if want := "[5.2.0.192.in-addr.arpa. a.example.net.]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// An address that a file and a rule have counts when the rule is removed, which changes no record.
func TestMadeAddressesStay(t *testing.T) {
	for _, built := range [][]string{nil, {planHere, planThere}} {
		p := newPlanTest(t)
		static := p.host("example.net.", 1)
		made, err := commit.NewLayer(static.Apex(), func(yield func(zone.Record) bool) {
			for r := range static.All() {
				if r.Type == rr.TypeA && !yield(r) {
					return
				}
			}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		z, err := commit.Merge(zone.Layers{Static: static, Made: made}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.serve(planned{forward: []*zone.Zone{z}, built: []string{planHere, planThere}})
		p.serve(planned{forward: []*zone.Zone{static}, built: built})
		p.check()
	}
}
