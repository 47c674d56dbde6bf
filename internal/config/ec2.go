package config

import (
	"net/netip"
	"slices"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
)

// EC2 configures Elastic IP addresses and their reverse names. The access keys are those of
// Route53.
type EC2 struct {
	Prefixes  []netip.Prefix   // whose addresses can be allocated
	Resolvers []netip.AddrPort // are asked for names of zones that are not served here
	TTL       time.Duration    // of PTR records
}

// minEC2Bits is the shortest IPv4 prefix: a free address is searched for one by one.
const minEC2Bits = 16

// ec2 reads the section `ec2`.
func (v value) ec2(e *EC2) {
	v.mapping(
		field{"prefixes", func(v value) {
			e.Prefixes = distinct(v.each, func(v value) (p netip.Prefix, key netip.Prefix, ok bool) {
				if p = v.prefix(true); p.IsValid() && p.Addr().Is4() && p.Bits() < minEC2Bits {
					v.fail("%v has too many addresses, the largest prefix is a /%d; give the parts of it that clients may allocate", p, minEC2Bits)
					return p, p, false
				}
				return p, p, p.IsValid()
			})
		}},
		field{"resolvers", func(v value) { e.Resolvers = v.resolvers() }},
		field{"ttl", func(v value) { e.TTL = v.seconds(0) }},
	)
}

// Opens reports whether reverse names of Elastic IP addresses can be in a zone of an item.
func (e *EC2) Opens(z *Zone) bool {
	if len(e.Prefixes) == 0 || z.Secondary != nil {
		return false
	}
	overlaps := func(p netip.Prefix) bool { return slices.ContainsFunc(e.Prefixes, p.Overlaps) }
	if z.Prefix.IsValid() {
		return overlaps(z.Prefix)
	}
	return slices.ContainsFunc(z.Apexes, func(apex dname.Name) bool {
		p, ok := dname.ToPrefix(apex)
		if !ok {
			p, ok = dname.ToClassless(apex)
		}
		return ok && overlaps(p)
	})
}

// TakesUpdates reports whether clients may update zones of an item, or change reverse names of Elastic
// IP addresses in them.
func (c *Config) TakesUpdates(item *Zone) bool {
	return len(item.Update.Rules) > 0 || c.EC2.Opens(item)
}
