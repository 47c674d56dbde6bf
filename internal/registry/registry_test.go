package registry

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone/dname"
)

func parsed(t testing.TB, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("ptrd.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const text = `
defaults: {nameservers: [ns1.example.com], transfer: {allow: [192.0.2.1], notify: ["192.0.2.2:53"]}}
metrics: {per_zone: true}
zones:
  - {prefix: 10.1.0.0/16}
  - {prefix: 10.2.0.0/15, access: {allow: [10.0.0.0/8]}, history: {max_size: 1000000}}
  - {name: example.com, secondary: {primaries: ["192.0.2.3:53"]}}
  - {prefix: 10.4.0.0/16, update: {from: 10.4.0.0/24}}
catalogs:
  - {name: own.example, transfer: {allow: [192.0.2.9]}, zones: all}
  - name: theirs.example
    secondary: {primaries: ["192.0.2.4:53"]}
    members: {access: {deny: [0.0.0.0/0]}}
    groups: {open: {access: {allow: [192.0.2.0/24]}}}
`

// member is the owner of a zone that a catalog lists.
type member struct{ groups []string }

func (member) Path() string { return "catalogs[1]" }

func (m member) Settings(z *Zones, _ dname.Name) *Settings {
	if follow := z.Follow(dname.MustParse("theirs.example").Key()); follow != nil {
		return z.Members(follow, m.groups)
	}
	return nil
}

func claim(name string, groups ...string) *Zone {
	return &Zone{Apex: dname.MustParse(name), Owner: member{groups}}
}

// TestOwners: each zone has one owner, and the settings of it.
func TestOwners(t *testing.T) {
	z := New(Options{Config: parsed(t, text)}).With([]*Zone{claim("m.example"), claim("o.example", "open")}, nil, nil)
	for _, c := range []struct {
		zone, path                                            string
		item, member, notify, update, history, secondary, acl bool
	}{
		{"1.10.in-addr.arpa", "zones[0]", true, false, true, false, false, false, false},
		{"2.10.in-addr.arpa", "zones[1]", true, false, true, false, true, false, true},
		{"3.10.in-addr.arpa", "zones[1]", true, false, true, false, true, false, true},
		{"example.com", "zones[2]", true, false, true, false, false, true, false},
		{"4.10.in-addr.arpa", "zones[3]", true, false, true, true, false, false, false},
		{"own.example", "catalogs[0]", false, false, true, false, false, false, true},
		{"theirs.example", "catalogs[1]", false, false, true, false, false, true, true},
		{"m.example", "catalogs[1]", false, true, true, false, false, true, true},
		{"o.example", "catalogs[1]", false, true, true, false, false, true, true},
	} {
		one := z.Get(dname.MustParse(c.zone))
		if one == nil {
			t.Fatalf("%s: no such zone", c.zone)
		}
		_, isMember := one.Owner.(member)
		got := []any{one.Path(), one.Item != nil, isMember, one.Notify != nil, one.Update != nil, one.History != nil, one.Secondary != nil, one.access != nil}
		want := []any{c.path, c.item, c.member, c.notify, c.update, c.history, c.secondary, c.acl}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", c.zone, got, want)
		}
	}
	if z.Len() != 9 || z.Get(dname.MustParse("other.example")) != nil {
		t.Errorf("%d zones", z.Len())
	}
	inside := netip.MustParseAddr("192.0.2.77")
	if z.Get(dname.MustParse("m.example")).access.Allows(inside) || !z.Get(dname.MustParse("o.example")).access.Allows(inside) {
		t.Error("a member has the settings of another group")
	}
	if z.Get(dname.MustParse("1.10.in-addr.arpa")).Settings == z.Get(dname.MustParse("2.10.in-addr.arpa")).Settings {
		t.Error("items that differ share settings")
	}
}

// TestRetain: zones that were added at run time are in the next configuration too, with the
// settings that it gives them, unless it has these zones itself or no longer follows their
// catalog.
func TestRetain(t *testing.T) {
	now := New(Options{Config: parsed(t, text)}).With([]*Zone{claim("m.example"), claim("o.example", "open")}, nil, nil)
	other := strings.NewReplacer("example.com,", "m.example,", "deny: [0.0.0.0/0]", "deny: [192.0.2.77]").Replace(text)
	next := New(Options{Config: parsed(t, other), Before: now}).Retain(now)
	m, o := next.Get(dname.MustParse("m.example")), next.Get(dname.MustParse("o.example"))
	if m == nil || m.Item == nil || o == nil || o.Owner == nil || o.Settings == now.Get(o.Apex).Settings || next.Len() != 8 {
		t.Errorf("%d zones, %+v, %+v", next.Len(), m, o)
	}
	if strict := New(Options{Config: parsed(t, text[:strings.Index(text, "  - name: theirs")])}).Retain(now); strict.Len() != 6 {
		t.Errorf("%d zones without the catalog, want 6", strict.Len())
	}
}

// TestCounters: a reload goes on with the counters of zones, and so do changes of catalogs;
// a candidate that is dropped changes nothing of the zones that are served.
func TestCounters(t *testing.T) {
	policy := func(z *Zones, expires map[string]*atomic.Int64) *answer.Policy {
		p := new(answer.Policy)
		z.SetPolicies(p, expires)
		return p
	}
	item, member := dname.MustParse("1.10.in-addr.arpa"), dname.MustParse("m.example")
	first := New(Options{Config: parsed(t, text)}).With([]*Zone{claim("m.example")}, nil, nil)
	served := policy(first, map[string]*atomic.Int64{member.Key(): new(atomic.Int64)})
	served.Zones.Get(item).Queries.Add(3)
	served.Zones.Get(member).Queries.Add(5)
	same := func(what string, p *answer.Policy) {
		t.Helper()
		if a, b := p.Zones.Get(item).Queries.Load(), p.Zones.Get(member).Queries.Load(); a != 3 || b != 5 {
			t.Errorf("%s: %d and %d queries", what, a, b)
		}
	}
	same("served", served)
	base := New(Options{Config: parsed(t, text), Before: first})
	reloaded := base.With([]*Zone{claim("m.example")}, nil, first)
	same("after a reload", policy(reloaded, nil))
	if policy(reloaded, nil).Zones.Get(member).Expires != nil {
		t.Error("the candidate has the expiry of a plan that it does not belong to")
	}
	same("after a change of the claim", policy(reloaded.With([]*Zone{claim("m.example", "open")}, nil, reloaded), nil))
	quiet := strings.Replace(text, "per_zone: true", "per_zone: false", 1)
	if p := policy(New(Options{Config: parsed(t, quiet), Before: first}), nil); p.CountsZones || p.Zones.Get(item).Queries != nil {
		t.Error("queries are counted without being asked for")
	}
	same("after a candidate that was dropped", served)
	gone := first.With(nil, []dname.Name{member}, first)
	if policy(gone, nil).Zones.Get(member) != nil || gone.Get(member) != nil || first.Get(member) == nil {
		t.Error("a zone that is removed is still there, or missing in the snapshot before")
	}
}

// BenchmarkAddMember adds a zone that a catalog lists to 100,000 and removes it again.
func BenchmarkAddMember(b *testing.B) {
	var claims []*Zone
	for i := range 100_000 {
		claims = append(claims, claim(fmt.Sprintf("%d.%d.10.in-addr.arpa", i&255, i>>8)))
	}
	z := New(Options{Config: parsed(b, text)}).With(claims, nil, nil)
	one := []*Zone{claim("one.example")}
	gone := []dname.Name{one[0].Apex}
	expires := map[string]*atomic.Int64{one[0].Apex.Key(): new(atomic.Int64)}
	b.ReportAllocs()
	for b.Loop() {
		n := z.With(one, nil, z)
		n.SetPolicies(new(answer.Policy), expires)
		z = n.With(nil, gone, n)
	}
}

// TestAddMemberToMany: adding a zone to a hundred thousand copies the directories of the
// tables, 8 octets for some 20 zones, and not the zones.
func TestAddMemberToMany(t *testing.T) {
	one := []*Zone{claim("one.example")}
	expires := map[string]*atomic.Int64{one[0].Apex.Key(): new(atomic.Int64)}
	cost := func(zones int) (octets, objects uint64) {
		var claims []*Zone
		for i := range zones {
			claims = append(claims, claim(fmt.Sprintf("%d.%d.10.in-addr.arpa", i&255, i>>8)))
		}
		z := New(Options{Config: parsed(t, text)}).With(claims, nil, nil)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		z.With(one, nil, z).SetPolicies(new(answer.Policy), expires)
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc, after.Mallocs - before.Mallocs
	}
	_, few := cost(100)
	octets, objects := cost(100_000)
	if octets > 256<<10 || objects > few+20 {
		t.Errorf("%d octets in %d objects, in a small set %d objects", octets, objects, few)
	}
}
