package config

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// Transfer lists the clients that may transfer a zone, and the servers to notify.
type Transfer struct {
	Allow       []Peer   // nil: no client
	Notify      []Remote // receive NOTIFY
	NameServers bool     // also notify the servers of the NS records of the zone
}

// Remote is another server that ptrd sends requests to.
type Remote struct {
	Address netip.AddrPort
	Source  netip.Addr // local address of requests; invalid: any
	Key     dname.Name // in lower case, of the key that signs requests; nil: not signed
	Pos     finding.Position
}

// Peer identifies a client by address, by key, or by both.
type Peer struct {
	Prefix netip.Prefix // of the address; invalid: any
	Key    dname.Name   // in lower case; nil: signed or not
	Pos    finding.Position
}

// String describes the clients.
func (p Peer) String() string {
	from := p.Prefix.String()
	if p.Prefix.IsSingleIP() {
		from = p.Prefix.Addr().String()
	}
	switch {
	case p.Key == nil:
		return from
	case p.Prefix.IsValid():
		return from + " with key " + p.Key.String()
	}
	return "key " + p.Key.String()
}

// transfer reads the keys that are present and leaves the rest unchanged.
func (v value) transfer(t *Transfer) {
	v.mapping(
		field{"allow", func(v value) { t.Allow = v.peers() }},
		field{"notify", func(v value) { t.Notify = v.notifyTargets() }},
		field{"notify_nameservers", func(v value) { t.NameServers = v.boolean() }},
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
	before := v.doc.errors()
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
	if v.doc.errors() > before {
		return false
	}
	switch a := r.Address.Addr(); {
	case a.IsUnspecified() || a.IsMulticast() || r.Address.Port() == 0:
		v.fail("%v is not the address of a server; write the address that it answers at", r.Address)
	case r.Source.IsValid() && r.Source.Is4() != a.Is4():
		v.fail("%v cannot be reached from %v, which is of the other address family; give a `source` of the same family, or none", r.Address, r.Source)
	}
	return v.doc.errors() == before
}

// peerKey is equal for equal peers.
type peerKey struct {
	from word
	key  nameKey
}

func (k peerKey) String() string {
	switch {
	case k.key == "":
		return string(k.from)
	case k.from == "":
		return "key " + k.key.String()
	}
	return "key " + k.key.String() + " from " + string(k.from)
}

// peers reads peers, of which there may be none. An access list becomes one peer for each of
// its prefixes.
func (v value) peers() []Peer {
	return slices.Concat(distinct(v.each, value.peer)...)
}

// peer reads an address, a prefix, an access list, or a mapping with a key, one of these, or
// both.
func (v value) peer() (list []Peer, as peerKey, ok bool) {
	p := Peer{Pos: v.pos()}
	from := []netip.Prefix{{}} // any
	before := v.doc.errors()
	clients := func(v value) { from, as.from, _ = v.clients() }
	if !v.isMapping() {
		clients(v)
	} else {
		v.mapping(
			field{"key", func(v value) { p.Key = v.knownKey() }},
			field{"from", clients},
		)
		if !v.hasKey("key") && !v.hasKey("from") {
			v.fail("the entry allows no client; give `key` or `from`, or write an address or a prefix")
		}
	}
	as.key = nameKey(p.Key)
	for _, p.Prefix = range from {
		list = append(list, p)
	}
	return list, as, v.doc.errors() == before
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
	v.fail("key %v is not under `keys`; add it there with its secret", n)
	return nil
}
