package assemble

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/synth"
)

// Rule is the reason why a record is generated.
type Rule uint8

// The rules. RuleApex and those after it only apply to zones whose files have no SOA.
const (
	RuleNone       Rule = iota
	RuleDelegate        // a `delegate` entry
	RuleSynth           // a `synth` entry
	RuleApex            // name servers, contact and timers of the zone
	RuleChildZone       // a zone in the configuration that lies below
	RuleChildAlias      // a classless zone in the configuration: the CNAME of an address (RFC 2317 §4)
)

func (r Rule) String() string {
	return [...]string{"", "delegate", "synth", "nameservers and soa", "zone below", "classless zone"}[r]
}

// needsOwnSOA reports whether the rule applies only where the SOA is generated. A file that has
// an SOA is complete: nothing but `delegate` and `synth` entries is added to it.
func (r Rule) needsOwnSOA() bool { return r >= RuleApex }

// generatedRecord is a generated record. Static records have precedence.
type generatedRecord struct {
	zone.Record
	rule Rule
}

// generate returns the generated records of each of the item's zones.
func (r *round) generate(item *config.Zone) (lists [][]generatedRecord, fs findings) {
	fs.Checks = item.Checks
	warned := false
	for _, apex := range item.Apexes {
		g := &generator{item: item, apex: apex, table: r.a.o.Table, fs: &fs, cuts: map[string]bool{}, glue: map[glueKey]uint32{}, alias: map[string]bool{}}
		g.addNameServers(RuleApex, apex, item.NameServers, seconds(-1, item.NSTTL))
		g.addDelegations()
		if text, pos := r.ranges.Lacks(apex, &r.cfg.Limits); text != "" && !warned {
			warned = true // other zones of the item have the same secondaries
			fs.warn("range-transfer", apex, pos, "%s", text)
		}
		for i, one := range r.ranges.Of(apex) {
			if i == synth.MaxRules {
				fs.report(finding.Error, "too-many-ranges", one.Pos, "%s: zone %v has names of %d ranges, at most %d are possible; divide the zone, or make one range of several that have the same template", item.Path, apex, len(r.ranges.Of(apex)), synth.MaxRules)
				break
			}
			if item.SynthTransfer == config.TransferRule {
				g.add(RuleSynth, one.Owner(apex), synth.Type, seconds(-1, item.TTL), one.Append(nil), one.Pos)
			}
		}
		g.addChildren(r.index, r.done)
		lists = append(lists, g.list)
	}
	return lists, fs
}

// generator generates the records of one zone.
type generator struct {
	item  *config.Zone
	apex  dname.Name
	table *source.Table
	fs    *findings
	list  []generatedRecord
	cuts  map[string]bool // owners of NS below the apex
	glue  map[glueKey]uint32
	alias map[string]bool // owners of CNAMEs
}

func (g *generator) add(rule Rule, owner dname.Name, t rr.Type, ttl uint32, data []byte, pos finding.Position) {
	g.list = append(g.list, generatedRecord{zone.Record{Owner: owner, Type: t, TTL: ttl, Data: data, Tag: tagOf(g.table, pos)}, rule})
}

// glueKey is an address RRset of a name server.
type glueKey struct {
	owner string // its key
	t     rr.Type
}

// addNameServers adds the NS of owner, and addresses of those servers whose names lie in this
// zone: as data of the zone or, below a zone cut, as glue. Addresses of other names belong to
// other zones. If the addresses of a name server were added before, for another owner, they keep
// their TTL: an RRset has one (RFC 2181 §5.2).
func (g *generator) addNameServers(rule Rule, owner dname.Name, list []config.NameServer, ttl uint32) {
	for _, ns := range list {
		g.add(rule, owner, rr.TypeNS, ttl, ns.Name, ns.Pos)
		if !ns.Name.IsAtOrBelow(g.apex) {
			continue
		}
		for _, a := range ns.Addresses {
			a = a.Unmap()
			set := glueKey{ns.Name.Key(), rr.AddressType(a)}
			if _, known := g.glue[set]; !known {
				g.glue[set] = ttl
			}
			g.add(rule, ns.Name, set.t, g.glue[set], a.AsSlice(), ns.Pos)
		}
	}
}

// addCut adds a delegation: NS and glue. A redirection has none; it occludes the same names.
func (g *generator) addCut(rule Rule, owner dname.Name, list []config.NameServer, ttl uint32) {
	g.addNameServers(rule, owner, list, ttl)
	g.cuts[owner.Key()] = true
}

