package assemble

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// ofAllKinds has ranges with all that takes precedence over their names, and is completed by a mode.
const ofAllKinds = `
keys: [{name: k, secret: c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE=}]
defaults: {nameservers: [ns1.example.com], synth_transfer: %s}
listen: {dns: ["127.0.0.1:5300"]}
state_dir: state
zones:
  - prefix: 192.0.2.0/24
    file: reverse.zone
    update: 127.0.0.1
    delegate:
      - {prefix: 192.0.2.32/29, nameservers: ns.customer.example}
      - {prefix: 192.0.2.40/32, nameservers: ns.customer.example}
    synth:
      - {range: 192.0.2.0/25, name: "{dashed}.pool.example.net", ttl: 5m}
      - {range: 192.0.2.16/28, name: "h{padded}.inner.pool.example.net"}
      - {range: 192.0.2.20/32, name: "one-{dashed}.example.net"}
      - {range: 192.0.2.240/28, name: "{permuted}.p.example.net", key: k}
  - prefix: 192.0.2.64/27
    synth: [{range: 192.0.2.64/28, name: "c{dotted}.classless.example.net"}]
  - prefix: 2001:db8::/120
    synth:
      - {range: "2001:db8::/122", name: "{dashed}.pool.example.net"}
      - {range: "2001:db8::c0/123", name: "{reversed:host}.six.example.net"}
  - {name: example.net, file: forward.zone}
  - {name: delegated.pool.example.net}
`

const ofAllKindsFiles = `
-- reverse.zone --
1 PTR static.example.
2 TXT with
3 CNAME elsewhere.example.
x.4 PTR below.example.
*.5 PTR wild.example.
6 NS ns.customer.example.
7 DNAME seven.example.
* PTR wild.example.
-- forward.zone --
192-0-2-1.pool A 198.51.100.1
192-0-2-2.pool TXT with
192-0-2-3.pool CNAME elsewhere.example.
x.192-0-2-4.pool A 198.51.100.4
*.192-0-2-5.pool A 198.51.100.5
192-0-2-6.pool NS ns.customer.example.
192-0-2-7.pool DNAME seven.example.
*.pool TXT wild
inner.pool DNAME inner.example.
2.0.192 NS ns.customer.example.
`

// readAnswer returns what a set answers, without additional records.
func readAnswer(set *zone.Set, name dname.Name, t rr.Type, a *zone.Answer) string {
	var b strings.Builder
	z := set.Find(name)
	a.Reset()
	z.Lookup(name, t, false, a)
	fmt.Fprint(&b, z.Apex(), a.Kind, a.Next)
	for i := range a.Items {
		it := &a.Items[i]
		if it.Section != zone.SectionAdditional && it.Set.Type != rr.TypeSOA {
			fmt.Fprint(&b, " ", it.Section, it.Owner, it.TTL, it.Set.Type)
			for data := range it.Set.Values() {
				fmt.Fprint(&b, " ", rr.Text(it.Set.Type, data))
			}
		}
	}
	return b.String()
}

