package config

import (
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// Secondary configures a zone that is transferred from its primaries.
type Secondary struct {
	Primaries []Primary // at least one
	Notify    []Peer    // may send NOTIFY, in addition to the addresses of the primaries
	MaxSize   int64     // octets, of the records without name compression
	Pos       finding.Position
}

// Primary is a server that a zone is transferred from.
type Primary struct {
	Remote
	TLS *TLS // nil: UDP and TCP
}

// TLS configures the verification of a server and our own certificate.
type TLS struct {
	ServerName string // name or address in its certificate
	CA         File   // certificate authorities; without a path: those of the system
	Cert, Key  File   // our own; without a path: none
}

// defaultMaxSize is enough for about fifteen million PTRs.
const defaultMaxSize = 1 << 30

// secondary reads the primaries of a zone and the settings for all of them.
func (v value) secondary() *Secondary {
	s := &Secondary{MaxSize: defaultMaxSize, Pos: v.pos()}
	var signedBy dname.Name
	var from netip.Addr
	if !v.isMapping() {
		v.fail("%s, must be a mapping with `primaries`, such as {primaries: [\"192.0.2.1:53\"]}", v.describe())
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
		v.fail("there is no primary; give `primaries`, each with address and port")
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

// tls reads how a server is verified.
func (v value) tls() *TLS {
	t := &TLS{}
	v.mapping(
		field{"server_name", func(v value) {
			if s, ok := v.text(); ok {
				if n, err := dname.Parse(s); err != nil || n.IsRoot() {
					v.fail("%q is not a server name; write the name in its certificate, or remove the key if the certificate has the address", s)
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
		v.fail("`cert_file` and `key_file` are only useful together; give both, or neither")
	}
	return t
}

// ownContent lists the keys for the content of a zone.
var ownContent = []string{"nameservers", "contact", "ttl", "ns_ttl", "soa", "file", "hosts", "hosts_domain", "ptr", "records", "delegate", "synth", "synth_transfer", "derive", "dynamic", "update", "dynamic_lifetime", "follow_classless"}

// reportOwnContent reports keys for content in a secondary zone.
func (v value) reportOwnContent() {
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		if k := v.node.Content[i]; slices.Contains(ownContent, k.Value) {
			value{v.doc, k, v.path + "." + k.Value}.fail("the content of a secondary zone is that of its primaries; remove `%s`, or `secondary`", k.Value)
		}
	}
}
