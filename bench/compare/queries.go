package main

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
)

// generator makes requests from a source of chance.
type generator struct {
	*rand.Rand
	id     uint16
	cookie []byte // a client cookie with the server cookie that belongs to it
	keys   []key
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 0x636d70)), keys: keys()}
}

func pick[T any](g *generator, of []T) T { return of[g.IntN(len(of))] }

func (g *generator) chance(n int) bool { return g.IntN(n) == 0 }

func (g *generator) octetsOf(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

// next returns an ID; 0 is that of the sentinel.
func (g *generator) next() uint16 {
	if g.id++; g.id == 0 {
		g.id++
	}
	return g.id
}

// made returns a request of octets that are complete.
func (g *generator) made(kind string, b []byte) *request {
	return &request{kind: kind, id: binary.BigEndian.Uint16(b), bytes: b}
}

// header returns the first 12 octets of a message with one question.
func (g *generator) header(opcode int) []byte {
	b := make([]byte, 12, 128)
	binary.BigEndian.PutUint16(b, g.next())
	b[2] = byte(opcode << 3)
	b[5] = 1
	return b
}

// question returns a query of opcode QUERY without EDNS.
func (g *generator) question(name dname.Name, qtype, class uint16) []byte {
	b := g.header(0)
	if g.chance(2) {
		b[2] |= 1 // RD
	}
	if g.chance(8) {
		b[3] |= byte(g.IntN(16)) << 4 // RA, Z, AD, CD
	}
	b = append(b, name...)
	b = binary.BigEndian.AppendUint16(b, qtype)
	return binary.BigEndian.AppendUint16(b, class)
}

// edns adds an OPT record.
func edns(b []byte, size uint16, code, version byte, flags uint16, options []byte) []byte {
	binary.BigEndian.PutUint16(b[10:], binary.BigEndian.Uint16(b[10:])+1)
	b = append(b, 0, 0, typeOPT)
	b = binary.BigEndian.AppendUint16(b, size)
	b = append(b, code, version)
	b = binary.BigEndian.AppendUint16(b, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(len(options)))
	return append(b, options...)
}

const flagDO = 0x8000

func (g *generator) size() uint16 {
	return pick(g, []uint16{0, 100, 511, 512, 512, 513, 600, 800, 1000, 1220, 1232, 1232, 1233, 1400, 1452, 2048, 4096, 8192, 65535})
}

// common are the types that reverse zones are asked for; others are as frequent together.
var common = []uint16{dns.TypePTR, dns.TypePTR, dns.TypePTR, dns.TypeSOA, dns.TypeNS, dns.TypeANY, dns.TypeCNAME, dns.TypeDS, dns.TypeTXT}
var others = []uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypeSRV, dns.TypeDNAME, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, dns.TypeDNSKEY,
	dns.TypeHINFO, dns.TypeRP, dns.TypeNAPTR, dns.TypeLOC, dns.TypeSSHFP, dns.TypeTLSA, dns.TypeCAA, dns.TypeHTTPS, dns.TypeCDS, dns.TypeDHCID,
	65280, 65281, 0, 128, 249, 250, 253, 254, 41, 103,
}

func (g *generator) qtype() uint16 {
	if g.chance(4) {
		return pick(g, others)
	}
	return pick(g, common)
}

// name returns one of the names of a scene, mostly as it is.
func (g *generator) name(names []dname.Name) dname.Name {
	n := pick(g, names)
	switch {
	case g.chance(12):
		n = n.Clone()
		for i, c := range n {
			if l := dname.Lower(c); l >= 'a' && l <= 'z' && g.chance(2) {
				n[i] = c ^ 0x20
			}
		}
	case g.chance(20):
		if m, err := n.Prepend([]byte(pick(g, []string{"x", "1", "*", "0", "255", "256", "_dmarc", "a.b", "\x00", "F"}))); err == nil {
			return m
		}
	case g.chance(60):
		return pick(g, []dname.Name{dname.Root(), dname.MustParse("arpa."), dname.MustParse("in-addr.arpa."), dname.MustParse("ip6.arpa."),
			dname.MustParse("nowhere.test."), dname.MustParse(strings.Repeat("0.", 32) + "ip6.arpa.")})
	}
	return n
}

