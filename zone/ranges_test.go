package zone_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// withRanges returns a zone with n ranges, /40 to /56, that have a template each or one for all.
func withRanges(t testing.TB, apex string, n int, template func(i int) string) *zone.Zone {
	t.Helper()
	o := zonetest.MustParse(apex, "@ SOA a b 1 1 1 1 1\n@ NS a\n")
	for i := range n {
		p := netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, byte(i >> 8), byte(i)}), 48)
		r := synth.Rule{Prefix: p, TTL: 300, Template: template(i)}
		o.Add(zone.Record{Owner: r.Owner(o.Apex), Type: synth.Type, TTL: 60, Data: r.Append(nil)})
	}
	b := zone.NewBuilder(o.Apex)
	for _, r := range o.Records() {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	return z
}

// The ranges follow changes of the rules, wherever these are, and no others.
func TestRangesFollowRules(t *testing.T) {
	z := withRanges(t, "8.b.d.0.1.0.0.2.ip6.arpa.", 3, func(i int) string { return fmt.Sprintf("{hex}.c%d.example.", i) })
	ttl := uint32(0)
	target := func(z *zone.Zone, a string) string {
		var answer zone.Answer
		answer.Reset()
		z.Lookup(dname.FromAddr(netip.MustParseAddr(a)), rr.TypePTR, false, &answer)
		if answer.Kind != zone.Success {
			return fmt.Sprint(answer.Kind)
		}
		ttl = answer.Items[0].Set.TTL
		return dname.Name(answer.Items[0].Set.First(nil)).String()
	}
	apply := func(z *zone.Zone, c zone.Changeset) *zone.Zone {
		next, err := z.Apply(&c)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	record := func(owner dname.Name, p, template string) zone.Record {
		r := synth.Rule{Prefix: netip.MustParsePrefix(p), TTL: 300, Template: template}
		if owner == nil {
			owner = r.Owner(z.Apex())
		}
		return zone.Record{Owner: owner, Type: synth.Type, TTL: 60, Data: r.Append(nil)}
	}
	const one = "20010db8000100000000000000000001.c1.example."
	check := func(z *zone.Zone, want string) {
		t.Helper()
		if got := target(z, "2001:db8:1::1"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	check(z, one)
	longer := record(nil, "2001:db8:1::/64", "h{base36}.example.")
	with := apply(z, zone.Changeset{Added: []zone.Record{longer}})
	check(with, "h1.example.")
	check(z, one)
	check(apply(with, zone.Changeset{Removed: []zone.Record{longer}}), one)
	apex := record(z.Apex(), "2001:db8:1::/65", "a{base36}.example.")
	with = apply(with, zone.Changeset{Added: []zone.Record{apex}, Removed: []zone.Record{longer}})
	check(with, "a1.example.")
	check(apply(with, zone.Changeset{Added: []zone.Record{{Owner: dname.MustParse("x._ranges.8.b.d.0.1.0.0.2.ip6.arpa."), Type: rr.TypeTXT, TTL: 60, Data: []byte("\x01x")}}}), "a1.example.")
	// A rule in the place of another one, as a transfer has it.
	was := record(nil, "2001:db8:1::/48", "{hex}.c1.example.")
	check(apply(z, zone.Changeset{Removed: []zone.Record{was}, Added: []zone.Record{record(nil, "2001:db8:1::/48", "{hex}.other.example.")}}), "20010db8000100000000000000000001.other.example.")
	other := synth.Rule{Prefix: netip.MustParsePrefix("2001:db8:1::/48"), TTL: 7, Template: "{hex}.c1.example."}
	check(apply(z, zone.Changeset{Removed: []zone.Record{was}, Added: []zone.Record{{Owner: was.Owner, Type: synth.Type, TTL: 60, Data: other.Append(nil)}}}), one)
	if ttl != 7 {
		t.Errorf("TTL %d of a rule with another one", ttl)
	}
	// Two labels below, no rule is looked for.
	check(apply(z, zone.Changeset{Added: []zone.Record{record(dname.MustParse("x.x._ranges.8.b.d.0.1.0.0.2.ip6.arpa."), "2001:db8:1::/64", "b{base36}.example.")}}), one)
}

// Another server may send any number of rules that cannot be used: how many are compiled and
// reported is bounded.
func TestUnusedRules(t *testing.T) {
	z := withRanges(t, "8.b.d.0.1.0.0.2.ip6.arpa.", 50, func(i int) string { return fmt.Sprintf("{hex}..c%d.example.", i) })
	if faults := z.RuleFaults(); len(faults) != 21 || faults[20] != "names of ranges are missing for such reasons: of 30 more" {
		t.Errorf("of 50 rules: %d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
	forms := withRanges(t, "example.", 2*synth.MaxForms, func(i int) string { return fmt.Sprintf("x%d-{hex}.example.", i) })
	if faults := forms.RuleFaults(); len(faults) != 21 || faults[20] != "names in ranges are not found for this reason: in 44 more" {
		t.Errorf("of too many forms: %d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
	// So is the number of forms that a name is compared with, in domains that lie in each other.
	nested := withRanges(t, "example.", 4*synth.MaxForms, func(i int) string {
		return fmt.Sprintf("x%d-{hex}.%sexample.", i, strings.Repeat("a.", i/16))
	})
	if faults := nested.RuleFaults(); len(faults) != 21 || faults[20] != "names in ranges are not found for this reason: in 172 more" {
		t.Errorf("of too many forms in nested domains: %d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
	for _, one := range nested.Templates() {
		a := zone.Answer{}
		name := one.Append(nil, one.Prefix().Addr())
		nested.Lookup(name, rr.TypeAAAA, false, &a)
		if isShallow := one.Base().Labels() <= synth.MaxForms/16; isShallow != (a.Kind == zone.Success) {
			t.Errorf("%v: %v", dname.Name(name), a.Kind)
		}
	}
	// Rules whose names lie outside of the zone have no effect on others.
	outside := withRanges(t, "example.", 3, func(i int) string {
		return fmt.Sprintf("x-{hex}.%sexample.%s", []string{"not", "a.", "b."}[i], []string{"", "", "net."}[i])
	})
	for _, one := range outside.Templates() {
		a, name := zone.Answer{}, dname.Name(one.Append(nil, one.Prefix().Addr()))
		if !name.IsAtOrBelow(outside.Apex()) {
			continue
		}
		if outside.Lookup(name, rr.TypeAAAA, false, &a); a.Kind != zone.Success {
			t.Errorf("%v: %v", one, a.Kind)
		}
	}
	huge := withRanges(t, "8.b.d.0.1.0.0.2.ip6.arpa.", 2, func(i int) string { return "{hex}." + strings.Repeat("\x00", 60_000) })
	if faults := huge.RuleFaults(); len(faults) != 2 || len(faults[0]) > 100 {
		t.Errorf("of huge templates: %d faults:\n%.500s", len(faults), strings.Join(faults, "\n"))
	}
	if testing.Short() {
		return
	}
	// So is the memory that they take.
	long := withRanges(t, "8.b.d.0.1.0.0.2.ip6.arpa.", 1<<15, func(i int) string { return "{hex:host}" + strings.Repeat(".a", 100) })
	if faults := long.RuleFaults(); len(faults) != 1 || len(long.Templates()) != 40*synth.MaxRules/101 ||
		faults[0] != "names of ranges are missing: the names of all ranges of a zone have at most 2621440 labels in all, here 3309568" {
		t.Errorf("of many long names %d are made:\n%s", len(long.Templates()), strings.Join(faults, "\n"))
	}
	z = withRanges(t, "8.b.d.0.1.0.0.2.ip6.arpa.", synth.MaxRules, func(i int) string {
		if i%2 == 0 {
			return "{hex}..example."
		}
		return "{hex}.example."
	})
	r := synth.Rule{Prefix: netip.MustParsePrefix("2001:db8::/33"), TTL: 1, Template: "late-{hex}.example."}
	c := zone.Changeset{Added: []zone.Record{{Owner: dname.MustParse("z._ranges.8.b.d.0.1.0.0.2.ip6.arpa."), Type: synth.Type, TTL: 60, Data: r.Append(nil)}}}
	z, err := z.Apply(&c)
	if err != nil {
		t.Fatal(err)
	}
	if faults := z.RuleFaults(); len(faults) != 22 || faults[21] != "names of ranges are missing, of 1: a zone has at most 65536 ranges" {
		t.Errorf("of too many rules: %d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
}

// Names that a rule makes are targets as stored ones are: of additional data (RFC 1034 §4.3.2 step
// 6), at referrals, of aliases; and what is stored, or lies below a cut, comes first.
func TestMadeTargets(t *testing.T) {
	o := zonetest.MustParse("example.net.", `@ SOA a b 1 1 1 1 1
@ NS 192-0-2-1.pool
mx MX 1 192-0-2-2.pool
mx MX 2 2001-db8-0-0-0-0-0-2.pool
mx MX 3 192-0-3-1.pool
_smtp SRV 1 1 25 192-0-2-3.pool
stored MX 1 192-0-2-4.pool
192-0-2-4.pool A 203.0.113.4
aaaa MX 1 192-0-2-5.pool
192-0-2-5.pool AAAA 2001:db8::5
alias CNAME 192-0-2-6.pool
aliased MX 1 192-0-2-7.pool
192-0-2-7.pool CNAME other
sub NS 192-0-2-8.pool
sub NS 192-0-2-10.sub
gone.pool NS ns.example.
cut MX 1 192-0-2-10.gone.pool
`)
	for _, r := range []synth.Rule{
		{Prefix: netip.MustParsePrefix("192.0.2.0/24"), TTL: 300, Template: "{dashed}.pool.example.net"},
		{Prefix: netip.MustParsePrefix("2001:db8::/64"), TTL: 300, Template: "{dashed}.pool.example.net"},
		{Prefix: netip.MustParsePrefix("192.0.2.10/32"), TTL: 300, Template: "{dashed}.sub.example.net"},
		{Prefix: netip.MustParsePrefix("192.0.2.10/31"), TTL: 300, Template: "{dashed}.gone.pool.example.net"},
	} {
		o.Add(zone.Record{Owner: r.Owner(o.Apex), Type: synth.Type, TTL: 60, Data: r.Append(nil)})
	}
	many := dname.MustParse("many.example.net.")
	for i := range 100 {
		target := dname.MustParse(fmt.Sprintf("192-0-2-%d.pool.example.net.", 100+i))
		o.Add(zone.Record{Owner: many, Type: rr.TypeMX, TTL: 60, Data: append([]byte{0, 1}, target...)})
	}
	b := zone.NewBuilder(o.Apex)
	for _, r := range o.Records() {
		b.Add(r)
	}
	z, findings := b.Build()
	without := 0
	for _, f := range findings {
		if f.Rule != "ns-without-address" {
			continue
		}
		if without++; !strings.Contains(f.Text, "192-0-2-10.sub") { // whose address is below the cut
			t.Error(f)
		}
	}
	if without != 1 {
		t.Errorf("%d name servers have no address, want one", without)
	}
	for _, c := range []struct {
		name string
		typ  rr.Type
		want string
	}{
		{"example.net.", rr.TypeNS, "192-0-2-1.pool.example.net. A 192.0.2.1"},
		{"mx.example.net.", rr.TypeMX, "192-0-2-2.pool.example.net. A 192.0.2.2, 2001-db8-0-0-0-0-0-2.pool.example.net. AAAA 2001:db8::2"},
		{"_smtp.example.net.", rr.TypeSRV, "192-0-2-3.pool.example.net. A 192.0.2.3"},
		{"stored.example.net.", rr.TypeMX, "192-0-2-4.pool.example.net. A 203.0.113.4"},
		{"aaaa.example.net.", rr.TypeMX, "192-0-2-5.pool.example.net. A 192.0.2.5, 192-0-2-5.pool.example.net. AAAA 2001:db8::5"},
		{"aliased.example.net.", rr.TypeMX, ""},
		{"x.sub.example.net.", rr.TypeA, "192-0-2-8.pool.example.net. A 192.0.2.8"},
		{"cut.example.net.", rr.TypeMX, ""},
	} {
		var a zone.Answer
		a.Reset()
		z.Lookup(dname.MustParse(c.name), c.typ, false, &a)
		var got []string
		for i := range a.Items {
			if it := &a.Items[i]; it.Section == zone.SectionAdditional {
				got = append(got, fmt.Sprintf("%v %v %s", it.Owner, it.Set.Type, rr.Text(it.Set.Type, it.Set.First(nil))))
			}
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s %v: %s, want %s", c.name, c.typ, strings.Join(got, ", "), c.want)
		}
	}
	var a zone.Answer
	a.Reset()
	z.Lookup(dname.MustParse("alias.example.net."), rr.TypeA, false, &a)
	z.Lookup(a.Next, rr.TypeA, false, &a)
	if len(a.Items) != 2 || a.Items[1].Set.Type != rr.TypeA || a.Kind != zone.Success {
		t.Errorf("a chain into a range: %+v", a.Items)
	}
	a.Reset()
	if z.Lookup(many, rr.TypeMX, false, &a); len(a.Items) != 1+64 { // what an answer costs is bounded
		t.Errorf("addresses of %d of 100 targets, want 64", len(a.Items)-1)
	}
}

// The names between the apex of a forward zone and those of a rule are empty non-terminals, and the
// others are not there.
func TestMadeAbove(t *testing.T) {
	o := zonetest.MustParse("example.net.", "@ SOA a b 1 1 1 1 1\n@ NS a\n")
	r := synth.Rule{Prefix: netip.MustParsePrefix("192.0.2.0/24"), TTL: 300, Template: "{dashed:3}.{dashed:4}.x.dyn.pool.example.net"}
	o.Add(zone.Record{Owner: r.Owner(o.Apex), Type: synth.Type, TTL: 60, Data: r.Append(nil)})
	b := zone.NewBuilder(o.Apex)
	for _, r := range o.Records() {
		b.Add(r)
	}
	z, _ := b.Build()
	for name, want := range map[string]zone.Kind{
		"pool": zone.NoData, "Dyn.pool": zone.NoData, "x.dyn.POOL": zone.NoData, "7.x.dyn.pool": zone.NoData, "2.7.x.dyn.pool": zone.NoData,
		"a.pool": zone.NXDomain, "y.dyn.pool": zone.NXDomain, "256.x.dyn.pool": zone.NXDomain, "3.7.x.dyn.pool": zone.NXDomain, "dyn": zone.NXDomain,
	} {
		var a zone.Answer
		a.Reset()
		z.Lookup(dname.MustParse(name+".example.net."), rr.TypeTXT, false, &a)
		if a.Kind != want {
			t.Errorf("%s: %v, want %v", name, a.Kind, want)
		}
	}
}

// A rule has an owner of its own, unless that would be too long.
func TestRuleOwner(t *testing.T) {
	long := dname.MustParse(strings.Repeat("a123456789012345678901234567890.", 7) + "example.com.")
	for _, c := range []struct {
		prefix string
		apex   dname.Name
		want   string
	}{
		{"192.0.2.0/24", dname.MustParse("2.0.192.in-addr.arpa."), "192-0-2-0-24._ranges.2.0.192.in-addr.arpa."},
		{"2001:db8::/36", dname.MustParse("example."), "2001-db8---36._ranges.example."},
		{"192.0.2.0/24", long, long.String()},
	} {
		r := synth.Rule{Prefix: netip.MustParsePrefix(c.prefix)}
		if got := r.Owner(c.apex).String(); got != c.want {
			t.Errorf("%s in %v: %s, want %s", c.prefix, c.apex, got, c.want)
		}
	}
}

func BenchmarkRanges(b *testing.B) {
	for _, apex := range []string{"8.b.d.0.1.0.0.2.ip6.arpa.", "example.net."} {
		for _, c := range []struct {
			name     string
			template func(i int) string
		}{
			{"same", func(int) string { return "{dashed}.example.net" }},
			{"each", func(i int) string { return fmt.Sprintf("{dashed:host}.c%d.example.net", i) }},
		} {
			z := withRanges(b, apex, 10000, c.template)
			r := synth.Rule{Prefix: netip.MustParsePrefix("2001:db8:ffff::/48"), TTL: 300, Template: "{dashed:host}.other.example.net"}
			add := zone.Changeset{Added: []zone.Record{{Owner: r.Owner(z.Apex()), Type: synth.Type, TTL: 60, Data: r.Append(nil)}}}
			other := zone.Changeset{Added: []zone.Record{{Owner: dname.MustParse("x." + apex), Type: rr.TypeTXT, TTL: 60, Data: []byte("\x01x")}}}
			keys := &synth.Keys{}
			b.Run(apex+"/"+c.name+"/compile", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					keys = &synth.Keys{}
					z.WithKeys(keys)
				}
			})
			b.Run(apex+"/"+c.name+"/add", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := z.Apply(&add); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(apex+"/"+c.name+"/other", func(b *testing.B) {
				for b.Loop() {
					if _, err := z.Apply(&other); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// Names of many labels, which anybody may ask for, are compared with the templates only as far as
// these have so many; what exists above them stays the closest encloser.
func TestMadeBelowLongNames(t *testing.T) {
	o := zonetest.MustParse("example.net.", "@ SOA a b 1 1 1 1 1\n@ NS a\n* TXT y\n*.2-8.pool TXT y\n")
	r := synth.Rule{Prefix: netip.MustParsePrefix("192.0.2.0/24"), TTL: 300, Template: "x.{dashed:3-4}.pool.example.net"}
	o.Add(zone.Record{Owner: r.Owner(o.Apex), Type: synth.Type, TTL: 60, Data: r.Append(nil)})
	b := zone.NewBuilder(o.Apex)
	for _, r := range o.Records() {
		b.Add(r)
	}
	z, _ := b.Build()
	for below, want := range map[string]zone.Kind{
		"2-7.pool": zone.NoData, "x.2-7.pool": zone.NoData, "y.x.2-7.pool": zone.NXDomain, "z.2-7.pool": zone.NXDomain, "z": zone.Success, "z.7-2.pool": zone.NXDomain,
		"y.x.2-8.pool": zone.NXDomain, "z.2-8.pool": zone.Success, // the closest encloser may be a made name
	} {
		for _, front := range []string{"", strings.Repeat("a.", 100), strings.Repeat("1-.", 70)} {
			if front != "" && want == zone.NoData {
				want = zone.NXDomain
			}
			var a zone.Answer
			a.Reset()
			z.Lookup(dname.MustParse(front+below+".example.net."), rr.TypeTXT, false, &a)
			if a.Kind != want {
				t.Errorf("%q below %s: %v, want %v", front, below, a.Kind, want)
			}
		}
	}
}
