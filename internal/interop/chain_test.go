package interop

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// alias is a CNAME of an answer.
type alias struct{ owner, target string }

// aliases returns the CNAMEs of the reply in order.
func (r *reply) aliases() []alias {
	var out []alias
	for _, s := range r.answer {
		if s.rtype == dns.TypeCNAME && len(s.data) > 0 {
			_, target, _ := strings.Cut(s.data[0], " ")
			out = append(out, alias{s.owner, target})
		}
	}
	return out
}

// leavesZone reports whether some reply has an alias that leads from one zone of the set
// to another.
func (c *comparison) leavesZone() bool {
	for _, r := range c.whole {
		for _, a := range r.aliases() {
			if to := c.set.covers(a.target); to != "" && to != c.set.covers(a.owner) {
				return true
			}
		}
	}
	return false
}

// loops reports whether the aliases lead back to one of them, over all replies.
func (c *comparison) loops() bool {
	next := map[string]string{}
	for _, r := range c.whole {
		for _, a := range r.aliases() {
			next[a.owner] = a.target
		}
	}
	for start := range next {
		n := start
		for range len(next) {
			if n = next[n]; n == start {
				return true
			}
		}
	}
	return false
}

// grows reports whether a DNAME leads to a name below itself, so that each substitution
// makes the name longer.
func (c *comparison) grows() bool {
	for _, r := range c.whole {
		for _, s := range r.answer {
			if s.rtype != dns.TypeDNAME || len(s.data) == 0 {
				continue
			}
			_, target, _ := strings.Cut(s.data[0], " ")
			if dns.IsSubDomain(s.owner, target) {
				return true
			}
		}
	}
	return false
}

// longestChain returns the number of aliases of the reply that has most.
func (c *comparison) longestChain() int {
	n := 0
	for _, r := range c.whole {
		n = max(n, len(r.aliases()))
	}
	return n
}

// maxLinks bounds a chain that is followed link by link.
const maxLinks = 20

// composed is the answer put together from BIND's answers in each zone of the chain: it
// stays within a zone, so that each of its answers is the right one of that zone.
func (c *comparison) composed(qtype uint16) *reply {
	way := c.way
	way.tcp = true
	out := &reply{}
	name := c.q.name
	for i := range maxLinks {
		c.w.id++
		r, err := ask(c.w.clients[bind], question{name, qtype}, c.w.id, way)
		if err != nil {
			return &reply{silent: true}
		}
		out.rcode, out.authority = r.rcode, append(proofs(out.authority), r.authority...)
		if i == 0 {
			out.aa = r.aa
		}
		for _, s := range r.answer {
			if slices.ContainsFunc(out.answer, func(o rrset) bool { return o.owner == s.owner && o.rtype == s.rtype }) {
				continue // a DNAME that was used already
			}
			out.answer = append(out.answer, s)
		}
		out.additional = append(out.additional, r.additional...)
		links := r.aliases()
		if len(links) == 0 || r.kind() != kindData || len(r.answer) > 0 && r.answer[len(r.answer)-1].rtype != dns.TypeCNAME {
			break
		}
		last := links[len(links)-1]
		if c.set.covers(last.target) == "" || c.set.covers(last.target) == c.set.covers(last.owner) {
			break
		}
		if slices.ContainsFunc(out.answer, func(o rrset) bool { return o.rtype == dns.TypeCNAME && o.owner == last.target }) {
			break
		}
		name = last.target
	}
	slices.SortFunc(out.authority, bySetOwner)
	out.authority = slices.CompactFunc(out.authority, func(a, b rrset) bool { return a.String() == b.String() })
	slices.SortFunc(out.additional, bySetOwner)
	return out
}

// proofs returns the NSEC and NSEC3 of an authority section: those that the expansion
// of a wildcard on the way needs stay when the chain goes on.
func proofs(sets []rrset) []rrset {
	return slices.DeleteFunc(slices.Clone(sets), func(s rrset) bool {
		return s.rtype != dns.TypeNSEC && s.rtype != dns.TypeNSEC3
	})
}

// holdChain demands that ptrd follows the chain: as NSD does, or as the answers
// of the single zones, concatenated.
func holdChain(c *comparison) error {
	ours := c.ours
	if ours.tc {
		ours = c.full // what the sections would be
	}
	if ours.text(c.part) == c.peers[nsd].text(c.part) {
		return nil
	}
	want := c.composed(c.q.qtype)
	if want.text(c.part) == ours.text(c.part) {
		return nil
	}
	return fmt.Errorf("want the %s of NSD, or of the zones of the chain put together:\n%v", c.part, want)
}

// absentType is one that no name of the zone sets has.
const absentType = 65533

// holdAlias demands what holdChain does, or that the alias is followed as for a type
// that no name has.
func holdAlias(c *comparison) error {
	err := holdChain(c)
	if err != nil && !c.ours.tc && c.ours.text(c.part) == c.composed(absentType).text(c.part) {
		return nil
	}
	return err
}

// holdLoop demands NOERROR and every alias of the loop once.
func holdLoop(c *comparison) error {
	if c.part != partAnswer || c.ours.tc {
		return follow("nsd", "knot")(c)
	}
	return validChain(c)
}

// maxAliases is the number of aliases that an answer of ptrd has at most; it does not
// follow the last one.
const maxAliases = 17

// holdLongChain demands NSD's answer as far as ptrd's bound allows.
func holdLongChain(c *comparison) error {
	if len(c.whole[nsd].aliases()) < maxAliases && c.q.qtype != dns.TypeNSEC3 {
		return follow("nsd")(c)
	}
	if n := len(c.full.aliases()); n > maxAliases {
		return fmt.Errorf("%d aliases, want at most %d", n, maxAliases)
	}
	switch {
	case c.ours.rcode != dns.RcodeSuccess || !c.ours.aa:
		return errors.New("want NOERROR with AA")
	case c.part == partAnswer:
		return chainOf(c.ours, c.q.name, min(maxAliases, c.longestChain()))
	}
	return nil
}

// validChain demands a chain of at least as many aliases as NSD sends.
func validChain(c *comparison) error {
	return chainOf(c.ours, c.q.name, len(c.whole[nsd].aliases()))
}

// chainOf demands that the aliases of r lead from name on, each beginning where the one
// before ends, none twice, and that there are at least so many of them.
func chainOf(r *reply, name string, atLeast int) error {
	if r.tc {
		return nil
	}
	name = strings.ToLower(name)
	seen := map[string]bool{}
	links := r.aliases()
	for _, a := range links {
		if a.owner != name || seen[a.owner] {
			return fmt.Errorf("CNAME at %s where the chain is at %s", a.owner, name)
		}
		seen[a.owner] = true
		name = a.target
	}
	if len(links) < atLeast {
		return fmt.Errorf("%d aliases, want at least %d", len(links), atLeast)
	}
	return nil
}
