package assemble

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
)

// maxChain bounds how many aliases are followed from an address to its PTR.
const maxChain = 8

// reach finds zones of the configuration that their parent, served here from a
// file with an SOA, does not lead to, and those that it delegates to other servers
// than they have. A parent whose SOA is generated leads to them by itself.
func (r *round) reach(items map[string]*outcome) (out []Finding) {
	fs := &findings{}
	var answer zone.Answer
	for i := range r.cfg.Zones {
		item := &r.cfg.Zones[i]
		if item.Secondary != nil {
			continue // its operator is told by its primary
		}
		o := items[item.Apexes[0].Key()]
		for _, apex := range item.Apexes {
			key := apex.Key()
			z := r.done[key]
			if z == nil || !z.IsAvailable() {
				continue
			}
			pos := item.Pos
			if o.soaFile != "" {
				pos = source.Position{File: o.soaFile}
				r.lacking(fs, &answer, ref{item, apex}, z, o.soaFile)
			}
			for _, child := range r.index.cuts[key] {
				r.otherServers(fs, z, child, pos)
			}
		}
	}
	return fs.list
}

// lacking reports what the parent z lacks of its children.
func (r *round) lacking(fs *findings, answer *zone.Answer, parent ref, z *zone.Zone, file string) {
	key := parent.apex.Key()
	for _, child := range r.index.cuts[key] {
		if _, classless := classlessPart(child.item); !classless {
			r.lackingCut(fs, answer, z, child, file)
		}
	}
	for _, c := range r.index.aliases[key] {
		r.lackingAliases(fs, answer, parent, z, c, file)
	}
}

// otherServers reports a child that its parent delegates to other name servers
// than the child itself names.
func (r *round) otherServers(fs *findings, parent *zone.Zone, child ref, pos source.Position) {
	set, ok := parent.Get(child.apex, rr.TypeNS)
	if !ok {
		return
	}
	var above, below []string
	for it := set.Data(); it.Next(); {
		above = append(above, lowered(dname.FromWire(append(append([]byte(nil), it.Head...), it.Tail...))))
	}
	list, _ := nameServersOf(child, r.done[child.apex.Key()])
	for _, ns := range list {
		below = append(below, lowered(ns.name))
	}
	slices.Sort(above)
	slices.Sort(below)
	if slices.Equal(above, below) {
		return
	}
	fs.report(zone.Warning, "other-servers", pos,
		"zone %v delegates %v to %s, but that zone, which is configured here (%v), names %s; make the two alike (RFC 1034 §4.2.2)",
		parent.Apex(), child.apex, strings.Join(above, ", "), child.item.Pos, strings.Join(below, ", "))
}

func lowered(n dname.Name) string { return strings.ToLower(n.String()) }

// isCut reports whether the zone z delegates name, or leaves it to a zone cut
// or a DNAME above it.
func isCut(answer *zone.Answer, z *zone.Zone, name dname.Name) bool {
	answer.Reset()
	z.Lookup(name, rr.TypeNS, false, answer)
	return answer.Kind == zone.Referral || answer.Next != nil
}

// lackingCut reports a zone whose parent has no NS for it.
func (r *round) lackingCut(fs *findings, answer *zone.Answer, parent *zone.Zone, child ref, file string) {
	if isCut(answer, parent, child.apex) {
		return
	}
	fs.report(zone.Warning, "child-not-delegated", source.Position{File: file},
		"zone %v is configured here (%v), but zone %v does not delegate it: resolvers that ask that zone first learn that its names do not exist; %s",
		child.apex, child.item.Pos, parent.Apex(), r.addLines(r.cutLines(child)))
}

