package assemble

import (
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// maxChain bounds how many aliases are followed from an address to its PTR.
const maxChain = 8

// delegationCheck compares zones of the configuration with what their parents, served here, have
// of them.
type delegationCheck struct {
	*round
	fs     findings
	answer zone.Answer // reused by all lookups
}

// checkDelegations reports zones of the configuration that their parent zone does not delegate, and
// those that it delegates to other servers than they have. It only looks at parents from files with
// an SOA; a parent whose SOA is generated gets the delegations as well.
func (r *round) checkDelegations(items map[string]*outcome) []finding.Finding {
	c := &delegationCheck{round: r}
	for i := range r.cfg.Zones {
		item := &r.cfg.Zones[i]
		if item.Secondary != nil {
			continue // the operator of its primary has to correct it
		}
		o := items[item.Apexes[0].Key()]
		c.fs.Checks = item.Checks
		for _, apex := range item.Apexes {
			key := apex.Key()
			z := r.done[key]
			if z == nil || !z.IsAvailable() {
				continue
			}
			pos := item.Pos
			if o.soaFile != "" {
				pos = finding.Position{File: o.soaFile}
				for _, child := range r.index.cuts[key] {
					if _, classless := classlessPart(child.item); !classless && !c.isCut(z, child.apex) {
						c.reportNotDelegated(pos, apex, child)
					}
				}
				for _, child := range r.index.aliases[key] {
					c.checkAliases(pos, ref{item, apex}, z, child)
				}
			}
			for _, child := range r.index.cuts[key] {
				c.checkNameServers(pos, z, child)
			}
		}
	}
	return c.fs.Sorted()
}

// checkNameServers reports a child that its parent delegates to other name servers than the child
// itself has.
func (c *delegationCheck) checkNameServers(pos finding.Position, parent *zone.Zone, child ref) {
	set, ok := parent.Get(child.apex, rr.TypeNS)
	at := c.done[child.apex.Key()]
	if !ok || at == nil || !at.IsAvailable() {
		return // not delegated, or the child has not been transferred yet, or has errors of its own
	}
	var above, below []string
	for name := range set.Values() {
		above = append(above, lowered(name))
	}
	list, _ := nameServersOf(child, at)
	for _, ns := range list {
		below = append(below, lowered(ns.Name))
	}
	slices.Sort(above)
	slices.Sort(below)
	if slices.Equal(above, below) {
		return
	}
	c.fs.warn("other-servers", parent.Apex(), pos,
		"zone %v delegates %v to %s, but that zone, which is configured here (%v), names %s; make the two equal (RFC 1034 §4.2.2)",
		parent.Apex(), child.apex, strings.Join(above, ", "), child.item.Pos, strings.Join(below, ", "))
}

func lowered(n dname.Name) string { return strings.ToLower(n.String()) }

// isCut reports whether the zone z delegates name, or has a zone cut or a DNAME above it.
func (c *delegationCheck) isCut(z *zone.Zone, name dname.Name) bool {
	c.answer.Reset()
	z.Lookup(name, rr.TypeNS, false, &c.answer)
	return c.answer.Kind == zone.Referral || c.answer.Next != nil
}

// reportNotDelegated reports a zone for which the zone at parent has no NS.
func (c *delegationCheck) reportNotDelegated(pos finding.Position, parent dname.Name, child ref) {
	c.fs.warn("child-not-delegated", parent, pos,
		"zone %v is configured here (%v), but zone %v does not delegate it: resolvers that ask that zone first learn that its names do not exist; %s",
		child.apex, child.item.Pos, parent, zonefile.AddLines(c.cut(child)))
}

// checkAliases reports addresses of a classless zone that z, the zone home, which has their own
// names, does not lead to the classless zone (RFC 2317 §4).
func (c *delegationCheck) checkAliases(pos finding.Position, home ref, z *zone.Zone, child classlessZone) {
	var missing []zone.Record
	for a := child.prefix.Addr(); child.prefix.Contains(a); a = a.Next() {
		owner, ok := c.index.ownerIn(home, a)
		if ok && !c.leads(z, owner, child.apex) {
			target, _ := classlessOwner(a, child.apex) // the configuration checked the length
			missing = append(missing, zone.Record{Owner: owner, Type: rr.TypeCNAME, Data: target})
		}
	}
	delegated := !child.apex.IsAtOrBelow(home.apex) || c.isCut(z, child.apex)
	if len(missing) == 0 {
		if !delegated {
			c.reportNotDelegated(pos, home.apex, child.ref)
		}
		return
	}
	var cut []zone.Record
	if !delegated {
		cut = c.cut(child.ref)
	}
	c.fs.warn("addresses-unreachable", home.apex, pos,
		"%s unreachable: zone %v does not lead to zone %v, which is configured here (%v) for %v; %s",
		spelling.Number(len(missing), "address"), home.apex, child.apex, child.item.Pos, child.prefix, zonefile.AddLines(append(cut, missing...)))
}

// leads reports whether the aliases that start at owner in zone z lead to a name at or below child,
// or whether owner is delegated to other servers.
func (c *delegationCheck) leads(z *zone.Zone, owner, child dname.Name) bool {
	for range maxChain {
		c.answer.Reset()
		z.Lookup(owner, rr.TypePTR, false, &c.answer)
		if c.answer.Next == nil {
			return c.answer.Kind == zone.Referral
		}
		if c.answer.Next.IsAtOrBelow(child) {
			return true
		}
		owner = c.answer.Next.Clone()
		next, ok := c.index.find(owner)
		if !ok {
			return false
		}
		if z = c.done[next.apex.Key()]; z == nil || !z.IsAvailable() {
			return false
		}
	}
	return false
}

// cut returns the records that delegate the zone child.
func (c *delegationCheck) cut(child ref) (out []zone.Record) {
	list, _ := nameServersOf(child, c.done[child.apex.Key()])
	for _, ns := range list {
		out = append(out, zone.Record{Owner: child.apex, Type: rr.TypeNS, Data: ns.Name})
		if !ns.Name.IsAtOrBelow(child.apex) {
			continue
		}
		for _, a := range ns.Addresses {
			out = append(out, zone.Record{Owner: ns.Name, Type: rr.AddressType(a), Data: a.AsSlice()})
		}
	}
	return out
}
