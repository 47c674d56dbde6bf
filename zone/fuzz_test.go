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

// FuzzApplyReverse runs a program of changes over a nasty zone: an octet below 128
// removes the record that the next octet counts to, one above adds a record whose
// labels, type and RDATA the next octets choose. What is applied in the end is taken
// back step by step.
func FuzzApplyReverse(f *testing.F) {
	f.Add(uint8(0), []byte("\x80\x02\x01a\x01b\x00"))                     // adds a PTR
	f.Add(uint8(1), []byte("\x80\x01\x0210\x00\x80\x01\x03100\x00"))      // splits the run of an octet
	f.Add(uint8(2), []byte("\x00\x05\x00\x06\x00\x07"))                   // removes, and joins runs
	f.Add(uint8(3), []byte("\x80\x03\x01\x00\x01\x01\x01*\x02"))          // odd octets, a cut
	f.Add(uint8(4), []byte("\x80\x01\x01f\x03\x00\x30\x80\x01\x01F\x03")) // a DNAME, in both cases
	f.Add(uint8(7), []byte("\x00\x00"))                                   // removes the SOA, which is refused
	f.Fuzz(func(t *testing.T, which uint8, program []byte) {
		all := nasty()
		start := all[int(which)%len(all)]
		z, o := start.z, start.o
		var done []*zone.Changeset
		for len(program) > 0 && len(done) < 12 {
			var c *zone.Changeset
			c, program = step(o, program)
			edited := o.Clone()
			next, ok := applyBoth(t, z, edited, c)
			if !ok {
				continue
			}
			check(t, next)
			sameContent(t, next, edited)
			z, o = next, edited
			done = append(done, c)
		}
		for i := len(done) - 1; i >= 0; i-- {
			next, err := z.Apply(done[i].Reverse())
			if err != nil {
				t.Fatalf("reverse of step %d: %v", i, err)
			}
			z = next
			check(t, z)
		}
		sameContent(t, z, start.o)
		if z.Digest() != start.z.Digest() {
			t.Fatal("the digest does not come back")
		}
	})
}

// step reads one change off the program and returns the rest of it.
func step(o *zonetest.Oracle, program []byte) (*zone.Changeset, []byte) {
	c := &zone.Changeset{Apex: o.Apex, From: o.Serial(), To: o.Serial()}
	take := func(n int) []byte {
		n = min(n, len(program))
		b := program[:n]
		program = program[n:]
		return b
	}
	number := func() int {
		if b := take(1); len(b) > 0 {
			return int(b[0])
		}
		return 0
	}
	if number() < 128 {
		records := o.Records()
		r := records[number()%len(records)]
		c.Removed = []zone.Record{r}
		if set := o.Get(r.Owner, r.Type); set != nil && len(set.Data) == 1 && number()&1 == 0 { // the signatures go with what they cover
			for _, sig := range set.Sigs {
				c.Removed = append(c.Removed, zone.Record{Owner: r.Owner, Type: rr.TypeRRSIG, TTL: set.SigTTL, Data: []byte(sig)})
			}
		}
		return c, program
	}
	owner := o.Apex
	for range number() % 8 {
		if m, err := owner.Prepend(take(1 + number()%20)); err == nil {
			owner = m
		}
	}
	kinds := []struct {
		t    rr.Type
		data string
	}{
		{rr.TypePTR, "\x01a\x07example\x00"}, {rr.TypeTXT, "\x01x"}, {rr.TypeNS, "\x02ns\x00"}, {rr.TypeDNAME, "\x00"},
		{rr.TypeCNAME, "\x01b\x07example\x00"}, {65280, ""}, {rr.TypePTR, "\x00"}, {rr.TypeA, "\xc0\x00\x02\x01"},
	}
	k := kinds[number()%len(kinds)]
	ttl := uint32(60)
	if set := o.Get(owner, k.t); set != nil {
		ttl = set.TTL
	}
	c.Added = []zone.Record{{Owner: owner, Type: k.t, TTL: ttl, Data: []byte(k.data)}}
	return c, program
}
