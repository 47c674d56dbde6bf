package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// Check returns the gaps in the delegations of a parent zone, sorted by position: an Error where
// addresses cannot be resolved or servers reject the zone, a Warning where something is probably not
// meant so. children are zones that the parent delegates or should delegate, as far as they are
// at hand.
func Check(parent *Content, children []*Content) []finding.Finding {
	c := newChecker(parent, children)
	for _, f := range parent.read {
		if f.Severity == finding.Error || slices.Contains(delegating, f.Type) && (f.Rule != "missing-dot" || c.lacksDot(f)) {
			c.fs = append(c.fs, f)
		}
	}
	c.checkAliases()
	for _, x := range c.cuts {
		c.checkCut(x)
	}
	c.checkOverlaps()
	c.checkRuns()
	for _, child := range children {
		c.checkChild(child)
	}
	c.checkRecords()
	finding.Sort(c.fs)
	return c.fs
}

// lacksDot reports whether a relative name is probably not meant so: that of a server that does not
// exist, and for which no glue is missing. For aliases there are own rules.
func (c *checker) lacksDot(f finding.Finding) bool {
	if f.Type != rr.TypeNS || f.Owner.Equal(c.Apex) {
		return false
	}
	return slices.ContainsFunc(c.names[f.Owner.Key()], func(r *zone.Record) bool {
		target := dname.Name(r.Data)
		return r.Type == rr.TypeNS && target.IsAtOrBelow(c.Apex) && !target.IsAtOrBelow(r.Owner) && !c.exists[target.Key()]
	})
}

// delegating are the types that lead out of a zone.
var delegating = []rr.Type{rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME, rr.TypeDS}

// Cuts returns the names that a zone delegates.
func (c *Content) Cuts() (names []dname.Name) {
	for _, r := range c.Records {
		if r.Type == rr.TypeNS && !r.Owner.Equal(c.Apex) && !slices.ContainsFunc(names, r.Owner.Equal) {
			names = append(names, r.Owner)
		}
	}
	return names
}

// checker has the names of a parent zone that matter for delegation.
type checker struct {
	*Content
	fs       []finding.Finding
	names    map[string][]*zone.Record // by key of the owner
	exists   map[string]bool           // keys of owners and of the names above them
	cuts     []*cut                    // canonical order
	cutAt    map[string]*cut
	aliases  []*alias
	aliasAt  map[string]*alias   // by key of the owner
	children map[string]*Content // by key of the apex
	reported map[string]bool     // keys of names that a finding about others covers
}

// cut is a name that is delegated or redirected.
type cut struct {
	name    dname.Name
	records []*zone.Record // NS, or a DNAME
	base    netip.Addr     // first address of the /24 whose part the label names; zero: the label names none
	first   int            // octets of that part
	last    int
	led     []*alias // aliases that lead below the name
}

// alias is a CNAME at the name of an address.
type alias struct {
	*zone.Record
	addr   netip.Addr
	target dname.Name // after all aliases of the zone itself
	end    end
	cut    *cut // where it leads, with end == below
}

// end says where aliases lead.
type end uint8

const (
	outside end = iota // out of the zone
	below              // below a cut
	here               // to data of the zone
	nowhere            // to a name of the zone that does not exist
	loop
)

