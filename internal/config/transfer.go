package config

import (
	"net/netip"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// Transfer says who may have a zone's content (AXFR, IXFR).
type Transfer struct {
	Allow []Peer // nil: nobody
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
	)
}

// peers reads a list of peers, which may be empty, or a single one.
func (v value) peers() []Peer {
	var list []Peer
	read := func(v value) {
		p := v.peer()
		if !p.Prefix.IsValid() && p.Key == nil { // a fault, noted already
			return
		}
		for _, other := range list {
			if other.Prefix == p.Prefix && string(other.Key) == string(p.Key) {
				v.fail("the entry is in the list already (%v); remove one of the two", other.Pos)
				return
			}
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
	for _, k := range v.doc.keys {
		if k.Name.Equal(n) {
			return n
		}
	}
	v.fail("key %v is not under `keys`; add it there, with the secret that its owner has", n)
	return nil
}
