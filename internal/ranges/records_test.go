package ranges

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
	"github.com/ptrd/ptrd/zone/zonetest"
)

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("config.yaml", []byte("defaults: {nameservers: ns1.example.com}\nkeys: [{name: k, secret: c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE=}]\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// The records of random ranges are those of a model that looks at each address, and as many as
// are counted.
func TestRecords(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		whole := netip.MustParsePrefix([]string{"192.0.2.0/24", "192.0.2.64/26", "192.0.2.0/23", "2001:db8::/118"}[random.IntN(4)])
		used := map[netip.Prefix]string{}
		var text strings.Builder
		fmt.Fprintf(&text, "zones:\n  - {name: example.net}\n  - prefix: %v\n    synth:\n", whole)
		for i := range 1 + random.IntN(12) {
			size := whole.Addr().BitLen()
			bits := whole.Bits() + random.IntN(size-whole.Bits()+1)
			a := whole.Addr()
			for range random.IntN(1 << min(size-whole.Bits(), 10)) {
				a = a.Next()
			}
			p := netip.PrefixFrom(a, bits).Masked()
			if used[p] != "" {
				continue
			}
			field, key := "{dashed}", ""
			if random.IntN(4) == 0 {
				field, key = "{permuted}", ", key: k"
			}
			used[p] = fmt.Sprintf("x%d-%s.example.net", i, field)
			fmt.Fprintf(&text, "      - {range: \"%v\", name: \"%s\"%s}\n", p, used[p], key)
		}
		cfg := parse(t, text.String())
		keys := cfg.SynthKeys()
		r := New(cfg)
		templates := map[netip.Prefix]*synth.Template{}
		for p, name := range used {
			var err error
			if templates[p], err = synth.New(name, p, keys["k."]); err != nil {
				t.Fatal(err)
			}
		}
		var reverse, forward []string
		for a := whole.Addr(); whole.Contains(a); a = a.Next() {
			var longest *synth.Template
			for p, template := range templates {
				if !p.Contains(a) {
					continue
				}
				forward = append(forward, fmt.Sprintf("%v %v", dname.Name(template.Append(nil, a)), a))
				if longest == nil || longest.Prefix().Bits() < p.Bits() {
					longest = template
				}
			}
			if longest != nil {
				owner, _, _ := cfg.Zones[1].Owner(a)
				reverse = append(reverse, fmt.Sprintf("%v %v", owner, dname.Name(longest.Append(nil, a))))
			}
		}
		compare := func(apexes []dname.Name, want []string) {
			t.Helper()
			var got []string
			count := new(big.Int)
			for _, apex := range apexes {
				count.Add(count, r.Count(apex))
				for rec := range r.Records(apex, keys) {
					got = append(got, fmt.Sprintf("%v %v", rec.Owner, rr.Text(rec.Type, rec.Data)))
					if len(got)%16 != 0 {
						continue
					}
					at, pos, ok := r.At(apex, rec.Owner, keys)
					if !rec.Owner.IsAtOrBelow(apex) || !ok || pos.Line == 0 || at.TTL != rec.TTL || !bytes.Equal(at.Data, rec.Data) {
						t.Errorf("%v in %v: %v", rec.Owner, apex, at)
					}
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) || count.Cmp(big.NewInt(int64(len(want)))) != 0 {
				t.Errorf("%s: %d records, counted %v, want %d\n%s\nbut want\n%s", text.String(), len(got), count, len(want), strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		compare(cfg.Zones[0].Apexes, forward)
		compare(cfg.Zones[1].Apexes, reverse)
	}
}

func TestCount(t *testing.T) {
	r := New(parse(t, `zones:
  - prefix: 2001:db8::/32
    synth:
      - {range: "2001:db8:4000::/36", name: "{dashed}.a.example.net"}
      - {range: "2001:db8:4000::/64", name: "{dashed}.b.example.net"}
      - {range: "2001:db8::1/128", name: "{dashed}.c.example.net"}
  - {name: example.net}
  - {name: b.example.net}
`))
	for apex, want := range map[string]string{
		"8.b.d.0.1.0.0.2.ip6.arpa": "4951760157141521099596496897", // 2^92 + 1
		"example.net":              "4951760157141521099596496897",
		"b.example.net":            "18446744073709551616",
		"example.org":              "0",
	} {
		if got := r.Count(dname.MustParse(apex)).String(); got != want {
			t.Errorf("%s: %s, want %s", apex, got, want)
		}
	}
}

// Rules are attached to zones that are kept, to a zone of the configuration only if it omits them.
func TestAttach(t *testing.T) {
	r := New(parse(t, `zones:
  - prefix: 192.0.2.0/24
    synth:
      - {range: 192.0.2.0/25, name: "{dashed}.a.example.net"}
      - {range: 192.0.2.128/25, name: "{dashed}.example.org"}
  - {name: example.net, synth_transfer: omit}
  - {name: example.org, dynamic: {}}
`))
	for _, c := range []struct {
		apex  string
		rules int
		kept  int
	}{
		{"example.net", 1, 1}, {"a.example.net", 0, 1}, {"b.example.net", 0, 0}, {"x.a.example.net", 0, 0},
		{"example.org", 0, 1}, {"org", 0, 1}, {"net", 0, 1}, {".", 0, 2}, {"2.0.192.in-addr.arpa", 0, 0},
	} {
		for _, isKept := range []bool{false, true} {
			want := map[bool]int{false: c.rules, true: c.kept}[isKept]
			if got := len(r.attached(dname.MustParse(c.apex).Key(), isKept)); got != want {
				t.Errorf("%s, kept %v: %d rules, want %d", c.apex, isKept, got, want)
			}
		}
	}
	var none *Ranges
	if z := zone.Unavailable(dname.MustParse("example.net"), "a test"); none.Attach(z, true) != z {
		t.Error("without ranges, the zone is another")
	}
	builder := zone.NewBuilder(dname.MustParse("example.net"))
	for _, rec := range zonetest.MustParse("example.net", "@ SOA a a 1 1 1 1 1\n@ NS a\n").Records() {
		builder.Add(rec)
	}
	base, findings := builder.Build()
	if base == nil {
		t.Fatal(findings)
	}
	if !r.Attach(base, true).HasRules() {
		t.Error("a kept zone has no rules")
	}
	b := &zone.Batch{Changes: []zone.Change{{Zone: base, Apex: base.Apex(), Kept: true, Verbatim: true}}}
	if r.Complete(b); b.Changes[0].Zone != base {
		t.Error("a secondary zone has rules that its primary does not have")
	}
	// The rules of a zone that is signed meanwhile are not used, and go with the ranges all the same.
	signatures, err := zonetest.ParseRecords("example.net", "@ DNSKEY 257 3 13 AAAA\n@ NSEC @ NS SOA\n@ 1 RRSIG SOA 13 2 1 20300101000000 20200101000000 1 @ AAAA\n")
	if err != nil {
		t.Fatal(err)
	}
	change := func(z *zone.Zone, c zone.Changeset) *zone.Zone {
		next, err := z.Apply(&c)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	signed := change(r.Attach(base, true), zone.Changeset{Apex: base.Apex(), Added: signatures})
	if signed.HasRules() {
		t.Fatal("a signed zone has rules")
	}
	if change(none.Attach(signed, true), zone.Changeset{Apex: base.Apex(), Removed: signatures}).HasRules() {
		t.Error("a zone has rules after its ranges went")
	}
}
