package config

import (
	"net/netip"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// records reads records of any type: owner, then type, then RDATA.
func (v value) records(z *item) {
	type rrset struct {
		owner string // dname.Name.Key
		typ   rr.Type
	}
	first := map[rrset]value{}
	v.entries(func(key, child value) {
		owner := key.owner(z)
		if !child.isMapping() {
			child.fail("%s, must be a mapping of types to data, such as `{TXT: '\"text\"'}`", child.seen())
			return
		}
		child.entries(func(key, child value) {
			t, ok := key.rrType()
			if !ok || owner == nil {
				return
			}
			apex := owner.Equal(z.Apex(owner))
			switch {
			case t == rr.TypeSOA:
				key.fail("the SOA is made from `nameservers`, `contact` and `soa`; set those, or put all of the zone into a `file` with an SOA")
				return
			case t == rr.TypeNS && apex:
				key.fail("the name servers of the zone itself go under `nameservers`; move them there")
				return
			}
			set := rrset{owner.Key(), t}
			if was, twice := first[set]; twice {
				key.fail("%v at %v was given at %v already; put its data into one list", t, owner, was.pos())
				return
			}
			first[set] = key
			child.rdata(Record{Owner: owner, Type: t.String(), TTL: zoneTTL}, z)
		})
	})
}

// rdata reads the RDATA of one RRset: a text, a list of texts, or a mapping with
// `data` and `ttl`.
func (v value) rdata(r Record, z *item) {
	read := func(v value) {
		s, ok := v.scalar()
		if !ok {
			return
		}
		if strings.ContainsAny(s, "\n\r") {
			v.fail("the data have several lines, each record takes one; make a list of them")
			return
		}
		if strings.TrimSpace(s) == "" {
			v.fail("the data are empty; write the RDATA as in a master file")
			return
		}
		r.Data, r.Pos = s, v.pos()
		z.Records = append(z.Records, r)
	}
	if !v.isMapping() {
		v.oneOrMore(read)
		return
	}
	var data *value
	v.mapping(
		field{"ttl", func(v value) { r.TTL = v.seconds(0) }},
		field{"data", func(v value) { data = &v }},
	)
	if data == nil {
		v.fail("the records have no `data`; give the RDATA as in a master file, one text or a list")
		return
	}
	data.oneOrMore(read)
}

// rrType reads a type that a zone can hold.
func (v value) rrType() (rr.Type, bool) {
	s := v.node.Value
	t, ok := rr.ParseType(s)
	switch {
	case !ok:
		v.fail("%q is not a type of records; write a mnemonic such as TXT, or TYPE and a number (RFC 3597)", s)
		return 0, false
	case t.IsMeta():
		v.fail("%v is a type of questions and messages, not of records; remove it", t)
		return 0, false
	}
	return t, true
}

// owner reads an owner name in the zone. An address or a prefix stands for its
// reverse name, also behind further labels (`*.2001:db8:1::/48`); other names
// are as in a master file: `@` is the zone's origin, and without a final dot
// they are relative to it.
func (v value) owner(z *item) dname.Name {
	s := v.node.Value
	if !v.isOneWord(s) {
		return nil
	}
	labels, number := splitOwner(s, z.Prefix)
	if number == "" {
		n, err := dname.ParseIn(s, z.Origin)
		if err != nil {
			v.syntax(s, err)
			return nil
		}
		if low := strings.ToLower(s); strings.HasSuffix(low, "in-addr.arpa") || strings.HasSuffix(low, "ip6.arpa") {
			v.fail("%q has no final dot and would become %v; add the dot, or write an address", s, n)
			return nil
		}
		if z.Apex(n) == nil {
			v.fail("%v is outside the zone %s; %s", n, z.title(), z.ownerRemedy())
			return nil
		}
		return n
	}
	n := v.numberOwner(number, z)
	if n == nil || labels == "" {
		return n
	}
	if strings.HasSuffix(labels, ".") {
		v.fail("%q has an empty label in front of the number; remove a dot", s)
		return nil
	}
	full, err := dname.ParseIn(labels, n)
	if err != nil {
		v.syntax(s, err)
		return nil
	}
	return full
}

func (z *Zone) ownerRemedy() string {
	if z.Name == nil {
		return "write the address or prefix it belongs to, or a name within one of the item's zones"
	}
	return "write it without final dot if it is relative, or move it to the zone that it belongs to"
}

// splitOwner parts an owner into labels and the address or prefix that they
// stand in front of; number is empty where there is none. A family other than
// the zone's counts only in a form that no name of the zone can have: `1.0.0.0`
// are four nibbles under ip6.arpa.
func splitOwner(s string, zone netip.Prefix) (labels, number string) {
	// an IPv6 address has no dots, but for the IPv4 form of its end
	at := strings.LastIndexByte(s, '.') + 1
	if strings.Contains(s[at:], ":") && isNumber(s[at:]) {
		return strings.TrimSuffix(s[:at], "."), s[at:]
	}
	if isNumber(s) && strings.Contains(s, ":") {
		return "", s
	}
	at = len(s)
	for range 4 {
		if at = strings.LastIndexByte(s[:max(at, 0)], '.'); at < 0 {
			break
		}
	}
	number = s[at+1:]
	isNibbles := zone.IsValid() && zone.Addr().Is6() && len(number) == 7
	if isNumber(number) && !isNibbles {
		return s[:max(at, 0)], number
	}
	return s, ""
}

func isNumber(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, err := netip.ParsePrefix(s)
	return err == nil
}

// numberOwner returns the reverse name of an address or prefix within the zone.
func (v value) numberOwner(s string, z *item) dname.Name {
	if !z.Prefix.IsValid() {
		v.fail("%q is an address, but zone %s has no prefix; write the name in full with its final dot, or put it into the zone of a prefix", s, z.title())
		return nil
	}
	p := v.asPrefix(s, true)
	switch {
	case !p.IsValid():
		return nil
	case !contains(z.Prefix, p):
		v.fail("%q is outside %v; move it to the zone of a prefix that holds it", s, z.Prefix)
		return nil
	case p.IsSingleIP():
		if z.isDelegatedAway(v, p.Addr()) {
			return nil
		}
		n, _, _ := z.Owner(p.Addr())
		return n
	case p == z.Prefix && z.Name != nil:
		return z.Name
	}
	n, ok := dname.FromPrefix(p)
	if !ok || z.Apex(n) == nil {
		v.fail("%v has no name in zone %s; write a prefix on a boundary of %d bits, or an address", p, z.title(), dname.Step(p))
		return nil
	}
	return n
}