// A zone with the records of its ranges answers as one with their rules does, for all of their names and
// those around, whatever else has these names.
func TestModesAnswerAlike(t *testing.T) {
	layer := []commit.RRset{
		{Owner: dname.MustParse("8.2.0.192.in-addr.arpa."), Type: rr.TypePTR, TTL: 60, Data: [][]byte{dname.MustParse("dynamic.example.")}},
		{Owner: dname.MustParse("9.2.0.192.in-addr.arpa."), Type: rr.TypeCNAME, TTL: 60, Data: [][]byte{dname.MustParse("dynamic.example.")}},
		{Owner: dname.MustParse("10.2.0.192.in-addr.arpa."), Type: rr.TypeNS, TTL: 60, Data: [][]byte{dname.MustParse("dynamic.example.")}},
		{Owner: dname.MustParse("11.2.0.192.in-addr.arpa."), Type: rr.TypeTXT, TTL: 60, Data: [][]byte{{1, 'x'}}},
	}
	serve := func(mode string) *zone.Set {
		l := newLab(t, "-- ptrd.yaml --\n"+fmt.Sprintf(ofAllKinds, mode)+ofAllKindsFiles)
		l.a.o.Dynamic = func(apex dname.Name) (list []commit.RRset, err error) {
			for _, s := range layer {
				if s.Owner.IsAtOrBelow(apex) {
					list = append(list, s)
				}
			}
			return list, nil
		}
		p := l.reload()
		if p.HasErrors() {
			t.Fatal(l.text(p.Findings))
		}
		return l.store.Set()
	}
	sets := map[string]*zone.Set{"materialize": serve("materialize"), "omit": serve("omit")}
	rules := serve("rule")
	for mode, set := range sets {
		for z := range set.All() {
			if z.HasRules() != (mode == "omit" && rules.Get(z.Apex()).HasRules()) {
				t.Errorf("%s: zone %v has rules: %v", mode, z.Apex(), z.HasRules())
			}
			for r := range z.All() {
				if r.Type == synth.Type {
					t.Errorf("%s: zone %v has a rule at %v", mode, z.Apex(), r.Owner)
				}
			}
		}
	}

	names := map[string]dname.Name{}
	add := func(name dname.Name) {
		for ; name.Labels() > 2; name = name.Parent() {
			names[name.Key()] = name
			if below, err := name.Prepend([]byte("q")); err == nil {
				names[below.Key()] = below
			}
			if next, err := name.Parent().Prepend(append([]byte("0"), name.Label()...)); err == nil {
				names[next.Key()] = next
			}
		}
	}
	for _, whole := range []string{"192.0.2.0/24", "2001:db8::/120"} {
		p := netip.MustParsePrefix(whole)
		for a := p.Addr(); p.Contains(a); a = a.Next() {
			add(dname.FromAddr(a))
			for z := range rules.All() {
				for _, template := range z.Templates() {
					if template.Prefix().Contains(a) {
						add(template.Append(nil, a))
					}
				}
			}
		}
	}
	for z := range sets["materialize"].All() {
		for r := range z.All() {
			add(r.Owner.Clone())
		}
	}
	made := 0
	var a zone.Answer
	for _, name := range names {
		if rules.Find(name) == nil || name.IsAtOrBelow(dname.MustParse("_ranges."+rules.Find(name).Apex().String())) {
			continue
		}
		types := []rr.Type{rr.TypePTR, rr.TypeA, rr.TypeAAAA, rr.TypeTXT, rr.TypeCNAME, rr.TypeNS, rr.TypeDS}
		if len(slices.Collect(rules.Find(name).RRsets(name))) == 0 {
			types = append(types, rr.TypeANY) // else any RRset answers it (RFC 8482 §4.1)
		}
		for _, typ := range types {
			want := readAnswer(rules, name, typ, &a)
			for mode, set := range sets {
				if got := readAnswer(set, name, typ, &a); got != want {
					t.Errorf("%v %v: %s with the mode %s, %s with rules", name, typ, got, mode, want)
				}
			}
		}
		if r, _, isHidden := rules.Find(name).MadeAt(name); r.Owner != nil && !isHidden {
			made++
		}
	}
	if made < 400 {
		t.Errorf("only %d names are made", made)
	}
	records := 0
	for z := range sets["materialize"].All() {
		for r := range z.All() {
			if _, own := rules.Get(z.Apex()).Get(r.Owner, r.Type); !own {
				records++
			}
		}
	}
	// The update with a delegation occludes one record.
	if records != made+1 {
		t.Errorf("%d names of ranges, and %d records of them", made, records)
	}
}

// What the mode changes, and when.
func TestMaterialize(t *testing.T) {
	config := func(mode, limit, template string) string {
		return fmt.Sprintf("-- ptrd.yaml --\nlimits: {materialize: %s}\nzones:\n  - prefix: 192.0.2.0/24\n    synth_transfer: %s\n    synth: [{range: 192.0.2.0/30, name: \"%s.example.net\"}]\n    ptr: {192.0.2.1: own.example}\n", limit, mode, template)
	}
	const apex = "2.0.192.in-addr.arpa."
	const servers = "@ 86400 NS ns1.example.com.\n@ 86400 NS ns2.example.net.\n"
	l := newLab(t, config("materialize", "4", "{dashed}"))
	l.expect(l.reload().Findings, "")
	l.holds(apex, servers+"0 3600 PTR 192-0-2-0.example.net.\n1 3600 PTR own.example.\n2 3600 PTR 192-0-2-2.example.net.\n3 3600 PTR 192-0-2-3.example.net.\n")
	serial := l.serial(apex)
	l.now += 100
	if p := l.plan(); len(p.Batch.Changes)+len(p.Batch.Layers) > 0 || p.Reused != 1 {
		t.Errorf("the second plan changes %v; %d reused", p.Batch, p.Reused)
	}
	l.restart()
	l.reload()
	if l.serial(apex) != serial {
		t.Error("the serial changed with a restart")
	}

	l.write(config("materialize", "4", "x-{dashed}"))
	p := l.reload()
	if steps := p.Batch.Changes[0].Steps; len(steps) != 1 || len(steps[0].Changeset.Removed) != 4 || len(steps[0].Changeset.Added) != 4 {
		t.Errorf("steps %+v", steps)
	}
	before := dump(l.zone(apex))
	l.write(config("materialize", "3", "y-{dashed}"))
	p = l.reload()
	l.expect(p.Findings, "error: ptrd.yaml:8:13: zone 2.0.192.in-addr.arpa. has names of 4 addresses in its ranges, and limits.materialize allows 3 records of them; make the ranges smaller, raise the limit, or write `synth_transfer: rule`, so that secondaries that run ptrd have the names, or `omit`")
	if after := dump(l.zone(apex)); after != before || !p.Broken[0].LastGood {
		t.Errorf("after an error the zone has\n%s", after)
	}
	l.write(config("omit", "3", "y-{dashed}"))
	l.expect(l.reload().Findings, "")
	l.holds(apex, servers+"1 3600 PTR own.example.\n")
	serial = l.serial(apex)
	l.write(config("omit", "3", "z-{dashed}"))
	if p := l.reload(); len(p.Batch.Changes) > 0 || len(p.Batch.Layers) != 1 || l.serial(apex) != serial {
		t.Errorf("another rule that is omitted changes %v", p.Batch)
	}
	if r, _, _ := l.zone(apex).MadeAt(dname.MustParse("2." + apex)); !strings.Contains(dname.Name(r.Data).String(), "z-192-0-2-2") {
		t.Errorf("made is %v", r)
	}
}

