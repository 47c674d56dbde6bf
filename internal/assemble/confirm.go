package assemble

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/rule"
	"github.com/ptrd/ptrd/zone/source"
)

// The rules about the targets of PTRs in other zones.
const (
	ruleUnconfirmed = "ptr-unconfirmed"
	ruleAlias       = "ptr-alias"
)

// forward has the forward zones of the configuration in which targets can be looked up. They are
// planned before all reverse zones.
type forward struct {
	zones   map[string]forwardZone  // by key of the apex
	lengths [dname.MaxWire + 1]bool // of the apexes
	changed []dname.Name            // apexes of the zones that are new, gone or have other names than in the last round
}

// forwardZone is a forward zone; zone is nil if it cannot be said what it has: its data are not there
// yet, or have errors, or come from updates.
type forwardZone struct {
	apex dname.Name
	pos  finding.Position
	zone *zone.Zone
	sum  zone.Digest // zero: zone is nil
	made uint64      // over the ranges with names in the zone, which its data may not have
}

// isForward reports whether an item has zones that are in neither reverse tree and not above them.
func isForward(item *config.Zone) bool {
	return item.Apexes[0].IsForward() && !dname.IP6Arpa().IsAtOrBelow(item.Apexes[0])
}

// newForward collects the forward zones, which must have been planned. last are those of the round
// before.
func (r *round) newForward(last map[string]forwardZone) *forward {
	f := &forward{zones: map[string]forwardZone{}}
	for i := range r.cfg.Zones {
		item := &r.cfg.Zones[i]
		if !isForward(item) {
			continue
		}
		for _, apex := range item.Apexes {
			key := apex.Key()
			z := forwardZone{apex: apex, pos: item.Pos, zone: r.done[key]}
			if z.zone == nil || !z.zone.IsAvailable() || r.broken[key] || item.Dynamic || takesUpdates(r.cfg, item) {
				z.zone = nil
			} else {
				z.sum, z.made = z.zone.Digest(), r.sumRanges(apex)
			}
			f.zones[key], f.lengths[len(apex)] = z, true
			if was, ok := last[key]; !ok || was.sum != z.sum || was.made != z.made {
				f.changed = append(f.changed, apex)
			}
		}
	}
	for key, was := range last {
		if _, ok := f.zones[key]; !ok {
			f.changed = append(f.changed, was.apex)
		}
	}
	return f
}

// sumRanges returns a checksum of the ranges that have names in a zone.
func (r *round) sumRanges(apex dname.Name) uint64 {
	var h maphash.Hash
	h.SetSeed(r.a.seed)
	for _, one := range r.ranges.Of(apex) {
		addOctets(&h, one.Append(nil))
	}
	return h.Sum64()
}

// withForward returns the snapshot with the forward zones as they are planned, and without zones that
// are no longer configured.
func (r *round) withForward() *zone.Set {
	changes := r.removals()
	for key, z := range r.forward.zones {
		if now := r.done[key]; now != nil && now != r.set.Get(z.apex) {
			changes = append(changes, zone.Change{Zone: now, Apex: z.apex})
		}
	}
	return r.set.After(changes)
}

// find returns the zone with the longest apex at or above name.
func (f *forward) find(name dname.Name) (z forwardZone, ok bool) {
	var buf [dname.MaxWire]byte
	for ; ; name = name.Parent() {
		if f.lengths[len(name)] {
			if z, ok = f.zones[string(name.AppendLower(buf[:0]))]; ok {
				return z, true
			}
		}
		if name.IsRoot() {
			return z, false
		}
	}
}

// leads is what the findings about the targets of one item depend on.
type leads struct {
	domains []dname.Name // of the targets; nil: any, if there is a target
	some    bool         // there are targets
	sum     uint64       // over the PTRs that there is a finding about
}

// maxDomains is for how many domains an item remembers that its targets are in them.
const maxDomains = 64

// mayDependOn reports whether a target may be in one of the zones.
func (l *leads) mayDependOn(apexes []dname.Name) bool {
	return l.some && len(apexes) > 0 && (l.domains == nil || slices.ContainsFunc(l.domains, func(d dname.Name) bool {
		return slices.ContainsFunc(apexes, func(a dname.Name) bool { return d.IsAtOrBelow(a) || d.Equal(a.Parent()) })
	}))
}

// add adds the domain of a target.
func (l *leads) add(domain dname.Name) {
	if l.some && (l.domains == nil || bytes.Equal(l.domains[len(l.domains)-1], domain)) {
		return
	}
	i := slices.IndexFunc(l.domains, domain.Equal)
	switch {
	case i >= 0: // the last one is found first
		last := len(l.domains) - 1
		l.domains[i], l.domains[last] = l.domains[last], l.domains[i]
	case len(l.domains) == maxDomains:
		l.domains = nil
	default:
		l.domains = append(l.domains, domain.Clone())
	}
	l.some = true
}

// confirmer looks whether the targets of the PTRs of one item lead back to their addresses, where
// the zone of the target is one of the configuration. It sees the records of files and of the
// configuration, not those of updates.
type confirmer struct {
	*round
	item   *config.Zone
	table  *source.Table // nil: only leads is wanted
	answer *zone.Answer
	fs     finding.List // apart from those of the item, since an error keeps no zone from being served
	leads  leads
}

// newConfirmer returns a confirmer; nil if there is nothing to look for.
func (r *round) newConfirmer(item *config.Zone, table *source.Table, w *worker) *confirmer {
	a, _ := item.Checks.Severity(ruleUnconfirmed)
	b, _ := item.Checks.Severity(ruleAlias)
	if r.forward == nil || a == rule.Off && b == rule.Off {
		return nil
	}
	if w.answer == nil {
		w.answer = new(zone.Answer)
	}
	return &confirmer{round: r, item: item, table: table, answer: w.answer, fs: finding.List{Checks: item.Checks}}
}

