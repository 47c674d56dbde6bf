package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/explain"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// FuzzReload goes from one config and master file to another, whatever they are:
// nothing panics, what is broken keeps what was served, a serial never goes back,
// and a second reload of the same changes nothing.
func FuzzReload(f *testing.F) {
	const head = "defaults: {nameservers: [ns1.example.com]}\nzones:\n"
	const soa = "$TTL 1h\n@ SOA ns h 5 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n"
	// inline data, changed
	f.Add(head+"  - {prefix: 192.0.2.0/24, ptr: {192.0.2.1: a.example}}\n", "", head+"  - {prefix: 192.0.2.0/24, ptr: {192.0.2.1: b.example}}\n", "")
	// a file with an SOA: content without a new serial, then a broken one
	f.Add(head+"  - {name: example, file: z.zone}\n", soa, head+"  - {name: example, file: z.zone}\n", soa+"x TXT x\n")
	f.Add(head+"  - {name: example, file: z.zone}\n", soa, head+"  - {name: example, file: z.zone}\n", soa+"x TXX x\n")
	// both sides of a classless delegation, the child goes
	f.Add(head+"  - {prefix: 192.0.2.0/24}\n  - {prefix: 192.0.2.64/26}\n", "", head+"  - {prefix: 192.0.2.0/24}\n", "")
	// several zones of one prefix with a file, and a config that is none
	f.Add(head+"  - {prefix: 198.18.4.0/22, file: z.zone}\n", "$TTL 1\n1.5 PTR x.\n", "zones: {", "")
	// a parent from a file above a zone of the config
	f.Add(head+"  - {name: example, file: z.zone}\n  - {name: sub.example}\n", soa+"sub NS other.\n", head+"  - {name: example, file: z.zone}\n", soa+"sub.sub NS other.\n")
	f.Fuzz(func(t *testing.T, config1, zone1, config2, zone2 string) {
		dir := t.TempDir()
		path, file := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "z.zone")
		var views answer.Views
		rules := &answer.Policy{}
		store := commit.New(commit.Options{})
		assembler := assemble.New(assemble.Options{})
		step := func(text, records string) (changed bool) {
			cfg, err := config.Parse(path, []byte(text))
			if err != nil {
				return false
			}
			for i := range cfg.Zones {
				for _, f := range append(cfg.Zones[i].Files, cfg.Zones[i].Hosts...) {
					if f.Path != file {
						t.Skip("a file that is not ours")
					}
				}
			}
			if err := os.WriteFile(file, []byte(records), 0o644); err != nil {
				t.Fatal(err)
			}
			policy, err := newPolicy(cfg, make([]byte, 16), rules)
			if err != nil {
				t.Fatal(err)
			}
			rules = policy
			before := store.Set()
			var plan *assemble.Plan
			if _, err := store.Commit(commit.Request{
				Propose: func(set *zone.Set) (*zone.Batch, error) {
					if plan, err = assembler.Assemble(t.Context(), cfg, set, assemble.Round{}); err != nil {
						return nil, err
					}
					return plan.Batch, nil
				},
				Show:  func(set *zone.Set) { views.Swap(&answer.View{Zones: set, Policy: policy}) },
				After: func() error { assembler.Published(plan); return nil },
			}); err != nil {
				t.Fatal(err)
			}
			check(t, before, views.Load(), plan)
			return len(plan.Batch.Changes) > 0
		}
		step(config1, zone1)
		step(config2, zone2)
		if step(config2, zone2) {
			t.Error("a reload of the same changed something")
		}
	})
}

func check(t *testing.T, before *zone.Set, v *answer.View, plan *assemble.Plan) {
	for _, b := range plan.Broken {
		was, is := before.Get(b.Apex), v.Zones.Get(b.Apex)
		if is == nil || was != nil && is != was {
			t.Errorf("broken zone %v: %p is served, was %p", b.Apex, is, was)
		}
		if b.LastGood != is.IsAvailable() {
			t.Errorf("broken zone %v: last good %v, available %v", b.Apex, b.LastGood, is.IsAvailable())
		}
	}
	for z := range v.Zones.All() {
		if !z.IsAvailable() {
			continue
		}
		if was := before.Get(z.Apex()); was != nil && was != z && was.IsAvailable() && !was.Serial().Before(z.Serial()) {
			t.Errorf("zone %v: serial %d after %d", z.Apex(), z.Serial(), was.Serial())
		}
		for _, label := range []string{"1", "*", "nowhere"} {
			name, err := z.Apex().Prepend([]byte(label))
			if err != nil {
				continue
			}
			if _, err := explain.Explain(v, explain.Question{Name: name, Type: rr.TypePTR}); err != nil {
				t.Errorf("%v: %v", name, err)
			}
		}
	}
	if _, err := explain.Explain(v, explain.Question{Name: dname.MustParse("1.2.0.192.in-addr.arpa."), Type: rr.TypePTR}); err != nil {
		t.Error(err)
	}
}
