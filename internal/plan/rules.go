package plan

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// checkAliases looks at where the CNAME of each address leads.
func (c *checker) checkAliases() {
	orphans := map[string][]*alias{} // by the key of the name above the target
	var order []dname.Name
	for _, a := range c.aliases {
		direct := dname.Name(a.Data)
		switch {
		case c.isDoubled(direct):
			c.report(finding.Error, "missing-dot", a.Record, "the target %v has the name of a reverse tree twice: the final dot is missing; add it", direct)
		case a.end == loop:
			c.report(finding.Error, "alias-loop", a.Record, "the CNAMEs from %v lead in a circle; let them lead to the zone of the part", a.Owner)
		case a.end == nowhere:
			above := a.target.Parent()
			if orphans[above.Key()] == nil {
				order = append(order, above)
			}
			orphans[above.Key()] = append(orphans[above.Key()], a)
		case a.end == outside:
			c.checkOutside(a, direct)
		}
	}
	for _, above := range order {
		c.reportOrphans(above, orphans[above.Key()])
	}
}

// isDoubled reports whether a name has the labels of a reverse tree in front of the apex.
func (c *checker) isDoubled(n dname.Name) bool {
	if !n.IsAtOrBelow(c.Apex) {
		return false
	}
	for ; n.Labels() > c.Apex.Labels()+1; n = n.Parent() {
		if bytes.EqualFold(n.Label(), []byte("in-addr")) || bytes.EqualFold(n.Label(), []byte("ip6")) {
			return true
		}
	}
	return false
}

// checkOutside reports a target that is in the zone if its octets are reversed.
func (c *checker) checkOutside(a *alias, target dname.Name) {
	p, ok := dname.ToPrefix(dname.FromAddr(a.addr).Parent())
	if !ok || !a.addr.Is4() {
		return
	}
	b := p.Addr().As4()
	b[0], b[2] = b[2], b[0]
	wrong, _ := dname.FromPrefix(netip.PrefixFrom(netip.AddrFrom4(b), 24))
	if b != p.Addr().As4() && target.IsAtOrBelow(wrong) {
		right, _ := dname.FromPrefix(p)
		c.report(finding.Error, "octets-in-normal-order", a.Record, "the target %v has the octets of %v in normal order; write %v", target, p,
			strings.TrimSuffix(target.String(), wrong.String())+right.String())
		if x := c.meant(wrong, []*alias{a}); x != nil {
			a.end, x.led = nowhere, append(x.led, a) // one finding for one mistake
		}
	}
}

// reportOrphans reports aliases to names that do not exist, below one name.
func (c *checker) reportOrphans(above dname.Name, aliases []*alias) {
	var addrs []netip.Addr
	for _, a := range aliases {
		addrs = append(addrs, a.addr)
	}
	what := fmt.Sprintf("%s unreachable, unless the servers of this zone have the other one too: %s to names below %v, which is not delegated", spelling.Number(len(addrs), "address"), lead(addrs), above)
	if above.Equal(c.Apex) {
		what = fmt.Sprintf("%s unreachable: %s to %v, which does not exist", spelling.Number(len(addrs), "address"), lead(addrs), aliases[0].target)
	}
	remedy := fmt.Sprintf("add `%v NS` with the name servers of that zone, or correct the CNAMEs", above)
	if _, ok := dname.ToClassless(above); !ok {
		remedy += ", whose targets may lack the final dot"
	}
	severity := finding.Error
	if child := c.children[above.Key()]; child != nil {
		if c.shareServer(child) {
			severity = finding.Warning
			what = fmt.Sprintf("%s to names below %v, which is not delegated: resolvers find them only on name servers that both zones have", lead(addrs), above)
		}
		remedy = zonefile.AddLines(child.delegation())
	} else if x := c.meant(above, aliases); x != nil {
		x.led = append(x.led, aliases...) // one finding for one mistake
		if !x.hasRange() && intended(string(x.name.Label())) != "" {
			return
		}
		remedy = fmt.Sprintf("correct one of the two names: %v is delegated", x.name)
	} else if above.Equal(c.Apex) {
		remedy = "correct the CNAME"
	}
	c.report(severity, "alias-not-delegated", aliases[0].Record, "%s; %s", what, remedy)
}

