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

// hosts returns a forward zone of n hosts, all at one address with sameAddress.
func hosts(t testing.TB, n int, sameAddress bool) *zone.Zone {
	apex := dname.MustParse("example.net.")
	b := zone.NewBuilder(apex)
	for _, z := range []*modelZone{{apex: "example.net."}} {
		for record := range z.build(t, 1).All() {
			b.Add(record)
		}
	}
	for i := range n {
		a := [4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}
		if sameAddress {
			a = [4]byte{10, 0, 0, 1}
		}
		b.Add(zone.Record{Owner: dname.MustParse(fmt.Sprintf("h%d.example.net.", i)), Type: rr.TypeA, TTL: 60, Data: a[:]})
	}
	forward, findings := b.Build()
	if forward == nil {
		t.Fatal(findings)
	}
	return forward
}

// servedHosts returns a Writer with a forward zone of n hosts, all at one address with sameAddress, and
// a reverse zone that derives their names.
func servedHosts(t testing.TB, n int, sameAddress bool, settings string) (*commit.Writer, *Rules) {
	cfg, err := config.Parse("ptrd.yaml", []byte("defaults: {nameservers: [ns.example.]}\nzones: [{prefix: 10.0.0.0/8, derive: "+settings+"}]"))
	if err != nil {
		t.Fatal(err)
	}
	d := New(Options{})
	r := NewRules(cfg, nil)
	forward := hosts(t, n, sameAddress)
	apex := forward.Apex()
	set := zone.NewSet().With([]*zone.Zone{forward}, nil)
	static := (&modelZone{apex: "10.in-addr.arpa."}).build(t, 1)
	p := d.NewPlan(r, zone.NewSet())
	index, err := p.Layer(set, static, nil)
	if err != nil {
		t.Fatal(err)
	}
	reverse, err := commit.Merge(zone.Layers{Static: static, Derived: index}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := commit.New(commit.Options{Stages: []commit.Stage{d.Stage}})
	batch := &zone.Batch{Changes: []zone.Change{{Zone: forward, Apex: apex}, {Zone: reverse, Apex: reverse.Apex()}}}
	p.Complete(batch)
	if _, err := w.Commit(commit.Request{
		Propose: func(*zone.Set) (*zone.Batch, error) { return batch, nil },
		Show:    func(*zone.Set) { d.SetRules(r) },
	}); err != nil {
		t.Fatal(err)
	}
	return w, r
}

// move returns a change of the address of a host.
func move(t testing.TB, set *zone.Set, host string, to netip.Addr) *zone.Batch {
	z := set.Get(dname.MustParse("example.net."))
	was := commit.ReadRRset(z, dname.MustParse(host), rr.TypeA)
	c := commit.NewChange(z)
	now := zone.Record{Owner: was.Owner, Type: rr.TypeA, TTL: 60, Data: to.AsSlice()}
	if err := commit.AddRecords(&c, was.Records(), []zone.Record{now}, "test", 1); err != nil {
		t.Fatal(err)
	}
	return &zone.Batch{Changes: []zone.Change{c}}
}

// A change of a forward zone costs what it changes, in a zone with a hundred times the names, and at
// an address that all of them have.
func TestCostOfChange(t *testing.T) {
	cost := func(n int, sameAddress bool) float64 {
		w, r := servedHosts(t, n, sameAddress, "[example.net]")
		i := 0
		allocs := testing.AllocsPerRun(20, func() {
			// Every second time back to where all others are with sameAddress.
			to := [4]byte{10, 255, 0, 1}
			if i++; i%2 == 0 {
				to = [4]byte{10, 0, 0, 1}
			}
			if err := w.Publish(move(t, w.Set(), "h7.example.net.", netip.AddrFrom4(to))); err != nil {
				t.Fatal(err)
			}
		})
		if got := r.Totals(w.Set())[0]; !sameAddress && got.Records != n || sameAddress && got.Records != 2 {
			t.Errorf("%d hosts: %+v", n, got)
		}
		return allocs
	}
	for _, sameAddress := range []bool{false, true} {
		few, many := cost(200, sameAddress), cost(20_000, sameAddress)
		t.Logf("at one address %v: %v allocations of 200 names, %v of 20,000", sameAddress, few, many)
		if many > 1.5*few {
			t.Errorf("at one address %v: a change allocates %v times of 20,000 names, %v of 200", sameAddress, many, few)
		}
	}
}

// BenchmarkBuild builds the derived layer of a zone with 100,000 names, and the zone with it.
func BenchmarkBuild(b *testing.B) {
	cfg, err := config.Parse("ptrd.yaml", []byte("defaults: {nameservers: [ns.example.]}\nzones: [{prefix: 10.0.0.0/8, derive: [example.net]}]"))
	if err != nil {
		b.Fatal(err)
	}
	set := zone.NewSet().With([]*zone.Zone{hosts(b, 100_000, false)}, nil)
	static := (&modelZone{apex: "10.in-addr.arpa."}).build(b, 1)
	d, r := New(Options{}), NewRules(cfg, nil)
	for b.Loop() {
		index, err := d.NewPlan(r, zone.NewSet()).Layer(set, static, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := commit.Merge(zone.Layers{Static: static, Derived: index}, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}
