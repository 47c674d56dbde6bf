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

// Primary is a server that a zone is transferred from.
type Primary struct {
	Remote
	TLS *TLS // nil: UDP and TCP
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
	var signedBy dname.Name
	var from netip.Addr
	if !v.isMapping() {
		v.fail("%s, must be a mapping with `primaries`, such as {primaries: [\"192.0.2.1:53\"]}", v.seen())
		return s
	}
	v.mapping(
		field{"key", func(v value) { signedBy = v.knownKey() }},
		field{"source", func(v value) { from = v.addr() }},
		field{"primaries", func(v value) {
			s.Primaries = distinct(v.oneOrMore, func(v value) (p Primary, key netip.AddrPort, ok bool) {
				p.Remote = Remote{Key: signedBy, Source: from}
				ok = v.primary(&p)
				return p, p.Address, ok
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

// primary reads an address with its port, or a mapping.
func (v value) primary(p *Primary) (ok bool) {
	port := uint16(53)
	if v.isMapping() && v.hasKey("tls") {
		port = 853
	}
	ok = v.remote(&p.Remote, port, field{"tls", func(v value) { p.TLS = v.tls() }})
	if p.TLS != nil && p.TLS.ServerName == "" {
		p.TLS.ServerName = p.Address.Addr().String()
	}
	return ok
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