// shareServer reports whether the zone and a child have a name server in common.
func (c *checker) shareServer(child *Content) bool {
	own := c.delegation()
	return slices.ContainsFunc(child.delegation(), func(r zone.Record) bool {
		return r.Type == rr.TypeNS && slices.ContainsFunc(own, func(o zone.Record) bool { return o.Type == rr.TypeNS && dname.Name(o.Data).Equal(r.Data) })
	})
}

// meant returns the cut that aliases to names below a name that does not exist are meant to lead to:
// its label names their addresses, or no address leads there and its label is similar.
func (c *checker) meant(above dname.Name, aliases []*alias) *cut {
	for _, x := range c.cuts {
		if !slices.ContainsFunc(aliases, func(a *alias) bool { return !x.contains(a.addr) }) {
			return x
		}
		label, want := string(x.name.Label()), string(above.Label())
		if !x.hasRange() && len(x.led) == 0 && x.name.Parent().Equal(above.Parent()) && (intended(label) == want || spelling.Distance(label, want) == 1) {
			return x
		}
	}
	return nil
}

// checkCut looks at whether the addresses of a part lead to it.
func (c *checker) checkCut(x *cut) {
	first := x.records[0]
	if first.Type == rr.TypeDNAME {
		if a, ok := c.address(x.name); ok {
			c.report(finding.Error, "dname-at-address", first, "a DNAME redirects the names below %v only, not the address %v itself (RFC 6672 §2.3); write a CNAME", x.name, a)
		}
		if dname.Name(first.Data).IsAtOrBelow(x.name) {
			c.report(finding.Error, "alias-loop", first, "the target %v is at or below the name itself; correct it", dname.Name(first.Data))
		}
	}
	c.checkServers(x)
	c.checkData(x)
	if _, ok := c.address(x.name); ok || c.above(x.name.Parent()) != nil {
		return // an address has its own name; a cut below another one is occluded
	}
	if !x.hasRange() {
		c.checkLabel(x)
		return
	}
	var missing, here, elsewhere []netip.Addr
	var absent, hidden []zone.Record // the CNAMEs of missing and here
	for octet := x.first; octet <= x.last; octet++ {
		a := inNet(x.base, octet)
		owner, _ := x.name.Parent().Prepend(dname.FromAddr(a).Label())
		target, _ := x.name.Prepend(owner.Label())
		line := zone.Record{Owner: owner, Type: rr.TypeCNAME, Data: target}
		switch {
		case c.find(owner, rr.TypeCNAME) != nil:
			if l := c.aliasAt[owner.Key()]; l != nil && l.end == outside {
				elsewhere = append(elsewhere, a)
			}
		case c.above(owner) != nil:
		case c.find(owner, rr.TypePTR) != nil:
			here, hidden = append(here, a), append(hidden, line)
		case !c.isWild(owner):
			missing, absent = append(missing, a), append(absent, line)
		}
	}
	ends := x.last-x.first >= 3 && len(missing) == 2 && missing[0] == inNet(x.base, x.first) && missing[1] == inNet(x.base, x.last)
	if ends && len(x.led) > 0 && !c.hasAddress(x, missing...) {
		missing = nil // the addresses of the network itself are often left out
	}
	if len(missing) > 0 {
		severity := finding.Error
		if c.children[x.name.Key()] != nil && !c.hasAddress(x, missing...) {
			severity = finding.Warning // nothing is lost so far
		}
		for _, line := range absent {
			c.reported[dname.Name(line.Data).Key()] = true
		}
		c.report(severity, "addresses-unreachable", first, "%s unreachable: %v is %s, but no CNAME leads there from %s; %s",
			spelling.Number(len(missing), "address"), x.name, x.state(), list(missing), zonefile.AddLines(absent))
	}
	if len(here) > 0 {
		r := c.find(c.ownerOf(x, here[0]), rr.TypePTR)
		c.report(finding.Warning, "ptr-in-parent", r, "%s answered here: %v is %s, but the PTR records of %s are in this zone, without a CNAME, so that those of the part are never seen; move the records there, and %s",
			spelling.Number(len(here), "address"), x.name, x.state(), list(here), zonefile.AddLines(hidden))
	}
	if len(elsewhere) > 0 && len(x.led) > 0 {
		r := c.find(c.ownerOf(x, elsewhere[0]), rr.TypeCNAME)
		c.report(finding.Warning, "alias-elsewhere", r, "%s to other names than those of %v, which is %s for these addresses; correct the CNAMEs, or delegate the part without them", lead(elsewhere), x.name, x.state())
	}
	c.checkLed(x)
	if len(x.led) == 0 && len(missing)+len(here) == 0 {
		c.report(finding.Warning, "delegation-unused", first, "no address leads to %v; remove it, or let the CNAMEs of its addresses lead there", x.name)
	}
}