// isCut reports whether name is at or below a delegation added so far.
func (g *generator) isCut(name dname.Name) bool {
	for ; len(name) > len(g.apex); name = name.Parent() {
		if g.cuts[name.Key()] {
			return true
		}
	}
	return false
}

// addAliases adds the CNAME of every address of a classless part (RFC 2317 §4), including the
// first and the last: the part need not be used as one network. ownerOf returns the owner name
// of an address in this zone.
func (g *generator) addAliases(rule Rule, part netip.Prefix, child dname.Name, ttl uint32, pos finding.Position, ownerOf func(netip.Addr) (dname.Name, bool)) {
	for a := part.Masked().Addr(); part.Contains(a); a = a.Next() {
		owner, ok := ownerOf(a)
		if !ok {
			continue
		}
		key := owner.Key()
		if g.alias[key] || g.isCut(owner) {
			continue
		}
		target, err := classlessOwner(a, child)
		if err != nil {
			g.fs.report(finding.Error, "name-too-long", pos, "%s: the name of %v below %v: %v; give the part a shorter name", g.item.Path, a, child, err)
			return
		}
		g.alias[key] = true
		g.add(rule, owner, rr.TypeCNAME, ttl, target, pos)
	}
}

// addDelegations adds what the item's `delegate` entries ask for in this zone. All cuts come
// first: an alias at or below one would be occluded.
func (g *generator) addDelegations() {
	var here []*config.Delegation
	for i := range g.item.Delegate {
		d := &g.item.Delegate[i]
		if j := zoneIndex(g.item, d.Name); j < 0 || !g.item.Apexes[j].Equal(g.apex) {
			continue
		}
		here = append(here, d)
		ttl := seconds(d.TTL, g.item.NSTTL)
		g.addCut(RuleDelegate, d.Name, d.NameServers, ttl)
		if d.DName != nil {
			g.add(RuleDelegate, d.Name, rr.TypeDNAME, ttl, d.DName, d.Pos)
		}
		for _, ds := range d.DS {
			if rec, ok := parseRecord(g.item, d.Name, "DS", ds, d.Pos, g.fs, g.table); ok {
				g.add(RuleDelegate, d.Name, rr.TypeDS, ttl, rec.Data, d.Pos)
			}
		}
	}
	for _, d := range here {
		if dname.IsClassless(d.Prefix) {
			g.addAliases(RuleDelegate, d.Prefix, d.Name, seconds(d.TTL, g.item.TTL), d.Pos, func(a netip.Addr) (dname.Name, bool) {
				return ownerOf(g.item, a)
			})
		}
	}
}

// addChildren adds the delegations of the zones of the configuration below this one, and the
// CNAMEs that lead into classless ones. built has the zones that are there already.
func (g *generator) addChildren(x *index, built map[string]*zone.Zone) {
	key := g.apex.Key()
	for _, child := range x.cuts[key] {
		if g.isCut(child.apex) {
			continue // the item's own `delegate` entry has precedence
		}
		list, ttl := nameServersOf(child, built[child.apex.Key()])
		if len(list) > 0 {
			g.addCut(RuleChildZone, child.apex, list, ttl)
		}
	}
	home := ref{g.item, g.apex}
	for _, c := range x.aliases[key] {
		g.addAliases(RuleChildAlias, c.prefix, c.apex, seconds(-1, g.item.TTL), c.item.Pos, func(a netip.Addr) (dname.Name, bool) {
			return x.ownerIn(home, a)
		})
	}
}

// generateSOA returns the SOA of a zone whose files have none, with serial 0. ns is the first of
// its name servers.
func generateSOA(item *config.Zone, apex, ns dname.Name, table *source.Table) zone.Record {
	mname, rname := item.SOA.MName, item.Contact
	if mname == nil {
		mname = ns
	}
	if rname == nil {
		// The parent of a long name may have no space for another label.
		rname, _ = ns.Parent().Prepend([]byte("hostmaster"))
		if rname == nil {
			rname = ns
		}
	}
	data := append(append([]byte(nil), mname...), rname...)
	data = append(data, 0, 0, 0, 0)
	for _, d := range []time.Duration{item.SOA.Refresh, item.SOA.Retry, item.SOA.Expire, item.SOA.Minimum} {
		data = binary.BigEndian.AppendUint32(data, uint32(d/time.Second))
	}
	return zone.Record{Owner: apex, Type: rr.TypeSOA, TTL: seconds(-1, item.TTL), Data: data, Tag: tagOf(table, item.Pos)}
}
