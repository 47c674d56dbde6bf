package assemble

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0: a new one")

// random is a configuration that changes at random, a part of it for the worse.
type random struct {
	*rand.Rand
	l     *lab
	items [6]string // lines of the configuration; empty: left out
}

// step changes one file or one item.
func (r *random) step() {
	switch r.IntN(8) {
	case 0: // the configuration
		i := r.IntN(len(r.items))
		r.items[i] = r.item(i)
		r.l.write("-- ptrd.yaml --\nzones:\n  - {name: always.example}\n" + strings.Join(r.items[:], ""))
	case 1:
		os.Remove(filepath.Join(r.l.dir, r.file()))
	case 2:
		r.l.write("-- " + r.file() + " --\n" + r.records(3) + "1 PTR\n")
	case 3:
		r.l.write("-- " + r.file() + " --\n" + r.records(4) + "1 CNAME a.example.com.\n1 CNAME b.example.com.\n")
	case 4, 5:
		r.l.write("-- " + r.file() + " --\n" + fmt.Sprintf("$TTL 600\n@ SOA ns.example.net. a.example.com. %d 3600 600 86400 300\n@ NS ns%d.example.net.\n", 5+r.IntN(20), r.IntN(2)) + r.records(4))
	default:
		r.l.write("-- " + r.file() + " --\n" + r.records(6))
	}
	r.l.now += int64(r.IntN(3)) - 1
}

func (r *random) file() string { return fmt.Sprintf("f%d.zone", r.IntN(3)) }

func (r *random) item(i int) string {
	if r.IntN(5) == 0 {
		return ""
	}
	file := ""
	if r.IntN(2) == 0 {
		file = ", file: " + r.file()
	}
	address := fmt.Sprintf("192.0.%d.%d", r.IntN(2), r.IntN(4))
	switch i {
	case 0:
		return "  - {prefix: 192.0.0.0/16" + file + "}\n"
	case 1:
		delegate := ""
		if r.IntN(3) == 0 {
			delegate = ", delegate: [{prefix: 192.0.0.128/30, nameservers: [ns.customer.example]}]"
		}
		return "  - {prefix: 192.0.0.0/23" + file + delegate + "}\n"
	case 2:
		return "  - {prefix: 192.0.0.4/30" + file + ", ptr: {192.0.0.5: five.example.com}}\n"
	case 3:
		return "  - {prefix: 192.0.3.0/24" + file + fmt.Sprintf(", ptr: {192.0.3.%d: x%d.example.com}}\n", r.IntN(3), r.IntN(3))
	case 4:
		return "  - {name: 9.3.0.192.in-addr.arpa" + file + ", records: {\"@\": {TXT: t" + address + "}}}\n"
	}
	return "  - {prefix: 192.0.1.6/32" + file + "}\n"
}

func (r *random) records(n int) string {
	var b strings.Builder
	b.WriteString("$TTL 600\n")
	for range r.IntN(n) {
		if i := r.IntN(10); i < 8 {
			fmt.Fprintf(&b, "%d PTR n%d.example.com.\n", i, r.IntN(3))
		} else {
			fmt.Fprintf(&b, "%d.1 TXT x\n", i)
		}
	}
	return b.String()
}

// TestRandomReloads changes sources and configuration at random. After every step:
// no serial has gone back; what is broken is served as before; what is not is what
// a server that starts anew makes of the same sources; findings are those of such
// a server too; and a restart changes nothing.
func TestRandomReloads(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("repeat with -seed=%d", seed)
	l := newLab(t, "-- ptrd.yaml --\nzones: [{name: always.example}]\n")
	r := &random{Rand: rand.New(rand.NewPCG(seed, 0)), l: l}
	highest := map[string]zone.Serial{}
	for n := range 150 {
		r.step()
		cfg, err := config.Load(filepath.Join(l.dir, "ptrd.yaml"))
		if err != nil {
			continue // refused as a whole: nothing is assembled
		}
		before := l.store.Set()
		p := l.reload()
		set := l.store.Set()
		broken := map[string]bool{}
		for _, b := range p.Broken {
			key := b.Apex.Key()
			broken[key] = true
			if old := before.Get(b.Apex); old != nil && set.Get(b.Apex) != old {
				t.Errorf("step %d: %v is broken and yet changed", n, b.Apex)
			}
			if b.LastGood != set.Get(b.Apex).IsAvailable() {
				t.Errorf("step %d: %v: %+v", n, b.Apex, b)
			}
		}
		for z := range set.All() {
			key := z.Apex().Key()
			if !z.IsAvailable() {
				continue
			}
			if last, ok := highest[key]; ok && z.Serial().Before(last) {
				t.Errorf("step %d: serial of %v goes back from %d to %d", n, z.Apex(), last, z.Serial())
			}
			if old := before.Get(z.Apex()); old != nil && old.IsAvailable() && old.Serial() == z.Serial() && old.Digest() != z.Digest() {
				t.Errorf("step %d: content of %v changed under serial %d", n, z.Apex(), z.Serial())
			}
			highest[key] = z.Serial()
		}
		r.compare(n, cfg, p, set, broken)
		if p := l.reload(); changed(p) != "" {
			t.Errorf("step %d: %s changed without a change", n, changed(p))
		}
		if n%25 == 24 {
			l.restart()
			l.reload()
			for z := range l.store.Set().All() {
				// Without the last good data of a broken child its parent delegates it by
				// the configuration.
				if len(broken) == 0 && z.Serial() != set.Get(z.Apex()).Serial() {
					t.Errorf("step %d: serial of %v is %d after a restart, was %d", n, z.Apex(), z.Serial(), set.Get(z.Apex()).Serial())
				}
			}
		}
		if t.Failed() {
			text, _ := os.ReadFile(filepath.Join(l.dir, "ptrd.yaml"))
			t.Fatalf("configuration:\n%s", text)
		}
	}
}