func newChecker(parent *Content, children []*Content) *checker {
	c := &checker{
		Content: parent, names: map[string][]*zone.Record{}, exists: map[string]bool{}, cutAt: map[string]*cut{}, aliasAt: map[string]*alias{},
		children: map[string]*Content{}, reported: map[string]bool{},
	}
	for _, child := range children {
		c.children[child.Apex.Key()] = child
	}
	if !slices.ContainsFunc(parent.Records, func(r zone.Record) bool {
		return slices.Contains(delegating, r.Type) && !r.Owner.Equal(c.Apex)
	}) {
		return c // most large zones delegate nothing
	}
	for i := range parent.Records {
		r := &parent.Records[i]
		if !r.Owner.IsAtOrBelow(c.Apex) {
			continue
		}
		key := r.Owner.Key()
		c.names[key] = append(c.names[key], r)
		for n := r.Owner; n.Labels() >= c.Apex.Labels() && !n.IsRoot(); n = n.Parent() {
			c.exists[n.Key()] = true
		}
		if r.Owner.Equal(c.Apex) || r.Type != rr.TypeNS && r.Type != rr.TypeDNAME {
			continue
		}
		if c.cutAt[key] == nil {
			c.cutAt[key] = &cut{name: r.Owner}
			c.cutAt[key].setRange(c.Apex)
			c.cuts = append(c.cuts, c.cutAt[key])
		}
		c.cutAt[key].records = append(c.cutAt[key].records, r)
	}
	for i := range parent.Records {
		r := &parent.Records[i]
		addr, ok := c.address(r.Owner)
		if r.Type != rr.TypeCNAME || !ok || !r.Owner.IsAtOrBelow(c.Apex) {
			continue
		}
		a := &alias{Record: r, addr: addr}
		a.target, a.end, a.cut = c.follow(r.Data)
		c.aliases, c.aliasAt[r.Owner.Key()] = append(c.aliases, a), a
		if a.cut != nil {
			a.cut.led = append(a.cut.led, a)
		}
	}
	for _, x := range c.cuts {
		x.readLength()
	}
	slices.SortFunc(c.cuts, func(a, b *cut) int {
		return cmp.Or(a.base.Compare(b.base), cmp.Compare(a.first, b.first), cmp.Compare(a.last, b.last), dname.Compare(a.name, b.name))
	})
	return c
}

// readLength makes the label one of RFC 4183, first octet and length, if it may be that as well as a
// range, and the addresses that lead to the cut are those: 24-31 is 24/31 or 24 to 31.
func (x *cut) readLength() {
	_, length, _ := strings.Cut(string(x.name.Label()), "-")
	bits, ok := dname.OctetLabel([]byte(length))
	if !ok || bits < 25 || bits > 31 || !x.hasRange() || len(x.led) == 0 {
		return
	}
	p := netip.PrefixFrom(inNet(x.base, x.first), int(bits))
	if p == p.Masked() && !slices.ContainsFunc(x.led, func(a *alias) bool { return !p.Contains(a.addr) }) {
		x.last = x.first + 1<<(32-bits) - 1
	}
}

// address returns the address whose name in the zone is owner.
func (c *checker) address(owner dname.Name) (netip.Addr, bool) {
	if base, ok := base24(c.Apex, c.Apex); ok && !owner.IsRoot() && owner.Parent().Equal(c.Apex) {
		octet, ok := dname.OctetLabel(owner.Label())
		return inNet(base, int(octet)), ok
	}
	return dname.ToAddr(owner)
}

// base24 returns the first address of the /24 that labels next to n may name parts of: n is the
// name of the /24, or the apex of a zone that is a part of it.
func base24(n, apex dname.Name) (netip.Addr, bool) {
	if p, ok := dname.ToPrefix(n); ok && p.Addr().Is4() && p.Bits() == 24 {
		return p.Addr(), true
	}
	if p, ok := dname.ToClassless(n); ok && n.Equal(apex) {
		return dname.Boundary(p).Addr(), true
	}
	return netip.Addr{}, false
}

func inNet(base netip.Addr, octet int) netip.Addr {
	b := base.As4()
	b[3] = byte(octet)
	return netip.AddrFrom4(b)
}

// setRange sets the part of a /24 that the label of the cut names: in a style, or as any range.
func (x *cut) setRange(apex dname.Name) {
	base, ok := base24(x.name.Parent(), apex)
	if !ok {
		return
	}
	named := x.name
	if net, _ := dname.FromPrefix(netip.PrefixFrom(base, 24)); !net.Equal(x.name.Parent()) {
		named, _ = net.Prepend(x.name.Label())
	}
	if p, ok := dname.ToClassless(named); ok {
		x.base, x.first = base, int(p.Addr().As4()[3])
		x.last = x.first + 1<<(32-p.Bits()) - 1
		return
	}
	from, to, ok := strings.Cut(string(x.name.Label()), "-")
	a, ok1 := dname.OctetLabel([]byte(from))
	b, ok2 := dname.OctetLabel([]byte(to))
	if ok && ok1 && ok2 && a <= b {
		x.base, x.first, x.last = base, int(a), int(b)
	}
}

