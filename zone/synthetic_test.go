package zone_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
	"github.com/ptrd/ptrd/zone/zonetest"
)

var testKeys = synth.Keys{"k": []byte("0123456789abcdef")}

// randomRules returns rules whose names suit the zone at apex, none of which can meet another.
func randomRules(g *zonetest.Random, apex dname.Name) (rules []synth.Rule, templates []*synth.Template) {
	prefixes := []string{"192.0.2.0/24", "192.0.2.64/26", "192.0.2.64/30", "192.0.0.0/22", "192.0.2.1/32", "192.0.2.0/25", "2001:db8::/120", "2001:db8:8000::fff0/124", "2001:db8::1/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff0/124", "192.0.1.128/25"}
	texts := []string{"{dashed}.pool.%s", "{dotted}.%s", "h{hex}.%s", "{padded:host}.%s", "{permuted}.b.%s", "{reversed:host}.net.%s"}
	base := apex.String()
	if f, _, _ := dname.Tree(apex); f != dname.Forward {
		base = "example."
	} else if base == "." {
		base = "x."
	}
	for range 1 + g.IntN(4) {
		p := netip.MustParsePrefix(prefixes[g.IntN(len(prefixes))])
		text := fmt.Sprintf(texts[g.IntN(len(texts))], base)
		t, err := synth.New(text, p, testKeys["k"])
		if err != nil {
			continue
		}
		meets := false
		for _, other := range templates {
			_, meet := synth.Meet(t, other)
			meets = meets || meet || t.Prefix() == other.Prefix()
		}
		if !meets {
			templates = append(templates, t)
			rules = append(rules, synth.Rule{Prefix: p, TTL: uint32(g.IntN(1000)), Key: "k", KeyTag: testKeys.Tag("k"), Template: text})
		}
	}
	return rules, templates
}

// underlay adds to the Oracle all records that the rules make.
func underlay(o *zonetest.Oracle, rules []synth.Rule, templates []*synth.Template) {
	owners := map[netip.Addr]int{}
	for i, t := range templates {
		for a := t.Prefix().Addr(); a.IsValid() && t.Prefix().Contains(a); a = a.Next() {
			if old, ok := owners[a]; !ok || templates[old].Prefix().Bits() < t.Prefix().Bits() {
				owners[a] = i
			}
		}
	}
	family, address, rest := dname.Tree(o.Apex)
	for a, i := range owners {
		reverse := dname.FromAddr(a)
		if family != dname.Forward {
			if rest > 0 && family == dname.InAddr && address == 3 { // the label of the address in a classless zone
				if reverse.Parent().Equal(o.Apex.Suffix(5)) {
					reverse, _ = o.Apex.Prepend(reverse.Label())
					o.Underlay(zone.Record{Owner: reverse, Type: rr.TypePTR, TTL: rules[i].TTL, Data: templates[i].Append(nil, a)})
				}
			} else if reverse.IsAtOrBelow(o.Apex) {
				o.Underlay(zone.Record{Owner: reverse, Type: rr.TypePTR, TTL: rules[i].TTL, Data: templates[i].Append(nil, a)})
			}
		}
	}
	if family != dname.Forward {
		return
	}
	for i, t := range templates {
		for a := t.Prefix().Addr(); a.IsValid() && t.Prefix().Contains(a); a = a.Next() {
			typ := rr.TypeAAAA
			if a.Is4() {
				typ = rr.TypeA
			}
			if name := dname.Name(t.Append(nil, a)); name.IsAtOrBelow(o.Apex) {
				o.Underlay(zone.Record{Owner: name, Type: typ, TTL: rules[i].TTL, Data: a.AsSlice()})
			}
		}
	}
}

// A zone with rules answers as the zone that has all of their records would, whether the rules are
// records at its apex or no part of its data.
func TestSyntheticOracle(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g := zonetest.NewRandom(seed)
		apexes := zonetest.Apexes()
		apex := dname.MustParse(apexes[int(seed)%len(apexes)])
		stored := g.Zone(apex, 3+g.IntN(40))
		rules, templates := randomRules(g, apex)
		var attached [][]byte
		for _, r := range rules {
			if g.IntN(2) == 0 {
				attached = append(attached, r.Append(nil))
				continue
			}
			owner := stored.Apex // as earlier versions
			if g.IntN(4) > 0 {
				owner = r.Owner(stored.Apex)
			}
			stored.Add(zone.Record{Owner: owner, Type: synth.Type, TTL: 60, Data: r.Append(nil)})
		}
		z := build(t, stored, g.Shuffled(stored)).WithKeys(&testKeys)
		if digest := z.Digest(); len(attached) > 0 { // a change leaves them
			z = z.WithRules(attached).WithSerial(z.Serial() + 1).WithSerial(z.Serial())
			if z.Digest() != digest || z.WithRules(attached) != z {
				t.Fatal("attached rules are data")
			}
		}
		whole := stored.Clone()
		underlay(whole, rules, templates)
		askAll(t, g, z, whole, max(1, len(whole.Owners())/100))
	})
}