// ownerOf returns the name that an address of the part has in this zone.
func (c *checker) ownerOf(x *cut, a netip.Addr) dname.Name {
	owner, _ := x.name.Parent().Prepend(dname.FromAddr(a).Label())
	return owner
}

// hasAddress reports whether the zone of a cut is at hand and has one of the addresses.
func (c *checker) hasAddress(x *cut, addrs ...netip.Addr) bool {
	child := c.children[x.name.Key()]
	return child != nil && slices.ContainsFunc(child.Records, func(r zone.Record) bool {
		return r.Type == rr.TypePTR && r.Owner.Parent().Equal(x.name) && slices.ContainsFunc(addrs, func(a netip.Addr) bool {
			return bytes.Equal(dname.FromAddr(a).Label(), r.Owner.Label())
		})
	})
}

// checkLed looks at the aliases that lead to a cut.
func (c *checker) checkLed(x *cut) {
	var strange []*alias // of addresses that the label does not name
	var other []*alias   // whose target begins with another octet
	shared := map[string]*alias{}
	for _, a := range x.led {
		octet, isOctet := dname.OctetLabel(a.target.Label())
		switch before := shared[a.target.Key()]; {
		case x.hasRange() && !x.contains(a.addr):
			strange = append(strange, a)
		case isOctet && a.addr.Is4() && octet != a.addr.As4()[3]:
			other = append(other, a)
		case before != nil:
			c.report(finding.Warning, "alias-shared", a.Record, "%v and %v lead to one name, %v; let each lead to its own", before.addr, a.addr, a.target)
		default:
			shared[a.target.Key()] = a
		}
	}
	if len(strange) > 0 {
		c.report(finding.Error, "alias-of-other-part", strange[0].Record, "%s to %v, which is for %v-%v; correct the CNAMEs", lead(addressesOf(strange)), x.name, inNet(x.base, x.first), inNet(x.base, x.last))
	}
	if n := len(other); n > 0 && 2*n < len(x.led) { // otherwise the zone counts in another way
		for _, a := range other {
			c.report(finding.Error, "alias-of-other-address", a.Record, "the CNAME of %v leads to %v, the name of another address; correct one of the two", a.addr, a.target)
		}
	}
}

func addressesOf(aliases []*alias) (list []netip.Addr) {
	for _, a := range aliases {
		list = append(list, a.addr)
	}
	return list
}

// checkLabel looks at a cut next to addresses whose label names none.
func (c *checker) checkLabel(x *cut) {
	c.checkLed(x)
	base, ok := base24(x.name.Parent(), c.Apex)
	label := string(x.name.Label())
	if !ok || strings.HasPrefix(label, "_") {
		return
	}
	if want := intended(label); want != "" {
		c.report(finding.Error, "range-label", x.records[0], "label %q names no part of %v: a range has its smaller octet first, a prefix length is 25 to 31 and its octet the first of the part; did you mean %q?", label, netip.PrefixFrom(base, 24), want)
		return
	}
	if len(x.led) == 0 {
		c.report(finding.Warning, "delegation-unused", x.records[0], "no address leads to %v; add a CNAME for each of its addresses (RFC 2317), or remove it", x.name)
	}
}

// intended returns the label that was probably meant by one that looks like a part of a /24; empty
// if it does not look like one.
func intended(label string) string {
	at := strings.IndexAny(label, "-/_")
	if at < 0 {
		return ""
	}
	a, ok1 := dname.OctetLabel([]byte(label[:at]))
	b, ok2 := dname.OctetLabel([]byte(label[at+1:]))
	switch {
	case ok1 && label[at] == '-' && a > b && ok2:
		return fmt.Sprintf("%d-%d", b, a)
	case ok1 && label[at] == '-' && label[at+1:] == "256":
		return fmt.Sprintf("%d-255", a)
	case ok1 && ok2 && label[at] != '-' && b > 24 && b < 32:
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{0, 0, 0, a}), int(b)).Masked()
		return fmt.Sprintf("%d%c%d", p.Addr().As4()[3], label[at], b)
	case ok1 && ok2 && label[at] != '-' && b >= a:
		return fmt.Sprintf("%d-%d", a, b)
	}
	return ""
}

