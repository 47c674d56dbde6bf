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
			child.fail("%s, must be a mapping of types to data, such as `{TXT: '\"text\"'}`", child.describe())
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
				key.fail("the SOA is generated from `nameservers`, `contact` and `soa`; set those, or put the whole zone into a `file` with an SOA")
				return
			case t == rr.TypeNS && apex:
				key.fail("the name servers of the zone belong under `nameservers`; move them there")
				return
			}
			set := rrset{owner.Key(), t}
			if was, twice := first[set]; twice {
				key.fail("%v at %v is in the zone already (%v); put its data into one list", t, owner, was.pos())
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
			v.fail("the data has several lines; write a list with one record per item")
			return
		}
		if strings.TrimSpace(s) == "" {
			v.fail("the data is empty; write the RDATA as in a master file")
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
		v.fail("%q is not a record type; write a mnemonic such as TXT, or TYPE and a number (RFC 3597)", s)
		return 0, false
	case t.IsMeta():
		v.fail("%v is a type for questions and messages, not for records; remove it", t)
		return 0, false
	}
	return t, true
}

// owner reads an owner name in the zone. An address or a prefix means its reverse name,
// also after further labels (`*.2001:db8:1::/48`). Other names are as in a master file:
// `@` is the origin of the zone, and names without a final dot are relative to it.
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
			v.fail("%q has no final dot and would mean %v; add the dot, or write an address", s, n)
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
		v.fail("%q has an empty label before the address; remove a dot", s)
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
		return "write its address or prefix, or a name in one of the zones of the item"
	}
	return "remove the final dot if it is relative, or move it to the zone that contains it"
}

// splitOwner splits an owner into labels and the address or prefix after them; number is
// empty if there is none. An address of the other family than the zone counts only in a
// form that no name of the zone can have: `1.0.0.0` is four nibbles under ip6.arpa.
func splitOwner(s string, zone netip.Prefix) (labels, number string) {
	// an IPv6 address has no dots, except in the form that ends like an IPv4 address
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
		v.fail("%q is an address, but zone %s has no prefix; write the complete name with its final dot, or move it to the zone of a prefix", s, z.title())
		return nil
	}
	p := v.parsePrefixText(s, true)
	switch {
	case !p.IsValid():
		return nil
	case !contains(z.Prefix, p):
		v.fail("%q is outside %v; move it to the zone that contains it", s, z.Prefix)
		return nil
	case p.IsSingleIP():
		if z.reportDelegated(v, p.Addr()) {
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
