package assemble

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
)

// Rule is what a generated record comes from.
type Rule uint8

// The rules. Those from RuleApex on are for zones whose files have no SOA.
const (
	RuleNone       Rule = iota
	RuleDelegate        // a `delegate` entry
	RuleApex            // name servers, contact and timers of the zone
	RuleChildZone       // a zone in the configuration that lies below
	RuleChildAlias      // a classless zone in the configuration: the CNAME of an address (RFC 2317 §4)
)

func (r Rule) String() string {
	return [...]string{"", "delegate", "nameservers and soa", "zone below", "classless zone"}[r]
}

// needsOwnSOA reports whether the rule applies only where we make the SOA: a
// file that has one says itself what its zone holds.
func (r Rule) needsOwnSOA() bool { return r >= RuleApex }

// made is a record that we generate: the layer below the static ones.
type made struct {
	zone.Record
	rule Rule
}

// maker makes the records of one zone.
type maker struct {
	item  *config.Zone
	apex  dname.Name
	table *source.Table
	fs    *findings
	list  []made
	cuts  map[string]bool // owners of NS below the apex
	glue  map[glueKey]uint32
	alias map[string]bool // owners of CNAMEs
}

func (m *maker) add(rule Rule, owner dname.Name, t rr.Type, ttl uint32, data []byte, pos source.Position) {
	m.list = append(m.list, made{zone.Record{Owner: owner, Type: t, TTL: ttl, Data: data, Tag: tagOf(m.table, pos)}, rule})
}

// nameServer is a name server to be made NS and glue of.
type nameServer struct {
	name      dname.Name
	addresses []netip.Addr
	pos       source.Position
}

func configured(list []config.NameServer) []nameServer {
	out := make([]nameServer, len(list))
	for i, ns := range list {
		out[i] = nameServer{ns.Name, ns.Addresses, ns.Pos}
	}
	return out
}

// glueKey is an RRset of addresses of a name server.
type glueKey struct {
	owner string // its key
	t     rr.Type
}

// nameServers makes the NS of owner, and addresses of those servers whose names
// lie in this zone: as data of the zone or, below a zone cut, as glue. Addresses
// of other names are not ours to tell. A name server that is made again, for another
// owner, keeps the TTL that its addresses have: an RRset has one (RFC 2181 §5.2).
func (m *maker) nameServers(rule Rule, owner dname.Name, list []nameServer, ttl uint32) {
	for _, ns := range list {
		m.add(rule, owner, rr.TypeNS, ttl, ns.name, ns.pos)
		if !ns.name.IsAtOrBelow(m.apex) {
			continue
		}
		for _, a := range ns.addresses {
			a = a.Unmap()
			t := rr.TypeAAAA
			if a.Is4() {
				t = rr.TypeA
			}
			set := glueKey{ns.name.Key(), t}
			if _, known := m.glue[set]; !known {
				m.glue[set] = ttl
			}
			m.add(rule, ns.name, t, m.glue[set], a.AsSlice(), ns.pos)
		}
	}
}

// cut makes a delegation: NS and glue.
func (m *maker) cut(rule Rule, owner dname.Name, list []nameServer, ttl uint32) {
	m.nameServers(rule, owner, list, ttl)
	m.cuts[owner.Key()] = true
}

// isCut reports whether name is at or below a delegation made so far.
func (m *maker) isCut(name dname.Name) bool {
	for ; len(name) > len(m.apex); name = name.Parent() {
		if m.cuts[name.Key()] {
			return true
		}
	}
	return false
}

// aliases makes the CNAME of every address of a classless part (RFC 2317 §4):
// all of them, the first and the last as well, since whoever uses the part need
// not use it as one network. ownerOf gives an address its owner name here.
func (m *maker) aliases(rule Rule, part netip.Prefix, child dname.Name, ttl uint32, pos source.Position, ownerOf func(netip.Addr) (dname.Name, bool)) {
	for a := part.Masked().Addr(); part.Contains(a); a = a.Next() {
		owner, ok := ownerOf(a)
		if !ok {
			continue
		}
		key := owner.Key()
		if m.alias[key] || m.isCut(owner) {
			continue
		}
		target, err := classlessOwner(a, child)
		if err != nil {
			m.fs.report(zone.Error, "name-too-long", pos, "%s: the name of %v below %v: %v; give the part a shorter name", m.item.Path, a, child, err)
			return
		}
		m.alias[key] = true
		m.add(rule, owner, rr.TypeCNAME, ttl, target, pos)
	}
}

// delegations makes what the item's `delegate` entries ask for in this zone.
func (m *maker) delegations() {
	// All cuts come first: an alias at or below one would be occluded.
	var here []*config.Delegation
	for i := range m.item.Delegate {
		d := &m.item.Delegate[i]
		if j := route(m.item, d.Name); j < 0 || !m.item.Apexes[j].Equal(m.apex) {
			continue
		}
		here = append(here, d)
		ttl := seconds(d.TTL, m.item.NSTTL)
		m.cut(RuleDelegate, d.Name, configured(d.NameServers), ttl)
		for _, ds := range d.DS {
			if rec, ok := present(m.item, d.Name, "DS", ds, d.Pos, m.fs, m.table); ok {
				m.add(RuleDelegate, d.Name, rr.TypeDS, ttl, rec.Data, d.Pos)
			}
		}
	}
	for _, d := range here {
		if dname.IsClassless(d.Prefix) {
			m.aliases(RuleDelegate, d.Prefix, d.Name, seconds(d.TTL, m.item.TTL), d.Pos, func(a netip.Addr) (dname.Name, bool) {
				return ownerOf(m.item, a)
			})
		}
	}
}

// soa returns the SOA of a zone whose files have none, with serial 0. ns is the
// first of its name servers.
func soa(item *config.Zone, apex, ns dname.Name, table *source.Table) zone.Record {
	mname, rname := item.SOA.MName, item.Contact
	if mname == nil {
		mname = ns
	}
	if rname == nil {
		// A single label more than the parent of a name has room for.
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

// plural returns "1 address", "2 addresses".
func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