// compare holds what is served against what a server makes that knows nothing.
func (r *random) compare(n int, cfg *config.Config, p *Plan, set *zone.Set, broken map[string]bool) {
	t := r.l.t
	fresh, err := New(Options{}).Assemble(t.Context(), cfg, zone.NewSet(), Round{})
	if err != nil {
		t.Fatal(err)
	}
	if set.Len() != len(fresh.Batch.Changes) {
		t.Errorf("step %d: %d zones, want %d", n, set.Len(), len(fresh.Batch.Changes))
	}
	if len(fresh.Broken) != len(p.Broken) {
		t.Errorf("step %d: broken %v, want %v", n, p.Broken, fresh.Broken)
	}
	// A broken zone that has good data may delegate or be delegated differently
	// from one that never had any, so parents are compared only without them.
	for _, c := range fresh.Batch.Changes {
		got := set.Get(c.Apex)
		if got == nil || len(broken) == 0 && got.Digest() != c.Zone.Digest() {
			t.Errorf("step %d: zone %v differs", n, c.Apex)
		}
	}
	keep := func(list []finding.Finding) string { // those about serials depend on the past
		var b strings.Builder
		for _, f := range list {
			if f.Rule != "serial-not-taken" {
				b.WriteString(f.String() + "\n")
			}
		}
		return b.String()
	}
	if got, want := keep(p.Findings), keep(fresh.Findings); got != want && len(broken) == 0 {
		t.Errorf("step %d: findings\n%swant\n%s", n, got, want)
	}
}

// FuzzReload takes any text for a master file: no panic, no served data lost, and
// nothing served that Check would refuse.
func FuzzReload(f *testing.F) {
	for _, s := range []string{
		"",
		"$TTL 600\n1 PTR a.example.com.\n",
		withSOA(7, "1 PTR a.example.com.\n"),          // an SOA of its own
		withSOA(7, "8 PTR a.example.com.\n"),          // where the configuration delegates
		withSOA(7, "8-9 NS ns.other.example.\n"),      // a cut of its own at the same name
		"@ NS .\n1 CNAME 1\n1 CNAME 2\n1 PTR a.\n",    // contradictions
		"$GENERATE 0-255 $ CNAME $.8-9\n",             // what is generated, and more
		"$ORIGIN .\n. SOA . . 1 1 1 1 1\n",            // far out of zone
		"$INCLUDE f.zone\n$TTL 1\n@ DNAME example.\n", // itself; DNAME above everything
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		file := filepath.Join(dir, "f.zone")
		yaml := labDefaults + "zones:\n- {prefix: 192.0.2.0/24, file: f.zone, delegate: [{prefix: 192.0.2.8/31, nameservers: [ns.customer.example]}]}\n- {prefix: 192.0.2.4/31}\n"
		if err := os.WriteFile(filepath.Join(dir, "ptrd.yaml"), []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("$TTL 600\n1 PTR good.example.com.\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(filepath.Join(dir, "ptrd.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		a, store := New(Options{}), commit.New(commit.Options{})
		reload := func() *Plan {
			p, err := a.Assemble(t.Context(), cfg, store.Set(), Round{})
			if err != nil {
				t.Fatal(err)
			}
			a.Published(p)
			if err := store.Publish(p.Batch); err != nil {
				t.Fatal(err)
			}
			return p
		}
		reload()
		apex := dname.MustParse("2.0.192.in-addr.arpa")
		good := store.Set().Get(apex)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p := reload()
		z := store.Set().Get(apex)
		if p.HasErrors() != (len(p.Broken) > 0) {
			t.Errorf("broken %v, findings %v", p.Broken, p.Findings)
		}
		if len(p.Broken) > 0 && z != good || z.Serial().Before(good.Serial()) {
			t.Errorf("serial %d after %d, broken %v", z.Serial(), good.Serial(), p.Broken)
		}
		if err := z.Check(); err != nil {
			t.Error(err)
		}
		for _, f := range p.Findings {
			if f.String() == "" || f.Text == "" {
				t.Errorf("finding without text: %+v", f)
			}
		}
		if p := reload(); len(p.Batch.Changes) > 0 {
			t.Errorf("changed without a change: %s", changed(p))
		}
	})
}
