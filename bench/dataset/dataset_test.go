//go:build bench

package dataset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestShuffles: the inverses are inverses, and nothing comes twice.
func TestShuffles(t *testing.T) {
	seen := map[int]bool{}
	for i := range 1 << 16 {
		n := shuffle16(i)
		if seen[n] || unshuffle16(n) != i {
			t.Fatalf("%d becomes %d, which becomes %d", i, n, unshuffle16(n))
		}
		seen[n] = true
	}
	for net := range 300 {
		for i := range 256 {
			if got := unshuffle8(net, shuffle8(net, i)); got != i {
				t.Fatalf("network %d: %d becomes %d", net, i, got)
			}
		}
	}
}

// TestQuestions: the answers to the questions are what the zones say, read from
// the zones' text by a parser that is not ours.
func TestQuestions(t *testing.T) {
	for name, want := range map[string]struct{ records, zones int }{
		"v4-1k": {1000, 1}, "v4-30k": {30_000, 1}, "v6-1k": {1000, 1}, "v6-30k": {30_000, 1}, "many-100": {0, 100}, "made4-1k": {0, 1}, "made6-1k": {0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Parse(name)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			f, err := s.Write(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.WriteChanged(dir); err != nil {
				t.Fatal(err)
			}
			list, _ := os.ReadFile(f.List)
			apexes := strings.Fields(string(list))
			before, after := map[string]string{}, map[string]string{}
			for _, apex := range apexes {
				readZone(t, filepath.Join(f.Zones, apex+".zone"), before)
				readZone(t, filepath.Join(f.Changed, apex+".zone"), after)
			}
			if len(apexes) != want.zones || want.records > 0 && len(before) != want.records {
				t.Errorf("%d records in %d zones, want %+v", len(before), len(apexes), want)
			}
			changed := 0
			for owner, target := range before {
				if after[owner] != target {
					changed++
				}
			}
			if len(after) != len(before) || changed == 0 || changed > len(before)/50 {
				t.Errorf("%d of %d records changed, %d after it", changed, len(before), len(after))
			}
			missing := 0
			s.Questions(2000, func(q Question) {
				target := strings.TrimSuffix(before[q.Name+"."], ".")
				if target != q.Target {
					t.Errorf("%s: %q in the zone, %q with the question", q.Name, target, q.Target)
				}
				if q.Target == "" {
					missing++
				}
			})
			if missing < 150 || missing > 250 {
				t.Errorf("%d of 2000 questions are for names that are not there", missing)
			}
		})
	}
}

// readZone puts the PTR records of a master file into m, and fails where a name has two.
func readZone(t *testing.T, path string, m map[string]string) {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	p := dns.NewZoneParser(in, "", path)
	for r, ok := p.Next(); ok; r, ok = p.Next() {
		if ptr, ok := r.(*dns.PTR); ok {
			if m[ptr.Hdr.Name] != "" {
				t.Fatalf("%s is there twice", ptr.Hdr.Name)
			}
			m[ptr.Hdr.Name] = ptr.Ptr
		}
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestParse(t *testing.T) {
	for _, name := range []string{"", "v4", "v4-", "v4-0", "v4-17M", "v6-11M", "many-2M", "v5-1k", "v4-1G", "v4--1"} {
		if _, err := Parse(name); err == nil || !strings.Contains(err.Error(), "as v4-1k") {
			t.Errorf("%q: %v", name, err)
		}
	}
	for name, want := range map[string]int{"v4-16M": 16_000_000, "v6-10M": 10_000_000, "many-100k": 100_000, "v4-7": 7} {
		if s, err := Parse(name); err != nil || s.Count != want {
			t.Errorf("%q: %+v, %v", name, s, err)
		}
	}
}

// TestWriteAgain: a set that is there is not written again, one that was cut short is.
func TestWriteAgain(t *testing.T) {
	s, _ := Parse("v4-10")
	dir := t.TempDir()
	f, err := s.Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	zone := filepath.Join(f.Zones, apexV4+".zone")
	if err := os.WriteFile(zone, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		if _, err := s.Write(dir); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(zone)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	if n := size(); n != 0 {
		t.Errorf("written again: %d octets", n)
	}
	if err := os.Remove(f.Zones + ".done"); err != nil {
		t.Fatal(err)
	}
	if n := size(); n == 0 {
		t.Error("not written again")
	}
}
