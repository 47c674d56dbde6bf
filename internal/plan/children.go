package plan

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// delegation returns the NS records of a zone, and the addresses of the servers in it.
func (c *Content) delegation() (out []zone.Record) {
	for _, r := range c.Records {
		if r.Type == rr.TypeNS && r.Owner.Equal(c.Apex) {
			out = append(out, r)
		}
	}
	for _, ns := range slices.Clone(out) {
		for _, r := range c.Records {
			if (r.Type == rr.TypeA || r.Type == rr.TypeAAAA) && r.Owner.Equal(ns.Data) && r.Owner.IsAtOrBelow(c.Apex) {
				out = append(out, r)
			}
		}
	}
	return out
}

// checkChild compares a zone at hand with what the parent has of it.
func (c *checker) checkChild(child *Content) {
	x := c.cutAt[child.Apex.Key()]
	if x == nil {
		if child.Apex.IsAtOrBelow(c.Apex) && c.above(child.Apex) == nil && !c.isTarget(child.Apex) {
			c.report(finding.Error, "child-not-delegated", nil, "zone %v is not delegated; %s", child.Apex, zonefile.AddLines(child.delegation()))
		}
		return
	}
	c.checkGlue(x, child)
	reached := map[string]bool{}
	missing := 0
	for _, a := range x.led {
		reached[a.target.Key()] = true
	}
	names := map[string]bool{}
	var lost []zone.Record
	for _, r := range child.Records {
		names[r.Owner.Key()] = true
		if r.Type == rr.TypePTR && !r.Owner.Equal(child.Apex) && !reached[r.Owner.Key()] && !c.reported[r.Owner.Key()] {
			lost = append(lost, r)
		}
	}
	for _, a := range x.led {
		if !names[a.target.Key()] {
			missing++
		}
	}
	if _, isAddress := dname.ToPrefix(child.Apex); isAddress || len(x.led) == 0 {
		return
	}
	switch {
	case missing == len(x.led) && len(lost) > 0:
		c.report(finding.Error, "child-names-differ", x.led[0].Record, "the CNAMEs lead to names such as %v, and zone %v has none of them but names such as %v; make the two the same", x.led[0].target, child.Apex, lost[0].Owner)
	case len(lost) > 0:
		var words []string
		for _, r := range lost[:min(len(lost), 3)] {
			words = append(words, r.Owner.String())
		}
		c.report(finding.Error, "child-name-unreachable", x.records[0], "no address leads to PTR records of zone %v (%d, such as %s); add their CNAMEs, or correct the names", child.Apex, len(lost), strings.Join(words, ", "))
	case x.hasRange() && len(x.led) < x.last-x.first-1 && missing > 0:
		var addrs []netip.Addr
		for _, a := range x.led {
			if !names[a.target.Key()] {
				addrs = append(addrs, a.addr)
			}
		}
		c.report(finding.Warning, "child-name-missing", x.records[0], "zone %v has no names for %s, whose CNAMEs lead there; add the PTR records, or remove the CNAMEs", child.Apex, list(addrs))
	}
}

// isTarget reports whether aliases lead to names below n, which do not exist.
func (c *checker) isTarget(n dname.Name) bool {
	return slices.ContainsFunc(c.aliases, func(a *alias) bool { return a.end == nowhere && a.target.Parent().Equal(n) })
}

// checkGlue compares the name servers and their addresses on both sides of a cut.
func (c *checker) checkGlue(x *cut, child *Content) {
	if x.records[0].Type != rr.TypeNS {
		return
	}
	text := func(records []zone.Record, t ...rr.Type) (words []string) {
		for _, r := range records {
			if slices.Contains(t, r.Type) {
				words = append(words, strings.ToLower(rr.Text(r.Type, r.Data)))
			}
		}
		slices.Sort(words)
		return slices.Compact(words)
	}
	var above []zone.Record
	for _, r := range x.records {
		above = append(above, *r)
	}
	own := child.delegation()
	if a, b := text(above, rr.TypeNS), text(own, rr.TypeNS); !slices.Equal(a, b) {
		c.report(finding.Warning, "other-servers", x.records[0], "delegated to %s, but zone %v names %s; make the two equal (RFC 1034 §4.2.2)", strings.Join(a, ", "), child.Apex, strings.Join(b, ", "))
	}
	for _, r := range x.records {
		if !dname.Name(r.Data).IsAtOrBelow(x.name) {
			continue
		}
		var glue, below []zone.Record
		for _, g := range c.names[dname.Name(r.Data).Key()] {
			glue = append(glue, *g)
		}
		for _, o := range own {
			if o.Owner.Equal(r.Data) {
				below = append(below, o)
			}
		}
		if a, b := text(glue, rr.TypeA, rr.TypeAAAA), text(below, rr.TypeA, rr.TypeAAAA); len(a) > 0 && len(b) > 0 && !slices.Equal(a, b) {
			c.report(finding.Warning, "glue-differs", r, "the addresses of %v are %s here and %s in zone %v; make the two equal", dname.Name(r.Data), strings.Join(a, ", "), strings.Join(b, ", "), child.Apex)
		}
	}
}