// check looks at one PTR.
func (c *confirmer) check(owner, target dname.Name, tag zone.Tag) {
	if target.IsRoot() {
		return
	}
	if len(c.forward.zones) == 0 { // the first one to come may be of any domain
		c.leads.some = true
		return
	}
	c.leads.add(target.Parent())
	z, ok := c.forward.find(target)
	if !ok || z.zone == nil {
		return
	}
	address, ok := addressOf(c.item, owner)
	if !ok {
		return
	}
	if set, ok := z.zone.Get(target, rr.AddressType(address)); ok && has(&set, address) {
		return
	}
	ruleName, text := c.judge(z, target, address)
	if ruleName == "" {
		return
	}
	var h maphash.Hash
	h.SetSeed(c.a.seed)
	add(&h, address)
	addOctets(&h, []byte(target.AppendLower(nil)), []byte(ruleName))
	c.leads.sum += h.Sum64()
	if c.table != nil {
		c.report(finding.Finding{Severity: finding.Warning, Rule: ruleName, Tag: tag, Owner: owner, Type: rr.TypePTR, Text: text})
	}
}

// addressOf returns the address that an owner name of the item stands for.
func addressOf(item *config.Zone, owner dname.Name) (netip.Addr, bool) {
	var k dname.AddressKey
	if !owner.Address(&k) {
		p, ok := item.AddressesOf(owner)
		return p.Addr(), ok && p.IsSingleIP()
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], k.Hi)
	binary.BigEndian.PutUint64(b[8:], k.Lo)
	if k.Family == dname.InAddr {
		return netip.AddrFrom4([4]byte(b[:4])), true
	}
	return netip.AddrFrom16(b), true
}

func (c *confirmer) report(f finding.Finding) {
	c.fs.Add(c.table.Locate(f))
}

// has reports whether an RRset has the address.
func has(set *zone.RRset, a netip.Addr) bool {
	for it := set.Data(); it.Next(); {
		if b, ok := netip.AddrFromSlice(it.Head); ok && b == a {
			return true
		}
	}
	return false
}

// judge follows a target in the zones of the configuration as a resolver does. An empty rule means
// that it leads back, or that other servers know.
func (c *confirmer) judge(z forwardZone, target dname.Name, address netip.Addr) (ruleName, text string) {
	typ := rr.AddressType(address)
	name, aliases := target, ""
	unknown := func() (string, string) {
		if aliases == "" {
			return "", ""
		}
		return ruleAlias, fmt.Sprintf("target %v %s, and a PTR should lead to a name that is not an alias (RFC 2181 §10.2); write %v", target, aliases, name)
	}
	for range maxChain {
		c.answer.Reset()
		z.zone.Lookup(name, typ, false, c.answer)
		switch {
		case c.answer.Next != nil:
			name = c.answer.Next.Clone()
			c.leads.add(name.Parent())
			aliases = fmt.Sprintf("is an alias of %v", name)
			var ok bool
			if z, ok = c.forward.find(name); !ok || z.zone == nil {
				return unknown()
			}
			continue
		case c.answer.Kind == zone.Referral:
			return unknown()
		}
		if s := c.set.Find(name); s != nil && len(s.Apex()) > len(z.apex) {
			return unknown() // of the API or of a catalog
		}
		what := "does not exist"
		if c.answer.Kind == zone.NoData {
			if _, ok := z.zone.Get(name, rr.TypePTR); ok {
				return unknown() // the name of a network (RFC 1101 §4.1)
			}
			what = fmt.Sprintf("has no %v", typ)
		}
		for i := range c.answer.Items {
			set := &c.answer.Items[i].Set
			if c.answer.Items[i].Section != zone.SectionAnswer || set.Type != typ {
				continue
			}
			if has(set, address) {
				return unknown()
			}
			other, _ := netip.AddrFromSlice(set.First(nil))
			what = fmt.Sprintf("has the %v %v", typ, other)
			if n := set.Len() - 1; n > 0 {
				what += fmt.Sprintf(" and %d more", n)
			}
		}
		if aliases != "" {
			what = aliases + ", which " + what
		}
		return ruleUnconfirmed, fmt.Sprintf("target %v %s in zone %v, which is configured here (%v), so that it does not lead back and mail servers reject the address; add `%v %v %v` there, or correct the target",
			target, what, z.apex, z.pos, name, typ, address)
	}
	return ruleUnconfirmed, fmt.Sprintf("target %v is an alias that leads to others without an end, so that it does not lead back; write the name of the host", target)
}

// isConfirmed reports whether the findings about the targets of an item that is not read again still
// hold: they do unless a zone that it depends on has changed in such a way that there are others.
func (o *outcome) isConfirmed(r *round, item *config.Zone, w *worker) bool {
	if r.forward == nil || !o.leads.mayDependOn(r.forward.changed) {
		return true
	}
	c := r.newConfirmer(item, nil, w)
	if c == nil {
		return true
	}
	for _, res := range o.results {
		z := res.zone
		if static := z.Layers().Static; static != nil {
			z = static
		}
		n := 0
		for rec := range z.All() {
			if n++; n%pauseRecords == 0 {
				w.mayPause()
			}
			if rec.Type == rr.TypePTR {
				c.check(rec.Owner, rec.Data, 0)
			}
		}
	}
	if c.leads.sum != o.leads.sum {
		return false
	}
	o.leads = c.leads
	return true
}