// checkServers looks at the name servers of a cut.
func (c *checker) checkServers(x *cut) {
	for _, r := range x.records {
		if r.Type == rr.TypeNS && c.isDoubled(r.Data) {
			c.report(finding.Error, "missing-dot", r, "name server %v has the name of a reverse tree twice: the final dot is missing; add it", dname.Name(r.Data))
		}
	}
}

// checkOverlaps reports parts that have addresses in common.
func (c *checker) checkOverlaps() {
	for i, x := range c.cuts {
		for _, y := range c.cuts[i+1:] {
			if !x.hasRange() || x.base != y.base || y.first > x.last {
				break // no later one overlaps, in their order
			}
			if len(x.led) == 0 || len(y.led) == 0 {
				continue // one is not in use, which is reported
			}
			from, to := inNet(x.base, y.first), inNet(x.base, min(x.last, y.last))
			c.report(finding.Warning, "delegations-overlap", y.records[0], "%v and %v both have %v-%v, and an address leads to one of them only; delegate it once", x.name, y.name, from, to)
		}
	}
}

// checkRuns reports a zone that is not delegated although all others of an aligned block are, to the
// same servers.
func (c *checker) checkRuns() {
	runs := map[string][]*cut{} // by servers and the name above
	for _, x := range c.cuts {
		if p, ok := dname.ToPrefix(x.name); ok && !p.IsSingleIP() {
			key := x.name.Parent().Key() + x.servers()
			runs[key] = append(runs[key], x)
		}
	}
	for _, x := range c.cuts { // in their order
		key := x.name.Parent().Key() + x.servers()
		run := runs[key]
		delete(runs, key)
		if len(run) < 3 {
			continue
		}
		p, _ := dname.ToPrefix(run[0].name)
		bits := 0
		for 1<<bits < len(run)+1 {
			bits++
		}
		block := netip.PrefixFrom(p.Addr(), p.Bits()-bits).Masked()
		if 1<<bits != len(run)+1 || bits > dname.Step(p) {
			continue
		}
		for _, part := range dname.Split(block) {
			name, _ := dname.FromPrefix(part)
			if c.exists[name.Key()] || slices.ContainsFunc(run, func(x *cut) bool { q, _ := dname.ToPrefix(x.name); return !block.Contains(q.Addr()) }) {
				continue
			}
			c.report(finding.Warning, "delegation-missing", run[0].records[0], "all zones of %v but %v are delegated to %s; add `%v NS`, unless it is not in use", block, name, run[0].servers(), name)
		}
	}
}

// checkData reports data next to the CNAMEs that lead to a cut.
func (c *checker) checkData(x *cut) {
	var both []netip.Addr
	var first *zone.Record
	for _, a := range x.led {
		if r := c.find(a.Owner, rr.TypePTR); r != nil {
			both, first = append(both, a.addr), cmp.Or(first, r)
			c.reported[a.Owner.Key()] = true
		}
	}
	if len(both) > 0 {
		c.report(finding.Error, "ptr-next-to-cname", first, "%s: PTR records next to the CNAMEs to %v, which have no other data (RFC 2181 §10.1), so that servers reject the zone; move these PTR records to the zone %v", list(both), x.name, x.name)
	}
}

// checkRecords adds what package zone finds about delegations.
func (c *checker) checkRecords() {
	b := zone.NewBuilder(c.Apex)
	for _, r := range c.Records {
		b.Add(r)
	}
	_, list := b.Build()
	for _, f := range list {
		switch f.Rule {
		case "cname-and-other-data":
			if c.reported[f.Owner.Key()] {
				continue
			}
		case "several-cnames", "several-dnames", "dname-and-ns", "ds-without-ns", "occluded":
		case "ns-is-alias", "ns-without-address":
			if f.Owner.Equal(c.Apex) || slices.ContainsFunc(c.fs, func(o finding.Finding) bool { return o.Rule == "missing-dot" && o.Owner.Equal(f.Owner) }) {
				continue
			}
			f.Severity = finding.Error // no resolver finds that server
		default:
			continue
		}
		f.Zone = c.Apex
		if f = c.table.Locate(f); f.File == "" {
			f.File = c.name
		}
		c.fs = append(c.fs, f)
	}
}