// hasRange reports whether the label names addresses.
func (x *cut) hasRange() bool { return x.base.IsValid() }

// contains reports whether the label names the address.
func (x *cut) contains(a netip.Addr) bool {
	if !x.hasRange() || !a.Is4() {
		return false
	}
	octet := int(a.As4()[3])
	return inNet(x.base, octet) == a && octet >= x.first && octet <= x.last
}

// above returns the cut at or above a name.
func (c *checker) above(n dname.Name) *cut {
	var found *cut
	for ; n.Labels() > c.Apex.Labels(); n = n.Parent() {
		if x := c.cutAt[n.Key()]; x != nil {
			found = x // the highest one counts
		}
	}
	return found
}

// find returns the first record of a type at a name.
func (c *checker) find(n dname.Name, t rr.Type) *zone.Record {
	for _, r := range c.names[n.Key()] {
		if r.Type == t {
			return r
		}
	}
	return nil
}

// follow returns where a name leads.
func (c *checker) follow(n dname.Name) (dname.Name, end, *cut) {
	const most = 16 // far more than resolvers follow
	for range most {
		if !n.IsAtOrBelow(c.Apex) {
			return n, outside, nil
		}
		if x := c.above(n); x != nil {
			return n, below, x
		}
		switch next := c.find(n, rr.TypeCNAME); {
		case next != nil:
			n = next.Data
		case c.exists[n.Key()] || c.isWild(n):
			return n, here, nil
		default:
			return n, nowhere, nil
		}
	}
	return n, loop, nil
}

// isWild reports whether a wildcard has data for a name that does not exist.
func (c *checker) isWild(n dname.Name) bool {
	for n = n.Parent(); n.Labels() >= c.Apex.Labels(); n = n.Parent() {
		if c.exists[n.Key()] {
			star, err := n.Prepend([]byte("*"))
			return err == nil && len(c.names[star.Key()]) > 0
		}
	}
	return false
}

// report adds a finding about a record. Those with the same text are not repeated.
func (c *checker) report(s finding.Severity, rule string, r *zone.Record, format string, args ...any) {
	f := finding.Finding{Severity: s, Rule: rule, Zone: c.Apex, Text: fmt.Sprintf(format, args...)}
	if r != nil {
		f.Owner, f.Type, f.Tag = r.Owner, r.Type, r.Tag
		f = c.table.Locate(f)
	}
	if f.File == "" {
		f.File = c.name
	}
	c.fs = append(c.fs, f)
}

// list writes addresses of one /24 in ascending order, adjacent ones as ranges.
func list(addrs []netip.Addr) string {
	const most = 8
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	var words []string
	for i := 0; i < len(addrs); {
		j := i
		for j+1 < len(addrs) && addrs[j+1] == addrs[j].Next() {
			j++
		}
		if i == j {
			words = append(words, addrs[i].String())
		} else {
			words = append(words, fmt.Sprintf("%v-%v", addrs[i], addrs[j]))
		}
		i = j + 1
	}
	if n := len(words) - most; n > 0 {
		words = append(words[:most], fmt.Sprintf("%d more ranges", n))
	}
	return strings.Join(words, ", ")
}

// lead returns the addresses as the subject of a sentence.
func lead(addrs []netip.Addr) string {
	if len(addrs) == 1 {
		return list(addrs) + " leads"
	}
	return list(addrs) + " lead"
}

// state returns how a cut leads out of the zone.
func (x *cut) state() string {
	if x.records[0].Type == rr.TypeDNAME {
		return "redirected to " + x.servers()
	}
	return "delegated to " + x.servers()
}

// servers returns what a cut is delegated or redirected to.
func (x *cut) servers() string {
	var words []string
	for _, r := range x.records {
		words = append(words, dname.Name(r.Data).String())
	}
	return strings.Join(words, ", ")
}
