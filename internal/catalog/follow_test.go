package catalog

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// TestReadChanges: a catalog that is read by its changes has the members that a whole read
// finds, and the zones whose listing differs are among those that it reports.
func TestReadChanges(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("CATALOG_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("seed %d; repeat with CATALOG_SEED=%d", seed, seed)
	g := rand.New(rand.NewPCG(seed, 9432))
	lines := map[string]bool{"version TXT 2": true}
	random := func() string {
		label, n := string(rune('a'+g.IntN(6))), g.IntN(6)
		switch g.IntN(12) {
		case 0:
			return fmt.Sprintf("group.%s.zones TXT g%d", label, n)
		case 1:
			return fmt.Sprintf("COO.%s.zones PTR c%d.", label, n)
		case 2:
			return fmt.Sprintf("%s.other PTR z%d.", label, n)
		case 3:
			return fmt.Sprintf("x.y.%s.zones TXT x", label)
		case 4:
			return "version TXT 3"
		case 5:
			return fmt.Sprintf("%s TXT x", label)
		}
		return fmt.Sprintf("%s.zones PTR z%d.", strings.ToUpper(label), n)
	}
	c := &followed{name: name("catalog.example."), err: errNotTransferred}
	const most = 5
	var z *zone.Zone
	var before []Member
	valid, byChanges := 0, 0
	for step := range 4000 {
		for range 1 + g.IntN(2) {
			if line := random(); lines[line] || g.IntN(4) == 0 && len(lines) > 1 {
				delete(lines, line)
			} else {
				lines[line] = true
			}
		}
		if g.IntN(4) == 0 { // mostly it is valid
			delete(lines, "version TXT 3")
			for key := range lines {
				if len(lines) > 8 && key != "version TXT 2" {
					delete(lines, key)
				}
			}
		}
		next := zoneOf(t, strings.Join(slices.Sorted(maps.Keys(lines)), "\n")+"\n")
		if z != nil {
			var err error
			if next, err = z.Apply(zone.Diff(z, next, nil)); err != nil {
				t.Fatal(err)
			}
		}
		old := c.zone
		wasKnown := c.isKnown()
		z = next
		touched := c.read(z, most)
		want, err := Read(z, most)
		if fmt.Sprint(err) != fmt.Sprint(c.err) {
			t.Fatalf("step %d: %v, want %v", step, c.err, err)
		}
		got := map[string]Member{}
		for key, m := range c.members {
			if m.Apex.Key() != key || c.nodes[m.Label] != key {
				t.Fatalf("step %d: %+v is member %q", step, m, key)
			}
			got[key] = *m
		}
		all, was := map[string]Member{}, map[string]Member{}
		for _, m := range want {
			all[m.Apex.Key()] = m
		}
		if !reflect.DeepEqual(got, all) || len(c.nodes) != len(c.members) {
			t.Fatalf("step %d: %+v, want %+v\n%v", step, got, all, lines)
		}
		for _, m := range before {
			was[m.Apex.Key()] = m
		}
		for _, list := range [][]Member{before, want} {
			for _, m := range list {
				if key := m.Apex.Key(); !reflect.DeepEqual(all[key], was[key]) && !touched[key] {
					t.Fatalf("step %d: the listing of %v changed from %+v to %+v and is not reported", step, m.Apex, was[key], all[key])
				}
			}
		}
		if before = want; err == nil {
			valid++
			if wasKnown && old != nil && len(touched) < len(all) {
				byChanges++
			}
		}
	}
	if valid < 200 || byChanges < 50 {
		t.Errorf("%d catalogs were valid, %d read by their changes", valid, byChanges)
	}
}

// notes are a journal of claims.
type notes map[string][]zone.Note

func (n notes) Notes(apex dname.Name, _ string) ([]zone.Note, error) { return n[apex.Key()], nil }

func (n notes) AllNotes(_ string, yield func(dname.Name, []zone.Note, string)) error {
	for key, list := range n {
		yield(dname.FromWire([]byte(key)), list, "")
	}
	return nil
}

func (n notes) Forget(list []dname.Name) error {
	for _, apex := range list {
		delete(n, apex.Key())
	}
	return nil
}

// TestFollower: what cannot be committed is tried again with the next change, each change
// concerns only its own zones, and a reload goes on with the claims that are served.
func TestFollower(t *testing.T) {
	cfg, err := config.Parse("ptrd.yaml", []byte("zones: []\ncatalogs: [{name: catalog.example, secondary: {primaries: [\"192.0.2.1:53\"]}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	zones := registry.New(registry.Options{Config: cfg})
	var z *zone.Zone
	var served []string
	var fails error
	journal := notes{}
	f := NewFollower(FollowerOptions{
		Journal: journal, Zones: func() *registry.Zones { return zones }, Content: func(dname.Name) *zone.Zone { return z },
		Serve: func(changed []*Claim, gone []dname.Name) (int, error) {
			if fails != nil {
				return 0, fails
			}
			var add []*registry.Zone
			for _, c := range changed {
				served = append(served, "+"+c.Apex.String())
				add = append(add, &registry.Zone{Apex: c.Apex, Owner: c})
				journal[c.Apex.Key()] = c.Notes()
			}
			for _, apex := range gone {
				served = append(served, "-"+apex.String())
			}
			zones = zones.With(add, gone, zones)
			return len(changed), nil
		},
		Report: func([]finding.Finding) {}, Log: slog.New(slog.DiscardHandler),
	})
	want := func(what, list string) {
		t.Helper()
		slices.Sort(served)
		if got := strings.Join(served, " "); got != list {
			t.Errorf("%s: %s, want %s", what, got, list)
		}
		served = nil
	}
	follow := func(text string) {
		t.Helper()
		next := zoneOf(t, "version TXT 2\n"+text)
		if z != nil {
			if next, err = z.Apply(zone.Diff(z, next, nil)); err != nil {
				t.Fatal(err)
			}
		}
		z = next
		f.Follow()
	}
	f.Reload()
	want("not transferred", "")
	follow("a.zones PTR x.\n")
	want("first", "+x.")
	fails = errors.New("disk full")
	follow("a.zones PTR x.\nb.zones PTR y.\n")
	want("while the disk is full", "")
	if s := f.Status(); len(s) != 1 || s[0].Members != 2 || s[0].Serves != 1 {
		t.Errorf("status %+v", s)
	}
	fails = nil
	follow("a.zones PTR x.\nb.zones PTR y.\nc.zones PTR z.\n")
	want("next", "+y. +z.")
	follow("a.zones PTR x.\nd.zones PTR y.\nc.zones PTR z.\n")
	want("another label", "+y. -y.")
	f.Reload()
	want("reload", "")
	follow("a.zones PTR x.\nd.zones PTR y.\n")
	want("gone", "-z.")
	if s := f.Status(); len(s) != 1 || s[0].Members != 2 || s[0].Serves != 2 {
		t.Errorf("status %+v", s)
	}
	// After a restart, before the catalog is there.
	zones = registry.New(registry.Options{Config: cfg})
	if list := f.Restore(zones); len(list) != 3 { // z. has its note for reload.keep_removed
		t.Errorf("%d zones restored", len(list))
	}
}
