package config

import (
	"net/netip"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// Transfer says who may have a zone's content (AXFR, IXFR).
type Transfer struct {
	Allow       []Peer   // nil: nobody
	Notify      []Remote // receive NOTIFY
	NameServers bool     // the servers of the zone's NS records are told as well
}

// Remote is another server that ptrd sends requests to.
type Remote struct {
	Address netip.AddrPort
	Source  netip.Addr // local address of requests; invalid: any
	Key     dname.Name // in lower case, of the key that signs requests; nil: not signed
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

// notifyTargets reads servers, each an address with its port or a mapping.
func (v value) notifyTargets() []Remote {
	return distinct(v.each, func(v value) (r Remote, key netip.AddrPort, ok bool) {
		ok = v.remote(&r, 53)
		return r, r.Address, ok
	})
}

// remote reads an address with its port, or a mapping, which may have the fields more.
// What it lacks stays as it is in r.
func (v value) remote(r *Remote, port uint16, more ...field) (ok bool) {
	r.Pos = v.pos()
	before := v.doc.faults
	if v.isMapping() {
		v.mapping(append([]field{
			{"address", func(v value) { r.Address = v.addrPort(port) }},
			{"key", func(v value) { r.Key = v.knownKey() }},
			{"source", func(v value) { r.Source = v.addr() }},
		}, more...)...)
		if !v.hasKey("address") {
			v.fail("the server has no `address`; give it one with a port, such as \"192.0.2.1:%d\"", port)
		}
	} else {
		r.Address = v.addrPort(port)
	}
	if v.doc.faults > before {
		return false
	}
	switch a := r.Address.Addr(); {
	case a.IsUnspecified() || a.IsMulticast() || r.Address.Port() == 0:
		v.fail("%v is not the address of a server; write the address that it answers at", r.Address)
	case r.Source.IsValid() && r.Source.Is4() != a.Is4():
		v.fail("%v cannot be reached from %v, which is of the other address family; give a `source` of the same family, or none", r.Address, r.Source)
	}
	return v.doc.faults == before
}

// peerKey is equal for equal peers.
type peerKey struct {
	prefix netip.Prefix
	key    nameKey
}

func (k peerKey) String() string {
	switch {
	case k.key == "":
		return k.prefix.String()
	case !k.prefix.IsValid():
		return "key " + k.key.String()
	}
	return "key " + k.key.String() + " from " + k.prefix.String()
}

// peers reads peers, of which there may be none.
func (v value) peers() []Peer {
	return distinct(v.each, func(v value) (p Peer, key peerKey, ok bool) {
		p = v.peer()
		return p, peerKey{p.Prefix, nameKey(p.Key)}, p.Prefix.IsValid() || p.Key != nil
	})
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