// A name server whose address is made by a range has one, whatever the zone transfers of it.
func TestNameServersInRanges(t *testing.T) {
	for _, zone := range []string{"synth_transfer: rule", "synth_transfer: omit", "synth_transfer: materialize", "dynamic: {}"} {
		for _, template := range []string{`"{dashed}.example.net"`, `"{permuted}.example.net", key: k`} {
			config := func(ns string) string {
				return fmt.Sprintf(`-- ptrd.yaml --
keys: [{name: k, secret: c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE=}]
zones:
  - {prefix: 192.0.2.0/28, synth: [{range: 192.0.2.0/28, name: %s}]}
  - {name: example.net, nameservers: "%s", %s}
`, template, ns, zone)
			}
			l := newLab(t, config("ns1.example.com"))
			l.reload()
			r, _, _ := l.zone("0-15.2.0.192.in-addr.arpa").MadeAt(dname.MustParse("1.0-15.2.0.192.in-addr.arpa"))
			for ns, isMade := range map[string]bool{dname.Name(r.Data).String(): true, "192-0-2-16.example.net.": false} {
				l := newLab(t, config(ns))
				if text := l.text(l.reload().Findings); strings.Contains(text, "has no address here") == isMade {
					t.Errorf("%s, %s, %s: %s", zone, template, ns, text)
				}
			}
		}
	}
}

// Signed zones have no names without signatures.
func TestSignedRanges(t *testing.T) {
	for _, mode := range []string{"rule", "materialize", "omit"} {
		l := newLab(t, "-- ptrd.yaml --\nzones: [{prefix: 192.0.2.0/24, file: z, synth_transfer: "+mode+", synth: [{range: 192.0.2.0/24, name: \"{dashed}.example.net\"}]}]\n-- z --\n"+withSOA(1, "@ DNSKEY 256 3 13 AAAA\n@ RRSIG SOA 13 4 60 20300101000000 20200101000000 1 2.0.192.in-addr.arpa. AAAA\n"+
			"@ NSEC @ SOA NS RRSIG NSEC DNSKEY\n@ RRSIG NSEC 13 4 60 20300101000000 20200101000000 1 2.0.192.in-addr.arpa. AAAA\n"))
		p := l.reload()
		if !p.HasErrors() || !strings.Contains(l.text(p.Findings), "would have no signatures") {
			t.Errorf("%s: %s", mode, l.text(p.Findings))
		}
	}
}

// Records of ranges do not count for max_shrink: they may go, and do not hide that others go.
func TestShrunkRanges(t *testing.T) {
	config := func(mode string) string {
		return "-- ptrd.yaml --\nzones: [{prefix: 192.0.0.0/16, file: z, synth_transfer: " + mode + ", synth: [{range: 192.0.0.0/21, name: \"{dashed}.example.net\"}]}]\n"
	}
	own := func(n int) string { return fmt.Sprintf("-- z --\n$GENERATE 1-%d $ TXT x\n", n) }
	l := newLab(t, config("materialize")+own(2000))
	l.reload()
	l.write(own(900))
	if p := l.reload(); len(p.Held) != 1 || p.Held[0].Before != 2003 || p.Held[0].After != 903 {
		t.Errorf("held are %v", p.Held)
	}
	l.write(own(2000) + config("omit"))
	if p := l.reload(); len(p.Held) != 0 || l.zone("0.192.in-addr.arpa.").Stats().Records != 2003 {
		t.Errorf("held are %v", p.Held)
	}
}
