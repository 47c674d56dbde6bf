package derive

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// listed is a File that lists one name for some addresses.
type listed map[string]string

func (f *listed) At(a netip.Addr) (list []Entry) {
	if name := (*f)[a.String()]; name != "" {
		list = append(list, Entry{Addr: a, Name: dname.MustParse(name), Pos: finding.Position{File: "hosts", Line: 7}})
	}
	return list
}

func (f *listed) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for a := range *f {
			for _, e := range f.At(netip.MustParseAddr(a)) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// crowded is a File with many names of one address, which counts how often they are asked for.
type crowded struct{ names, asked int }

func (f *crowded) At(a netip.Addr) (list []Entry) {
	f.asked++
	for i := range f.names {
		list = append(list, Entry{Addr: a, Name: dname.MustParse(fmt.Sprintf("h%d.example.", i))})
	}
	return list
}

func (f *crowded) All() iter.Seq[Entry] {
	return slices.Values(f.At(netip.MustParseAddr("192.0.2.1")))
}

// The work for an address is linear in its names.
func TestCrowdedAddress(t *testing.T) {
	cfg, err := config.Parse("ptrd.yaml", []byte("defaults: {nameservers: [ns.example.]}\nzones: [{prefix: 192.0.2.0/24, derive: [{hosts: hosts}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	file := &crowded{names: 1}
	p := &planTest{T: t, d: New(Options{}), r: NewRules(cfg, func(*config.Neighbour) File { return file })}
	p.w = commit.New(commit.Options{Stages: []commit.Stage{p.d.Stage}})
	p.serve(planned{built: []string{planHere}})
	file.names, file.asked = 1000, 0
	for range 2 {
		if _, err := p.w.Commit(p.d.FileChanged(file, nil, "hosts")); err != nil {
			t.Fatal(err)
		}
	}
	if n := file.asked; n > 8 {
		t.Errorf("the names of an address are read %d times", n)
	}
	if n := p.r.Totals(p.w.Set())[0]; n.Records != 1 || n.Conflicts != 1 {
		t.Errorf("%+v", n)
	}
}

// twice is a File that has two spellings of one name for an address.
type twice struct{ listed }

func (f *twice) At(a netip.Addr) (list []Entry) {
	for _, e := range f.listed.At(a) {
		e.Name = dname.MustParse(strings.ToUpper(e.Name.String()))
		list = append(list, e, Entry{Addr: a, Name: e.Name.AppendLower(nil)})
	}
	return list
}

func (f *twice) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for a := range f.listed {
			for _, e := range f.At(netip.MustParseAddr(a)) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// A name that an address has twice, in any spelling, is one name, which goes when both have gone.
func TestNameTwice(t *testing.T) {
	cfg, err := config.Parse("ptrd.yaml", []byte("defaults: {nameservers: [ns.example.]}\nzones: [{prefix: 192.0.2.0/24, derive: [{hosts: hosts}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	file := &twice{listed{"192.0.2.1": "one."}}
	p := &planTest{T: t, d: New(Options{}), r: NewRules(cfg, func(*config.Neighbour) File { return file })}
	p.w = commit.New(commit.Options{Stages: []commit.Stage{p.d.Stage}})
	p.serve(planned{built: []string{planHere}})
	expect := func(want ...string) {
		t.Helper()
		z := p.w.Set().Get(dname.MustParse(planHere))
		var got []string
		for r := range z.All() {
			if r.Type == rr.TypePTR {
				got = append(got, dname.Name(r.Data).String())
			}
		}
		if n := p.r.Totals(p.w.Set())[0]; !slices.Equal(got, want) || n.Records != len(want) || n.Conflicts > 0 {
			t.Errorf("%v, want %v: %+v", got, want, n)
		}
		if stored := (index{layer: z.Layers().Derived}).stored(); stored != nil {
			t.Error("there is more than a PTR about a name")
		}
	}
	expect("one.")
	file.listed["192.0.2.2"] = "two."
	change := func() {
		t.Helper()
		if _, err := p.w.Commit(p.d.FileChanged(file, nil, "hosts")); err != nil {
			t.Fatal(err)
		}
	}
	change()
	expect("one.", "two.")
	file.listed = listed{}
	change()
	expect()
}

// With `names: all`, more names than a message has room for are reported.
func TestTooManyNames(t *testing.T) {
	cfg, err := config.Parse("ptrd.yaml", []byte("defaults: {nameservers: [ns.example.]}\nzones: [{prefix: 192.0.2.0/24, derive: {from: [{hosts: hosts}], names: all}}]"))
	if err != nil {
		t.Fatal(err)
	}
	file := &crowded{names: 2000}
	p := &planTest{T: t, d: New(Options{}), r: NewRules(cfg, func(*config.Neighbour) File { return file })}
	p.w = commit.New(commit.Options{Stages: []commit.Stage{p.d.Stage}})
	p.serve(planned{built: []string{planHere}})
	expect := func(conflicts, findings int) {
		t.Helper()
		list := p.r.Findings(p.w.Set(), false)
		if n := p.r.Totals(p.w.Set())[0]; n.Conflicts != conflicts || len(list) != findings {
			t.Errorf("%+v, %v", n, list)
		}
		for _, f := range list {
			if !strings.Contains(f.Text, "so that only the first ") || f.Rule != "derived-choice" {
				t.Errorf("%v", f)
			}
		}
	}
	expect(0, 0)
	file.names = 4000
	if _, err := p.w.Commit(p.d.FileChanged(file, nil, "hosts")); err != nil {
		t.Fatal(err)
	}
	expect(1, 1)
}

// The names of a file come after those of sources before it, follow its changes address by address
// or all together, and say where they are from.
func TestFile(t *testing.T) {
	cfg, err := config.Parse("ptrd.yaml", []byte("defaults: {nameservers: [ns.example.]}\nzones: [{prefix: 192.0.2.0/24, ttl: 5m, derive: [example.net, {hosts: hosts}]}, {name: example.net}]"))
	if err != nil {
		t.Fatal(err)
	}
	file := &listed{"192.0.2.1": "one.", "192.0.2.2": "two.", "198.51.100.1": "elsewhere.", "192.0.2.3": "_no_host."}
	forward := &modelZone{apex: "example.net.", sets: map[modelKey]map[string]uint32{
		{"a.example.net.", rr.TypeA}: {string([]byte{192, 0, 2, 2}): 60},
	}}
	d, static := New(Options{}), (&modelZone{apex: "2.0.192.in-addr.arpa."}).build(t, 1)
	w := commit.New(commit.Options{Stages: []commit.Stage{d.Stage}})
	r := NewRules(cfg, func(*config.Neighbour) File { return file })
	_, err = w.Commit(commit.Request{
		Propose: func(set *zone.Set) (*zone.Batch, error) {
			z := forward.build(t, 1)
			p := d.NewPlan(r, set)
			index, err := p.Layer(set.With([]*zone.Zone{z}, nil), static, nil)
			if err != nil {
				return nil, err
			}
			reverse, err := commit.Merge(zone.Layers{Static: static, Derived: index}, nil, nil)
			b := &zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex()}, {Zone: reverse, Apex: reverse.Apex()}}}
			p.Complete(b)
			return b, err
		},
		Show: func(*zone.Set) { d.SetRules(r) },
	})
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when, want string) {
		t.Helper()
		got := ""
		for record := range w.Set().Get(static.Apex()).All() {
			if record.Type == rr.TypePTR {
				got += fmt.Sprintf("%s %d %v ", record.Owner.Label(), record.TTL, dname.Name(record.Data))
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	change := func(addresses []netip.Addr, makesBatch bool) {
		t.Helper()
		report, err := w.Commit(d.FileChanged(file, addresses, "hosts"))
		if err != nil || (report.Batch != nil) != makesBatch {
			t.Fatal(report, err)
		}
	}
	expect("at first", "1 300 one. 2 60 a.example.net. ")
	one, two := netip.MustParseAddr("192.0.2.1"), dname.MustParse("2.2.0.192.in-addr.arpa.")
	if list := r.Describe(w.Set(), static.Apex(), two); len(list) != 2 || list[0].String() != "a.example.net. in zone example.net." || list[1].String() != "two. in hosts:7" {
		t.Errorf("origins %v", list)
	}

	*file = listed{"192.0.2.1": "uno.", "192.0.2.4": "four."}
	change([]netip.Addr{one}, true)
	expect("after a change of one address", "1 300 uno. 2 60 a.example.net. ")
	change([]netip.Addr{one, netip.MustParseAddr("198.51.100.1")}, false)
	change(nil, true) // it changes the candidates of 192.0.2.2 too
	expect("after a change of all", "1 300 uno. 2 60 a.example.net. 4 300 four. ")
	if list := r.Describe(w.Set(), static.Apex(), two); len(list) != 1 {
		t.Errorf("origins %v", list)
	}
	change(nil, false)
	*file = listed{}
	change(nil, true)
	expect("without names", "2 60 a.example.net. ")
}

// numbered is a File with a name for each of the first addresses of 10.0.0.0/16.
type numbered int

func (f *numbered) At(a netip.Addr) (list []Entry) {
	if b := a.As4(); int(b[2])<<8+int(b[3]) < int(*f) {
		list = append(list, Entry{Addr: a, Name: dname.MustParse("h.example.")})
	}
	return list
}

func (f *numbered) All() iter.Seq[Entry] { return func(func(Entry) bool) {} }

// A change of many addresses is several batches, between which other writers come.
func TestFileChanges(t *testing.T) {
	cfg, err := config.Parse("ptrd.yaml", []byte("defaults: {nameservers: [ns.example.]}\nzones: [{prefix: 10.0.0.0/16, derive: [{hosts: hosts}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	file := new(numbered)
	p := &planTest{T: t, d: New(Options{}), r: NewRules(cfg, func(*config.Neighbour) File { return file })}
	p.w = commit.New(commit.Options{Stages: []commit.Stage{p.d.Stage}})
	p.serve(planned{built: []string{"0.10.in-addr.arpa."}})
	*file = maxFileChange + 1
	var addresses []netip.Addr
	for i := range int(*file) {
		addresses = append(addresses, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	var served []int
	for r := range p.d.FileChanges(file, addresses, "hosts") {
		if _, err := p.w.Commit(r); err != nil {
			t.Fatal(err)
		}
		served = append(served, p.r.Totals(p.w.Set())[0].Records)
	}
	if want := []int{maxFileChange, maxFileChange + 1}; !slices.Equal(served, want) {
		t.Errorf("%d PTRs, want %d", served, want)
	}
}
