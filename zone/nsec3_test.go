package zone_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// Every kind of denial with NSEC3 (RFC 5155 §7.2), by what the NSEC3 RRsets prove:
// "=x" matches x, "~x" covers it.
func TestNSEC3(t *testing.T) {
	for _, how := range []zonetest.Denial{{NSEC3: true}, {NSEC3: true, Iterations: 2, Salt: "\x01\x02"}, {NSEC3: true, OptOut: true}} {
		o := zonetest.MustSign(zonetest.MustParse("2.0.192.in-addr.arpa.", signedText), 1, how)
		z := build(t, o, o.Records())
		for _, c := range []struct {
			qname, qtype string
			kind         zone.Kind
			proof        string
		}{
			{"1", "PTR", zone.Success, ""},
			{"1", "TXT", zone.NoData, "=1"},
			{"@", "DS", zone.NoData, "=@"},
			{"e", "PTR", zone.NoData, "=e"}, // §7.1: an empty non-terminal has one
			{"*.v", "TXT", zone.NoData, "=*.v"},
			{"11", "PTR", zone.NXDomain, "=@ ~11 ~*"},
			{"x.y.11", "PTR", zone.NXDomain, "=@ ~11 ~*"},
			{"x.y.1", "PTR", zone.NXDomain, "=1 ~y.1 ~*.1"},
			{"b.e", "PTR", zone.NXDomain, "=e ~b.e ~*.e"},
			{"q.w", "PTR", zone.Success, "~q.w"},   // §7.2.6
			{"p.q.w", "PTR", zone.Success, "~q.w"}, // the next closer name, not QNAME
			{"q.w", "TXT", zone.NoData, "=w ~q.w =*.w"},
			{"p.q.v", "TXT", zone.NoData, "=v ~q.v =*.v"},
			{"q.u", "PTR", zone.Success, "~q.u"},
			{"3", "PTR", zone.Success, ""},
			{"x.4", "PTR", zone.Success, ""},
			{"6", "DS", zone.Success, ""},
			{"x.6", "PTR", zone.Referral, ""},
			{"5", "DS", zone.NoData, "=5"},
			{"x.5", "PTR", zone.Referral, "=5"},
			{"y.x.5", "DS", zone.Referral, "=5"},
		} {
			if how.OptOut && strings.HasPrefix(c.proof, "=5") {
				c.proof = "=@ ~5" // §7.2.7: the closest provable encloser
			}
			name := func(s string) dname.Name {
				n, err := dname.ParseIn(s, o.Apex)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			var want []string
			for _, p := range strings.Fields(c.proof) {
				hash := zonetest.Hash(name(p[1:]), how.Salt, how.Iterations)
				if p[0] == '~' {
					hash = previousHash(o, hash)
				}
				want = append(want, hash)
			}
			slices.Sort(want)
			qtype, _ := rr.ParseType(c.qtype)
			var a zone.Answer
			a.Reset()
			z.Lookup(name(c.qname), qtype, true, &a)
			var got []string
			for _, it := range a.Items {
				if it.Set.Type == rr.TypeNSEC3 {
					got = append(got, string(it.Owner.Label()))
					if it.Set.Sigs() == 0 || it.Section != zone.SectionAuthority {
						t.Errorf("%s %s: NSEC3 in section %d with %d signatures", c.qname, c.qtype, it.Section, it.Set.Sigs())
					}
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, slices.Compact(want)) || a.Kind != c.kind {
				t.Errorf("%+v: %s %s: %s with %q, want %s with %q (%s)", how, c.qname, c.qtype,
					zonetest.KindText(a.Kind), got, zonetest.KindText(c.kind), want, c.proof)
			}
			ask(t, z, o, &a, name(c.qname), qtype, true)
			ask(t, z, o, &a, name(c.qname), qtype, false)
		}
		// §7.2.8: the owners of NSEC3 are no names.
		var a zone.Answer
		for _, owner := range o.Owners() {
			if o.Get(owner, rr.TypeNSEC3) == nil {
				continue
			}
			for _, qtype := range []rr.Type{rr.TypeNSEC3, rr.TypeANY, rr.TypeRRSIG, rr.TypePTR} {
				a.Reset()
				z.Lookup(owner, qtype, true, &a)
				if a.Kind != zone.NXDomain {
					t.Errorf("%v %v: %s, want nxdomain", owner, qtype, zonetest.KindText(a.Kind))
				}
			}
			if set, ok := z.Get(owner, rr.TypeNSEC3); !ok || set.Len() != 1 || set.Sigs() != 1 {
				t.Errorf("Get of NSEC3 at %v: %v", owner, ok)
			}
		}
	}
}

// previousHash returns the greatest hash of the chain before the given one, the
// last of all where there is none.
func previousHash(o *zonetest.Oracle, hash string) string {
	best, last := "", ""
	for _, owner := range o.Owners() {
		if o.Get(owner, rr.TypeNSEC3) == nil {
			continue
		}
		h := string(owner.Label())
		if h < hash && h > best {
			best = h
		}
		last = max(last, h)
	}
	if best == "" {
		return last
	}
	return best
}

// While the parameters change, a zone holds NSEC3 of two chains; denials are made
// from one whose NSEC3PARAM is there (RFC 5155 §7.2, §7.3). NSEC3PARAM without a
// chain proves nothing.
func TestNSEC3TwoChains(t *testing.T) {
	plain := zonetest.MustParse("2.0.192.in-addr.arpa.", signedText)
	o := zonetest.MustSign(plain, 1, zonetest.Denial{NSEC3: true, Salt: "\x01"})
	var other []zone.Record
	for _, r := range zonetest.MustSign(plain, 1, zonetest.Denial{NSEC3: true, Salt: "\x02"}).Records() {
		if r.Type == rr.TypeNSEC3 || r.Type == rr.TypeRRSIG && r.Data[1] == byte(rr.TypeNSEC3) {
			other = append(other, r)
		}
	}
	o.Add(other...)
	g := zonetest.NewRandom(1)
	askAll(t, g, build(t, o, o.Records()), o, 1)

	o = zonetest.MustSign(plain, 1, zonetest.Denial{NSEC3: true, Salt: "\x01"})
	for _, owner := range slices.Clone(o.Owners()) {
		if o.Get(owner, rr.TypeNSEC3) != nil {
			o.Remove(owner, rr.TypeNSEC3)
		}
	}
	o.Add(other...)
	var a zone.Answer
	a.Reset()
	build(t, o, o.Records()).Lookup(dname.MustParse("99.2.0.192.in-addr.arpa."), rr.TypePTR, true, &a)
	for _, it := range a.Items {
		if it.Set.Type == rr.TypeNSEC3 {
			t.Error("NSEC3 of a chain without NSEC3PARAM in a denial")
		}
	}
}