// lackingAliases reports addresses of a classless zone that the zone home, which
// has their own names, does not lead to it (RFC 2317 §4).
func (r *round) lackingAliases(fs *findings, answer *zone.Answer, home ref, z *zone.Zone, c part, file string) {
	var lacking []netip.Addr
	for a := c.prefix.Addr(); c.prefix.Contains(a); a = a.Next() {
		owner, ok := r.index.ownerIn(home, a)
		if ok && !r.leads(answer, z, owner, c.apex) {
			lacking = append(lacking, a)
		}
	}
	var lines []string
	delegated := !c.apex.IsAtOrBelow(home.apex) || isCut(answer, z, c.apex)
	if !delegated {
		lines = r.cutLines(c.ref)
	}
	switch {
	case len(lacking) > 0:
		fs.report(zone.Warning, "addresses-unreachable", source.Position{File: file},
			"%s unreachable: zone %v does not lead to zone %v, which is configured here (%v) for %v; %s",
			plural(len(lacking), "address", "addresses"), home.apex, c.apex, c.item.Pos, c.prefix, r.addLines(append(lines, aliasLines(home, lacking, c.apex)...)))
	case !delegated:
		fs.report(zone.Warning, "child-not-delegated", source.Position{File: file},
			"zone %v is configured here (%v), but zone %v does not delegate it: resolvers that ask that zone first learn that its names do not exist; %s",
			c.apex, c.item.Pos, home.apex, r.addLines(lines))
	}
}

// leads reports whether the aliases that start at owner in zone z come to a name
// at or below child, or whether the owner is delegated to somebody else.
func (r *round) leads(answer *zone.Answer, z *zone.Zone, owner, child dname.Name) bool {
	for range maxChain {
		answer.Reset()
		z.Lookup(owner, rr.TypePTR, false, answer)
		if answer.Next == nil {
			return answer.Kind == zone.Referral
		}
		if answer.Next.IsAtOrBelow(child) {
			return true
		}
		owner = answer.Next.Clone()
		next, ok := r.index.find(owner)
		if !ok {
			return false
		}
		if z = r.done[next.apex.Key()]; z == nil || !z.IsAvailable() {
			return false
		}
	}
	return false
}

// cutLines returns the lines of a master file that delegate the zone child.
func (r *round) cutLines(child ref) (lines []string) {
	list, _ := nameServersOf(child, r.done[child.apex.Key()])
	for _, ns := range list {
		lines = append(lines, fmt.Sprintf("%v NS %v", child.apex, ns.name))
		if !ns.name.IsAtOrBelow(child.apex) {
			continue
		}
		for _, a := range ns.addresses {
			t := rr.TypeA
			if a.Is6() {
				t = rr.TypeAAAA
			}
			lines = append(lines, fmt.Sprintf("%v %v %v", ns.name, t, a))
		}
	}
	return lines
}

// aliasLines returns the lines of a master file that make the CNAMEs of the
// addresses, which ascend and lie in one /24.
func aliasLines(home ref, list []netip.Addr, child dname.Name) (lines []string) {
	above := dname.FromAddr(list[0]).Parent()
	if _, ok := classlessPart(home.item); ok {
		above = home.apex
	}
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j].Next() {
			j++
		}
		from, to := list[i].As4()[3], list[j].As4()[3]
		if i == j {
			lines = append(lines, fmt.Sprintf("%d.%v CNAME %d.%v", from, above, from, child))
		} else {
			lines = append(lines, fmt.Sprintf("$GENERATE %d-%d $.%v CNAME $.%v", from, to, above, child))
		}
		i = j + 1
	}
	return lines
}

// maxLines is how many lines a finding proposes; with more of them the $GENERATE
// lines no longer help to understand what is wrong.
const maxLines = 8

// addLines says to add the lines.
func (r *round) addLines(lines []string) string {
	more := ""
	if n := len(lines) - maxLines; n > 0 {
		lines, more = lines[:maxLines], fmt.Sprintf(" and %d more like these", n)
	}
	if len(lines) == 0 {
		return "add its NS"
	}
	return "add `" + strings.Join(lines, "`, `") + "`" + more
}
