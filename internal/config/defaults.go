package config

import (
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rule"
)

// defaults reads the section `defaults`.
func (v value) defaults(d *Defaults) {
	var given Explicit
	v.mapping(d.fields(&given)...)
	v.doc.checkHosts(&d.Checks)
}

// fields returns the keys that `defaults` and the items of `zones` have in common; given
// records which of them are present.
func (d *Defaults) fields(given *Explicit) []field {
	return []field{
		{"nameservers", func(v value) { d.NameServers, given.NameServers = v.nameServers(), true }},
		{"contact", func(v value) { d.Contact, given.Contact = v.contact(), true }},
		{"ttl", func(v value) { d.TTL, given.TTL = v.seconds(0), true }},
		{"ns_ttl", func(v value) { d.NSTTL = v.seconds(0) }},
		{"soa", func(v value) { v.soa(&d.SOA); given.SOA = true }},
		{"history", func(v value) { v.history(&d.History) }},
		{"max_shrink", func(v value) { d.MaxShrink, given.MaxShrink = v.shrink(), true }},
		{"checks", func(v value) { v.checks(&d.Checks) }},
		{"transfer", func(v value) { v.transfer(&d.Transfer) }},
		{"audit", func(v value) { d.Audit = v.boolean() }},
		{"derive", func(v value) { d.Derive, given.Derive = v.derive(), true }},
		{"synth_transfer", func(v value) { d.SynthTransfer, given.SynthTransfer = v.synthTransfer(), true }},
	}
}

// checks reads the severities of rules that are present and leaves the others unchanged.
func (v value) checks(c *rule.Checks) {
	var fields []field
	for _, r := range rule.All() {
		fields = append(fields, field{r.Name, func(v value) {
			switch v.oneOf(rule.Error.String(), rule.Warn.String(), rule.Off.String()) {
			case rule.Error.String():
				c.Set(r.Name, rule.Error)
			case rule.Warn.String():
				c.Set(r.Name, rule.Warn)
			case rule.Off.String():
				c.Set(r.Name, rule.Off)
			}
		}})
	}
	v.mapping(fields...)
}

// Bounds of the history. A block of the journal has some KiB, so that less is useless.
const (
	minHistory    = 64 << 10
	maxHistory    = 1 << 30
	minHistoryAge = time.Minute
)

// history reads the bounds that are present and leaves the others unchanged.
func (v value) history(h *History) {
	v.mapping(
		field{"max_size", number(&h.MaxSize, minHistory, maxHistory, "octets")},
		field{"max_age", duration(&h.MaxAge, minHistoryAge, maxSpan)},
	)
}

// soa reads the timers that are present and leaves the others unchanged.
func (v value) soa(s *SOA) {
	before := v.doc.errors()
	v.mapping(
		field{"mname", func(v value) {
			s.MName = nil
			if name, ok := v.scalar(); ok && name != "" {
				s.MName = v.checkedHost("the primary name server (MNAME)", v.hostName())
			}
		}},
		field{"refresh", func(v value) { s.Refresh = v.seconds(time.Second) }},
		field{"retry", func(v value) { s.Retry = v.seconds(time.Second) }},
		field{"expire", func(v value) { s.Expire = v.seconds(time.Second) }},
		field{"minimum", func(v value) { s.Minimum = v.seconds(0) }},
	)
	if v.doc.errors() == before && s.Expire <= s.Refresh+s.Retry {
		v.fail("expire %s is not longer than refresh %s plus retry %s, so that secondaries would drop the zone after one failed refresh; increase expire",
			formatDuration(s.Expire), formatDuration(s.Refresh), formatDuration(s.Retry))
	}
}

// nameServers reads one or more name servers, each a name or a mapping.
func (v value) nameServers() []NameServer {
	return distinct(v.oneOrMore, func(v value) (ns NameServer, key nameKey, ok bool) {
		ns.Pos = v.pos()
		if !v.isMapping() {
			ns.Name = v.nameServer()
		} else {
			v.mapping(
				field{"name", func(v value) { ns.Name = v.nameServer() }},
				field{"addresses", func(v value) { ns.Addresses = v.addresses() }},
			)
			if !v.hasKey("name") {
				v.fail("the name server has no `name`; give it one")
			}
		}
		return ns, nameKey(ns.Name.Key()), ns.Name != nil
	})
}

func (v value) nameServer() dname.Name { return v.checkedHost("the name server", v.hostName()) }

func (v value) addresses() []netip.Addr {
	return distinct(v.oneOrMore, func(v value) (a, key netip.Addr, ok bool) {
		a = v.addr()
		if a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			v.fail("%v is not the address of a host; write the address that queries are sent to", a)
			return a, a, false
		}
		return a, a, a.IsValid()
	})
}

// contactOf returns the default RNAME: hostmaster in the domain of the first name server;
// nil if that name is too long.
func contactOf(ns NameServer) dname.Name {
	n, err := ns.Name.Parent().Prepend([]byte("hostmaster"))
	if err != nil {
		return nil
	}
	return n
}
