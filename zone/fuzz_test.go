package zone_test

import (
	"sync"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// nasty are the zones that FuzzLookup asks, built once.
var nasty = sync.OnceValue(func() (out []pair) {
	for i, text := range []string{
		signedText + "01 PTR a.b.\n256 PTR a.b.\na TXT a\nab TXT ab\nabc TXT abc\n* TXT star\na.*.s TXT x\n*.*.s TXT x\n\\000 TXT x\n\\001\\000 TXT x\n\\255 TXT x\n",
		soaNS + "b.a PTR x.y.\nc.a NS ns.c.a\nns.c.a A 192.0.2.1\n*.b PTR x.y.\nd DNAME @\n10 PTR x.y.\nf0 PTR x.y.\n0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR x.y.\nz.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR x.y.\n",
	} {
		for j, how := range []*zonetest.Denial{nil, {}, {NSEC3: true}, {NSEC3: true, OptOut: true}} {
			apex := []string{"2.0.192.in-addr.arpa.", "b.d.0.1.0.0.2.ip6.arpa."}[i]
			if j == 0 {
				apex = []string{"example.", "arpa."}[i]
			}
			o := zonetest.MustParse(apex, text)
			if how != nil {
				o = zonetest.MustSign(o, 1, *how)
			}
			b := zone.NewBuilder(o.Apex)
			for _, r := range o.Records() {
				b.Add(r)
			}
			z, findings := b.Build()
			if z == nil {
				panic(findings)
			}
			out = append(out, pair{z, o})
		}
	}
	return out
})

type pair struct {
	z *zone.Zone
	o *zonetest.Oracle
}

// FuzzLookup asks any name below the apexes of nasty zones for any type.
func FuzzLookup(f *testing.F) {
	f.Add("1", uint16(12))
	f.Add("x.1", uint16(12))         // below an address
	f.Add("01", uint16(12))          // no octet
	f.Add("\\000.1", uint16(16))     // an octet that sorts first
	f.Add("1.0/25", uint16(12))      // classless, below a cut
	f.Add("5", uint16(43))           // DS at a cut
	f.Add("x.y.4", uint16(1))        // below a DNAME
	f.Add("q.w", uint16(16))         // NODATA at a wildcard
	f.Add("x.*.s", uint16(16))       // a wildcard below a wildcard
	f.Add("F.0.0", uint16(12))       // an empty non-terminal's sibling
	f.Add("3", uint16(255))          // ANY at a CNAME
	f.Add("3", uint16(46))           // RRSIG at a CNAME
	f.Add("\\255.\\255", uint16(47)) // the last of all
	f.Add("abcd", uint16(50))        // longer than its siblings
	f.Fuzz(func(t *testing.T, name string, qtype uint16) {
		if rr.Type(qtype).IsMeta() && rr.Type(qtype) != rr.TypeANY {
			return
		}
		var a zone.Answer
		for _, p := range nasty() {
			qname, err := dname.ParseIn(name, p.o.Apex)
			if err != nil || !qname.IsAtOrBelow(p.o.Apex) {
				return
			}
			ask(t, p.z, p.o, &a, qname, rr.Type(qtype), false)
			ask(t, p.z, p.o, &a, qname, rr.Type(qtype), true)
		}
	})
}

// FuzzApplyReverse makes a zone and edits from a seed, which the fuzzer chooses,
// and adds records of a name that it writes itself.
func FuzzApplyReverse(f *testing.F) {
	f.Add(uint64(1), "10", uint16(12), []byte("\x01a\x00"))                  // a PTR in short form
	f.Add(uint64(4), "01.10", uint16(16), []byte("\x01x"))                   // an ordinary label below an address
	f.Add(uint64(13), "\\000.\\001", uint16(65280), []byte{})                // empty RDATA
	f.Add(uint64(14), "F.f.F", uint16(2), []byte("\x02ns\x00"))              // a cut
	f.Add(uint64(23), "*.x", uint16(39), []byte("\x00"))                     // a DNAME
	f.Add(uint64(9), "@", uint16(6), []byte("\x00\x0012345678901234567890")) // a second SOA
	f.Fuzz(func(t *testing.T, seed uint64, name string, qtype uint16, data []byte) {
		g, o, again := randomZone(seed)
		z := build(t, o, g.Shuffled(o))
		edited := again(g.Edit(o))
		c := zonetest.Diff(o, edited)
		if owner, err := dname.ParseIn(name, o.Apex); err == nil && edited.Get(owner, rr.Type(qtype)) == nil {
			c.Added = append(c.Added, zone.Record{Owner: owner, Type: rr.Type(qtype), TTL: 60, Data: data})
		}
		next, err := z.Apply(c)
		check(t, z)
		sameContent(t, z, o)
		if err != nil {
			return
		}
		check(t, next)
		back, err := next.Apply(c.Reverse())
		if err != nil {
			t.Fatalf("reverse: %v", err)
		}
		check(t, back)
		sameContent(t, back, o)
		if back.Digest() != z.Digest() {
			t.Fatal("the digest does not come back")
		}
	})
}
