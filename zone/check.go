package zone

import (
	"fmt"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// checker looks at the names of a zone in the order of the trie, so that a
// name comes before all that lie below it.
type checker struct {
	b *Builder
	z *Zone

	apexNS  bool
	soa     bool
	soaTag  Tag   // of the SOA, for what the zone lacks next to it
	cut     *path // the last zone cut, nil if none
	dname   *path // the last owner of a DNAME
	targets []target
}

// target is a name in the zone that an NS or MX or the like points to.
type target struct {
	name  dname.Name
	owner dname.Name
	typ   rr.Type
	tag   Tag
}

const (
	noRRset = "signature covers %v, which is not there"
	noNS    = "zone %v has no NS at its apex (RFC 1034 §4.2.1); add the name servers of the zone, as its parent has them"
)

// isClear reports whether nothing so far may hide what comes next.
func (c *checker) isClear() bool { return c.cut == nil && c.dname == nil }

// owner checks the records of one name.
func (c *checker) owner(at path, recs []rec, sets content) {
	b := c.b
	apex := at.nibbles == 0
	if len(recs) == 1 && !apex && c.isClear() && recs[0].typ == rr.TypePTR {
		return // nearly every name of a reverse zone
	}
	name := func() dname.Name { return b.pathName(at) }
	tagOf := func(t rr.Type) Tag {
		for i := range recs {
			if recs[i].typ == t {
				return recs[i].tag()
			}
		}
		return recs[0].tag()
	}
	below := false
	if c.cut != nil && !c.cut.holds(at) {
		c.cut = nil
	}
	if c.dname != nil && !c.dname.holds(at) {
		c.dname = nil
	}
	if c.cut != nil {
		below = true
		for _, s := range sets {
			if s.typ != rr.TypeA && s.typ != rr.TypeAAAA && len(s.data) > 0 {
				c.hidden(tagOf(s.typ), name(), s.typ, "zone cut", b.pathName(*c.cut))
			}
		}
	} else if c.dname != nil {
		below = true
		for _, s := range sets {
			c.hidden(tagOf(s.typ), name(), s.typ, "DNAME", b.pathName(*c.dname))
		}
	}
	// TTLs differ (RFC 2181 §5.2)
	for i := range recs {
		r := &recs[i]
		if r.typ == rr.TypeRRSIG {
			continue
		}
		if s := sets.find(r.typ); s != nil && s.ttl != r.ttl {
			b.report(finding.Warning, "ttl-differs", r.tag(), name(), r.typ, "TTL %d differs from %d of the first record of this RRset and is ignored (RFC 2181 §5.2); give both the same", r.ttl, s.ttl)
		}
	}
	for i := range sets {
		s := &sets[i]
		if len(s.data) == 0 {
			ignored := ", and is ignored"
			if b.verbatim {
				ignored = ""
			}
			b.report(finding.Warning, "signature-without-rrset", tagOf(rr.TypeRRSIG), name(), rr.TypeRRSIG, noRRset+"%s; sign the zone again", s.typ, ignored)
			continue
		}
		c.set(s, recs, sets, name, tagOf, apex, below)
	}
	if !below && !apex && sets.has(rr.TypeNS) {
		c.cut = at.clone()
	} else if !below && sets.has(rr.TypeDNAME) {
		c.dname = at.clone()
	}
}

// hidden reports occluded data (RFC 5936 §3.5).
func (c *checker) hidden(tag Tag, owner dname.Name, t rr.Type, what string, at dname.Name) {
	if t == rr.TypeNSEC || t == rr.TypeRRSIG {
		return
	}
	c.b.report(finding.Warning, "occluded", tag, owner, t, "the record lies below the %s at %v and is never answered; move it to that zone or remove it", what, at)
}

// set checks one RRset of a name.
func (c *checker) set(s *contentSet, recs []rec, sets content, name func() dname.Name, tagOf func(rr.Type) Tag, apex, below bool) {
	b := c.b
	s.faults(sets, b.apex, name, apex, func(code string, ofSecond bool, text string) {
		tag := tagOf(s.typ)
		if ofSecond {
			tag = second(recs, s.typ)
		}
		b.report(severityOf(code, b.verbatim), code, tag, name(), s.typ, "%s", text)
	})
	switch s.typ {
	case rr.TypeSOA:
		if apex {
			c.soa, c.soaTag = true, tagOf(s.typ)
		}
	case rr.TypeDS:
		if ns := sets.find(rr.TypeNS); !apex && (ns == nil || len(ns.data) == 0) {
			b.report(finding.Warning, "ds-without-ns", tagOf(s.typ), name(), s.typ, "DS at a name without NS delegates nothing (RFC 4035 §2.4); add the NS or remove the DS")
		}
	case rr.TypePTR:
		if len(s.data) > 1 && !below {
			if _, ok := dname.ToAddr(name()); ok {
				b.report(finding.Warning, "several-ptrs", second(recs, s.typ), name(), s.typ, "%d PTRs at one address; many programs look at one only, and mail servers may want each to lead back to the address; keep the one that does", len(s.data))
			}
		}
	case rr.TypeNS:
		if apex {
			c.apexNS = true
		}
		if !below && !b.verbatim { // what is found of targets is advice to the zone's own operator
			for i := range recs {
				if r := &recs[i]; r.typ == rr.TypeNS && dname.Name(r.data).IsAtOrBelow(b.apex) {
					c.targets = append(c.targets, target{dname.Name(r.data).Clone(), name(), rr.TypeNS, r.tag()})
				}
			}
		}
	case rr.TypeNSEC3PARAM:
		if it := int(s.data[0][2])<<8 | int(s.data[0][3]); apex && it > 0 {
			b.report(finding.Warning, "nsec3-iterations", tagOf(s.typ), name(), s.typ, "%d iterations, RFC 9276 §3.1 wants 0: validators may treat the zone as unsigned; sign it again with 0", it)
		}
	}
}

// severityOf returns the severity of a fault.
func severityOf(code string, verbatim bool) finding.Severity {
	if verbatim && code == codeDNAMEAndNS {
		return finding.Warning
	}
	return finding.Error
}

const codeDNAMEAndNS = "dname-and-ns"

// faults yields what keeps the RRset s, one of sets at a name, from being served.
// A fault is about the first record of s or the second one.
func (s *contentSet) faults(sets content, zone dname.Name, owner func() dname.Name, isApex bool, yield func(code string, ofSecond bool, text string)) {
	size := 17 + 255
	for _, d := range s.data {
		size += rrFixed + len(d)
	}
	if size > maxMessage {
		yield("rrset-too-large", false, fmt.Sprintf("%d records of %d octets do not fit in a message of %d; remove some", len(s.data), size, maxMessage))
	}
	several := len(s.data) > 1
	switch s.typ {
	case rr.TypeSOA:
		if !isApex {
			yield("soa-below-apex", false, fmt.Sprintf("an SOA belongs at the apex %v only; remove it, or give %v a file of its own", zone, owner()))
		} else if several {
			yield("several-soas", true, "a zone has one SOA, this is another (RFC 1035 §5.2); remove it")
		}
	case rr.TypeCNAME:
		if several {
			yield("several-cnames", true, "a name has one CNAME, this is another (RFC 2181 §10.1); remove one")
		}
		for _, o := range sets {
			if o.typ != rr.TypeCNAME && o.typ != rr.TypeNSEC && o.typ != rr.TypeKEY && len(o.data) > 0 {
				yield("cname-and-other-data", false, fmt.Sprintf("CNAME together with %v: an alias has no other data (RFC 2181 §10.1); remove the CNAME or the %v", o.typ, o.typ))
				break
			}
		}
	case rr.TypeDNAME:
		if several {
			yield("several-dnames", true, "a name has one DNAME, this is another (RFC 6672 §2.4); remove one")
		}
		if !isApex && sets.has(rr.TypeNS) {
			yield(codeDNAMEAndNS, false, "DNAME together with NS at a zone cut (RFC 6672 §2.3); remove one of them")
		}
	}
}

// second returns the tag of the second record of type t.
func second(recs []rec, t rr.Type) (tag Tag) {
	n := 0
	for i := range recs {
		if r := &recs[i]; r.typ == t {
			tag = r.tag()
			if n++; n == 2 {
				break
			}
		}
	}
	return tag
}

// checkZone checks what is known only once the trie is built.
func (c *checker) checkZone() {
	b := c.b
	if !c.soa {
		hint := ""
		if b.outside > 0 {
			hint = fmt.Sprintf("; %d records are out of zone, so the $ORIGIN or the name of the zone may be wrong", b.outside)
		}
		b.report(finding.Error, "no-soa", 0, nil, 0, "zone %v has no SOA at its apex%s; add one", b.apex, hint)
	}
	if !c.apexNS {
		severity := finding.Error
		if b.verbatim && c.z.stats.Records > 1 {
			severity = finding.Warning // an SOA alone is a zone that lost its content
		}
		b.report(severity, "no-ns", c.soaTag, nil, 0, noNS, b.apex)
	}
	if inIP6Int(b.apex) {
		b.report(finding.Warning, "ip6-int", 0, nil, 0, "zone %v is in ip6.int, which was abolished (RFC 4159), so that no resolver asks for it; write ip6.arpa in place of ip6.int", b.apex)
	}
	c.z.storage, c.z.ttls = c.z.w.storage, c.z.w.ttls
	if len(c.targets) > 0 {
		c.z.rules, c.z.keys = b.rules, b.keys
		c.z.ranges = c.z.newRanges(nil)
		c.z.rules, c.z.keys = nil, nil
	}
	for _, t := range c.targets {
		var k key
		c.z.fill(&k, t.name)
		f := c.z.find(&k, false)
		has := func(t rr.Type) bool {
			if f.value == nil {
				return false
			}
			s := c.z.set(f.value, t)
			return s.Exists()
		}
		switch {
		case has(rr.TypeA) || has(rr.TypeAAAA):
		case has(rr.TypeCNAME):
			b.report(finding.Warning, "ns-is-alias", t.tag, t.owner, t.typ, "name server %v is a CNAME (RFC 2181 §10.3); give its addresses", t.name)
		case c.z.isMade(t.name, &k):
		case t.name.IsAtOrBelow(t.owner) || !c.z.isCovered(&k):
			b.report(finding.Warning, "ns-without-address", t.tag, t.owner, t.typ, "name server %v lies in this zone and has no address here; add its A or AAAA, or correct its name", t.name)
		}
	}
}

// isCovered reports whether the name may exist though this zone has no node for
// it: below a zone cut or a DNAME, or by a wildcard.
func (z *Zone) isCovered(k *key) bool {
	f := z.find(k, true)
	return f.status == foundCut || f.status == foundDNAME || z.wildcards > 0 && f.status == foundNothing
}

// pathName returns the name at a path, in lower case.
func (z *layout) pathName(p path) dname.Name {
	var k key
	z.split(&k, p)
	return z.name(&k)
}

// split makes k the key with the path.
func (z *layout) split(k *key, p path) {
	copy(k.b[:], p.octets)
	k.n, k.labels, k.ordinary = 0, 0, p.ordinary
	if p.ordinary == entryPlain {
		k.ordinary = noOrdinary
	}
	for k.n < p.nibbles {
		switch {
		case k.n < k.ordinary && z.family == dname.InAddr:
			k.n += 2
		case k.n < k.ordinary:
			k.n++
		default:
			for {
				c := k.nibble(k.n)<<4 | k.nibble(k.n+1)
				k.n += 2
				if c == 0 {
					break
				}
				if c == 1 {
					k.n += 2
				}
			}
		}
		k.close()
	}
}

// inIP6Int reports whether n is at or below the forerunner of ip6.arpa.
func inIP6Int(n dname.Name) bool {
	return n.Labels() >= 2 && n.Suffix(2).Equal(dname.Name("\x03ip6\x03int\x00"))
}
