package config

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// Secondary says where a zone is taken from that others are primary for.
type Secondary struct {
	Primaries []Primary // at least one
	Notify    []Peer    // who may send NOTIFY beside the primaries' addresses
	MaxSize   int64     // octets, of the zone's records as they are without compression
	Pos       source.Position
}

// Primary is a server that a zone is taken from.
type Primary struct {
	Address netip.AddrPort
	Source  netip.Addr // that we ask from; invalid: any
	Key     dname.Name // that requests are signed with; nil: none
	TLS     *TLS       // nil: UDP and TCP
	Pos     source.Position
}

// TLS says how the server of a TLS connection proves who it is, and how we do.
type TLS struct {
	ServerName string // in its certificate: a name, or an address
	CA         File   // authorities; without a path: those of the system
	Cert, Key  File   // ours; without a path: none
}

// defaultMaxSize is some fifteen million PTRs.
const defaultMaxSize = 1 << 30

// secondary reads the primaries of a zone, and what holds for all of them.
func (v value) secondary() *Secondary {
	s := &Secondary{MaxSize: defaultMaxSize, Pos: v.pos()}
	var key dname.Name
	var from netip.Addr
	if !v.isMapping() {
		v.fail("%s, must be a mapping with `primaries`, such as {primaries: [\"192.0.2.1:53\"]}", v.seen())
		return s
	}
	v.mapping(
		field{"key", func(v value) { key = v.knownKey() }},
		field{"source", func(v value) { from = v.addr() }},
		field{"primaries", func(v value) {
			var addresses unique[netip.AddrPort, source.Position]
			v.oneOrMore(func(v value) {
				p, ok := v.primary(Primary{Key: key, Source: from, Pos: v.pos()})
				if !ok {
					return
				}
				if pos, twice := addresses.add(p.Address, p.Pos, &v.doc.steps); twice {
					v.fail("%v is in the list already (%v); remove one of the two", p.Address, pos)
					return
				}
				s.Primaries = append(s.Primaries, p)
			})
		}},
		field{"allow_notify", func(v value) { s.Notify = v.peers() }},
		field{"max_size", number(&s.MaxSize, 1<<10, 1<<40, "octets")},
	)
	if !v.hasKey("primaries") {
		v.fail("there is no primary; give `primaries`, with the address and port of each")
	}
	return s
}

// primary reads an address with its port, or a mapping; what it does not say is as
// in p.
func (v value) primary(p Primary) (Primary, bool) {
	before := v.doc.faults
	port := uint16(53)
	if v.isMapping() {
		if v.hasKey("tls") {
			port = 853
		}
		v.mapping(
			field{"address", func(v value) { p.Address = v.addrPort(port) }},
			field{"key", func(v value) { p.Key = v.knownKey() }},
			field{"source", func(v value) { p.Source = v.addr() }},
			field{"tls", func(v value) { p.TLS = v.tls() }},
		)
		if !v.hasKey("address") {
			v.fail("the primary has no `address`; give it one with a port, such as \"192.0.2.1:%d\"", port)
		}
	} else {
		p.Address = v.addrPort(port)
	}
	if v.doc.faults > before {
		return p, false
	}
	switch a := p.Address.Addr(); {
	case a.IsUnspecified() || a.IsMulticast() || p.Address.Port() == 0:
		v.fail("%v is no address of a server; write the one that it answers at", p.Address)
	case p.Source.IsValid() && p.Source.Is4() != a.Is4():
		v.fail("%v cannot be asked from %v, which is of the other family; give the primary a `source` of its own, or none", p.Address, p.Source)
	}
	if p.TLS != nil && p.TLS.ServerName == "" {
		p.TLS.ServerName = p.Address.Addr().String()
	}
	return p, v.doc.faults == before
}

// tls reads how the server of a TLS connection is known.
func (v value) tls() *TLS {
	t := &TLS{}
	v.mapping(
		field{"server_name", func(v value) {
			if s, ok := v.text(); ok {
				if n, err := dname.Parse(s); err != nil || n.IsRoot() {
					v.fail("%q is not the name of a server; write the one in its certificate, or remove the key if that has the address", s)
					return
				}
				t.ServerName = s
			}
		}},
		field{"ca_file", func(v value) { t.CA = v.file() }},
		field{"cert_file", func(v value) { t.Cert = v.file() }},
		field{"key_file", func(v value) { t.Key = v.file() }},
	)
	if (t.Cert.Path == "") != (t.Key.Path == "") {
		v.fail("`cert_file` and `key_file` go together: a certificate proves nothing without its key; give both, or neither")
	}
	return t
}

// ownContent are the keys of a zone that say what it contains.
var ownContent = []string{"nameservers", "contact", "ttl", "ns_ttl", "soa", "file", "hosts", "hosts_domain", "ptr", "records", "delegate", "dynamic", "update", "dynamic_lifetime", "follow_classless"}

// onlySecondary notes what a zone says of its content although its primaries do.
func (v value) onlySecondary() {
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		if k := v.node.Content[i]; slices.Contains(ownContent, k.Value) {
			value{v.doc, k, v.path + "." + k.Value}.fail("a secondary zone has the content that its primaries have; remove `%s`, or `secondary`", k.Value)
		}
	}
}
