package config

import (
	"net/netip"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// Transfer says who may have a zone's content (AXFR, IXFR).
type Transfer struct {
	Allow       []Peer   // nil: nobody
	Notify      []Target // who is told of changes
	NameServers bool     // the servers of the zone's NS records are told as well
}

// Target is a server that is told of changes (RFC 1996).
type Target struct {
	Address netip.AddrPort
	Source  netip.Addr // that it is told from; invalid: any
	Key     dname.Name // in lower case; nil: not signed
	Pos     source.Position
}

// Peer is somebody: by address, by key, or by both.
type Peer struct {
	Prefix netip.Prefix // that the address is in; invalid: any
	Key    dname.Name   // in lower case; nil: signed or not
	Pos    source.Position
}

// transfer reads what is given and leaves the rest as it is.
func (v value) transfer(t *Transfer) {
	v.mapping(
		field{"allow", func(v value) { t.Allow = v.peers() }},
		field{"notify", func(v value) { t.Notify = v.notifyTargets() }},
		field{"notify_nameservers", func(v value) { t.NameServers = v.truth() }},
	)
}

// notifyTargets reads a list of servers, which may be empty, or a single one.
func (v value) notifyTargets() []Target {
	var list []Target
	var addresses unique[netip.AddrPort, source.Position]
	read := func(v value) {
		t, ok := v.notifyTarget()
		if !ok {
			return
		}
		if pos, twice := addresses.add(t.Address, t.Pos, &v.doc.steps); twice {
			v.fail("%v is in the list already (%v); remove one of the two", t.Address, pos)
			return
		}
		list = append(list, t)
	}
	if v.isSequence() {
		v.list(read)
	} else {
		read(v)
	}
	return list
}

// notifyTarget reads an address with its port, or a mapping.
func (v value) notifyTarget() (t Target, ok bool) {
	t.Pos = v.pos()
	before := v.doc.faults
	if v.isMapping() {
		v.mapping(
			field{"address", func(v value) { t.Address = v.addrPort(53) }},
			field{"key", func(v value) { t.Key = v.knownKey() }},
			field{"source", func(v value) { t.Source = v.addr() }},
		)
		if !v.hasKey("address") {
			v.fail("the entry has no `address`; give it one with a port, such as \"192.0.2.53:53\"")
		}
	} else {
		t.Address = v.addrPort(53)
	}
	if v.doc.faults > before {
		return t, false
	}
	switch a := t.Address.Addr(); {
	case a.IsUnspecified() || a.IsMulticast() || t.Address.Port() == 0:
		v.fail("%v is no address of a server; write the one that it answers at", t.Address)
	case t.Source.IsValid() && t.Source.Is4() != a.Is4():
		v.fail("%v cannot be told from %v, which is of the other family; give it another `source`, or none", t.Address, t.Source)
	}
	return t, v.doc.faults == before
}

// peers reads a list of peers, which may be empty, or a single one.
func (v value) peers() []Peer {
	type entry struct {
		prefix netip.Prefix
		key    string
	}
	var list []Peer
	var entries unique[entry, source.Position]
	read := func(v value) {
		p := v.peer()
		if !p.Prefix.IsValid() && p.Key == nil { // a fault, noted already
			return
		}
		if pos, twice := entries.add(entry{p.Prefix, string(p.Key)}, p.Pos, &v.doc.steps); twice {
			v.fail("the entry is in the list already (%v); remove one of the two", pos)
			return
		}
		list = append(list, p)
	}
	if v.isSequence() {
		v.list(read)
	} else {
		read(v)
	}
	return list
}

// peer reads an address, a prefix, or a mapping that names a key, or a key and where
// it may come from.
func (v value) peer() Peer {
	p := Peer{Pos: v.pos()}
	if !v.isMapping() {
		p.Prefix = v.prefix(true)
		return p
	}
	v.mapping(
		field{"key", func(v value) { p.Key = v.knownKey() }},
		field{"from", func(v value) { p.Prefix = v.prefix(true) }},
	)
	if !v.hasKey("key") && !v.hasKey("from") {
		v.fail("the entry names nobody; give it a `key`, or write an address or a prefix in its place")
	}
	return p
}

// knownKey reads the name of one of `keys`.
func (v value) knownKey() dname.Name {
	n := v.keyName()
	if n == nil {
		return nil
	}
	if v.doc.keys[n.Key()] {
		return n
	}
	v.fail("key %v is not under `keys`; add it there, with the secret that its owner has", n)
	return nil
}
