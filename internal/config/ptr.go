package config

import (
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
)

// zoneTTL is the TTL of a record that has the TTL of its zone.
const zoneTTL = time.Duration(-1)

// ptr reads the names of addresses.
func (v value) ptr(z *item) {
	if !z.Prefix.IsValid() {
		v.fail("zone %s has no prefix, and `ptr` lists addresses; %s", z.title(), z.prefixRemedy())
		return
	}
	first := map[netip.Addr]value{}
	v.entries(func(key, child value) {
		p := PTR{Addr: key.addr(), TTL: zoneTTL, Pos: key.pos()}
		p.Targets, p.TTL = child.targets()
		if !p.Addr.IsValid() {
			return
		}
		if was, twice := first[p.Addr]; twice {
			key.fail("%v is in the mapping already (%v, as %s); put its names into one list", p.Addr, was.pos(), was.node.Value)
			return
		}
		first[p.Addr] = key
		if _, _, ok := z.Owner(p.Addr); !ok {
			key.fail("%v is outside %v; move it to the zone that contains it", p.Addr, z.Prefix)
			return
		}
		if !z.reportDelegated(key, p.Addr) {
			z.PTR = append(z.PTR, p)
		}
	})
}

// targets reads the names of one address: a name, a list of names, or a mapping
// with `names` and `ttl`.
func (v value) targets() (names []dname.Name, ttl time.Duration) {
	ttl = zoneTTL
	read := func(v value) {
		names = distinct(v.oneOrMore, func(v value) (n dname.Name, key nameKey, ok bool) {
			n = v.hostName()
			return n, nameKey(n.Key()), n != nil
		})
	}
	if !v.isMapping() {
		read(v)
		return names, ttl
	}
	v.mapping(
		field{"names", read},
		field{"ttl", func(v value) { ttl = v.seconds(0) }},
	)
	if !v.hasKey("names") {
		v.fail("the address has no `names`; give one or more")
	}
	return names, ttl
}

// reportDelegated reports an address below a zone cut, and whether it is.
func (z *item) reportDelegated(v value, a netip.Addr) bool {
	for _, d := range z.delegated.longest(netip.PrefixFrom(a, a.BitLen())) {
		v.fail("%v is in %v, which is delegated to the zone %v (%v); move it there, or remove it from the delegation", a, d.Prefix, d.Name, d.Pos)
		return true
	}
	return false
}