// query returns a well-formed query.
func (g *generator) query(names []dname.Name) *request {
	b := g.question(g.name(names), g.qtype(), 1)
	switch g.IntN(10) {
	case 0, 1, 2:
		return g.made("query", b)
	case 3, 4, 5, 6:
		return g.made("query with EDNS", edns(b, g.size(), 0, 0, uint16(g.IntN(2))*flagDO, nil))
	default:
		var options []byte
		for range 1 + g.IntN(3) {
			options = append(options, g.option()...)
		}
		return g.made("query with options", edns(b, g.size(), 0, 0, uint16(g.IntN(2))*flagDO, options))
	}
}

func option(code uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, code)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
}

// option returns an EDNS option, well-formed or not.
func (g *generator) option() []byte {
	const nsid, subnet, expire, cookie, keepalive, padding, chain, extendedError, zoneVersion = 3, 8, 9, 10, 11, 12, 13, 15, 19
	switch g.IntN(14) {
	case 0:
		return option(nsid, nil)
	case 1:
		return option(nsid, g.octetsOf(g.IntN(4)))
	case 2:
		return option(subnet, pick(g, [][]byte{
			{0, 1, 24, 0, 192, 0, 2}, {0, 1, 0, 0}, {0, 1, 24, 24, 192, 0, 2}, {0, 1, 25, 0, 192, 0, 2}, {0, 1, 33, 0, 1, 2, 3, 4, 5}, {0, 3, 8, 0, 1},
			{0, 2, 56, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0}, {0, 2, 129, 0}, {0, 1, 20, 0, 192, 0, 0xff}, {0, 1, 24}, {}, {0, 0, 0, 0},
		}))
	case 3:
		return option(expire, g.octetsOf(pick(g, []int{0, 0, 4, 3})))
	case 4, 5:
		return option(cookie, g.cookie)
	case 6:
		return option(cookie, g.cookie[:8])
	case 7:
		c := append([]byte(nil), g.cookie...)
		c[g.IntN(len(c))] ^= 1 << g.IntN(8)
		return option(cookie, c)
	case 8:
		return option(cookie, g.octetsOf(pick(g, []int{0, 1, 7, 9, 15, 16, 23, 24, 25, 32, 40, 41})))
	case 9:
		return option(keepalive, g.octetsOf(pick(g, []int{0, 0, 2, 1, 3})))
	case 10:
		return option(padding, make([]byte, pick(g, []int{0, 1, 16, 128, 400})))
	case 11:
		return option(pick(g, []uint16{chain, 14, extendedError, zoneVersion, 1, 2, 5, 6, 7, 18}), g.octetsOf(g.IntN(6)))
	default:
		return option(uint16(65001+g.IntN(500)), g.octetsOf(g.IntN(40)))
	}
}

// identity returns a query for what the server says of itself.
func (g *generator) identity() *request {
	name := dname.MustParse(pick(g, []string{"version.bind.", "id.server.", "hostname.bind.", "authors.bind.", "version.server.", "VERSION.bind.", "bind.", "x.version.bind.", "."}))
	b := g.question(name, pick(g, []uint16{dns.TypeTXT, dns.TypeTXT, dns.TypeTXT, dns.TypeANY, dns.TypeA, dns.TypeSOA, dns.TypeNS}), 3)
	if g.chance(2) {
		b = edns(b, g.size(), 0, 0, 0, g.option())
	}
	return g.made("CH", b)
}

// class returns a query of another class than IN.
func (g *generator) class(names []dname.Name) *request {
	b := g.question(g.name(names), g.qtype(), pick(g, []uint16{0, 2, 3, 4, 5, 253, 254, 255, 255, 65280}))
	if g.chance(2) {
		b = edns(b, g.size(), 0, 0, flagDO, nil)
	}
	return g.made("other classes", b)
}

// opcode returns a message of an opcode that is not QUERY, with a body like a query's.
func (g *generator) opcode(names []dname.Name) *request {
	b := g.question(g.name(names), g.qtype(), 1)
	b[2] = b[2]&0x87 | byte(g.IntN(16))<<3
	if g.chance(2) {
		b = edns(b, g.size(), 0, byte(g.IntN(2)), 0, nil)
	}
	r := g.made("opcodes", b)
	r.maybeSilent = true
	return r
}

// soaQuery asks for the SOA of a zone, with the ID 0.
func soaQuery(zone string) []byte {
	b := make([]byte, 12)
	b[5] = 1
	return append(append(b, dname.MustParse(zone)...), 0, typeSOA, 0, 1)
}
