package main

import (
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
)

// badEDNS returns a query with an OPT record that is not as it should be.
func (g *generator) badEDNS(names []dname.Name) *request {
	b := g.question(g.name(names), g.qtype(), 1)
	switch g.IntN(9) {
	case 0:
		b = edns(b, g.size(), 0, byte(1+g.IntN(255)), uint16(g.Uint32()), nil)
	case 1:
		b = edns(edns(b, g.size(), 0, 0, 0, nil), g.size(), 0, 0, 0, nil)
	case 2:
		b = edns(b, g.size(), byte(g.Uint32()), 0, uint16(g.Uint32()), nil)
	case 3: // an option that is longer than the record
		o := option(uint16(g.IntN(20)), g.octetsOf(4))
		o[3] += byte(1 + g.IntN(200))
		b = edns(b, g.size(), 0, 0, 0, o)
	case 4: // octets behind the last option
		b = edns(b, g.size(), 0, 0, 0, append(g.option(), g.octetsOf(1+g.IntN(3))...))
	case 5: // a record that is longer than the message
		b = edns(b, g.size(), 0, 0, 0, nil)
		b[len(b)-1] = byte(1 + g.IntN(20))
	case 6: // an owner other than the root
		at := len(b)
		b = edns(b, g.size(), 0, 0, 0, nil)
		b = slices.Insert(b, at, 1, 'x')
	case 7: // in another section
		b = edns(b, g.size(), 0, 0, flagDO, nil)
		b[11], b[7+2*g.IntN(2)] = 0, 1
	default: // before and after another record
		b = edns(b, g.size(), 0, 0, flagDO, g.option())
		b[11]++
		b = append(b, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1)
	}
	r := g.made("bad EDNS", b)
	r.maybeSilent = true
	return r
}

// malformed returns a message that some rule of the format forbids, or that is close to one.
func (g *generator) malformed(names []dname.Name) *request {
	name := g.name(names)
	b := g.question(name, g.qtype(), 1)
	if g.chance(2) {
		b = edns(b, g.size(), 0, 0, flagDO, g.option())
	}
	end := 12 + len(name) // of QNAME
	switch g.IntN(12) {
	case 0:
		b = b[:2+g.IntN(len(b)-2)]
	case 1, 2:
		for range 1 + g.IntN(4) {
			b[2+g.IntN(len(b)-2)] ^= 1 << g.IntN(8)
		}
	case 3:
		binary.BigEndian.PutUint16(b[4+2*g.IntN(4):], pick(g, []uint16{0, 1, 2, 3, 255, 65535}))
	case 4:
		b = append(b, g.octetsOf(1+g.IntN(40))...)
	case 5: // a pointer in QNAME: to itself, forwards, backwards, into the header
		at := uint16(pick(g, []int{12, 14, 0, 4, 30, len(b) - 1, 0x3fff}))
		b = slices.Replace(b, 12, end, byte(0xc0|at>>8), byte(at))
	case 6: // a label type that does not exist
		b[12] = byte(pick(g, []int{0x40, 0x41, 0x80, 0xbf}))
	case 7: // a name of 256 octets or more
		long := strings.Repeat("\x3f"+strings.Repeat("l", 63), 3+g.IntN(2)) + "\x3d" + strings.Repeat("m", 61)
		b = slices.Insert(b, 12, []byte(long)...)
	case 8: // a second question
		b[5] = 2
		b = slices.Insert(b, end+4, b[12:end+4]...)
	case 9: // records where a query has none
		b[7+2*g.IntN(3)]++
		b = slices.Insert(b, end+4, append(slices.Clone(name), 0, byte(1+g.IntN(20)), 0, 1, 0, 0, 0, 9, 0, 4, 192, 0, 2, 1)...)
	case 10:
		b[2] |= 0x80 // a response
	default:
		b = append(b[:2], g.octetsOf(g.IntN(60))...)
	}
	r := g.made("malformed", b)
	r.maybeSilent = true
	return r
}

// key is a TSIG key of the configuration.
type key struct{ name, algorithm, secret string }

func keys() []key {
	secret := "c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBtYWtlIG9uZSE="
	return []key{
		{"k256.", dns.HmacSHA256, secret}, {"k512.", dns.HmacSHA512, secret}, {"k384.", dns.HmacSHA384, secret},
		{"k224.", dns.HmacSHA224, secret}, {"k1.", dns.HmacSHA1, secret},
	}
}

// sign adds a TSIG record; age is how long ago it was signed.
func (g *generator) sign(b []byte, k key, age time.Duration, fudge uint16) []byte {
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		return b // what cannot be parsed is sent without a signature
	}
	m.SetTsig(k.name, k.algorithm, fudge, time.Now().Add(-age).Unix())
	out, _, err := dns.TsigGenerate(m, k.secret, "", false)
	if err != nil {
		return b
	}
	return out
}

// signed returns a request with a signature, good or not.
func (g *generator) signed(names []dname.Name) *request {
	b := g.question(g.name(names), g.qtype(), 1)
	if g.chance(2) {
		b = edns(b, g.size(), 0, 0, uint16(g.IntN(2))*flagDO, nil)
	}
	k := pick(g, g.keys)
	const fudge = 300
	kind := "TSIG"
	switch g.IntN(10) {
	case 0, 1, 2:
		b = g.sign(b, k, 0, fudge)
	case 3:
		kind, b = "TSIG, late", g.sign(b, k, pick(g, []time.Duration{time.Hour, -time.Hour, 10 * 365 * 24 * time.Hour}), fudge)
	case 4:
		k.name, kind = "unknown.", "TSIG, unknown key"
		b = g.sign(b, k, 0, fudge)
	case 5:
		k.algorithm, kind = pick(g, []string{dns.HmacSHA256, dns.HmacSHA1, dns.HmacSHA512}), "TSIG, algorithm"
		b = g.sign(b, k, 0, fudge)
	case 6:
		k.secret, kind = "AAAA"+k.secret[4:], "TSIG, wrong MAC"
		b = g.sign(b, k, 0, fudge)
	case 7: // changed behind the signer's back
		kind, b = "TSIG, changed", g.sign(b, k, 0, fudge)
		b[3] ^= 0x10
	case 8: // a MAC that is too short, or not as long as it says
		kind, b = "TSIG, truncated", g.truncate(g.sign(b, k, time.Duration(g.IntN(2))*time.Hour, fudge))
	default: // not the last record, or twice
		kind, b = "TSIG, place", g.sign(b, k, 0, fudge)
		if g.chance(2) {
			b[11]++
			b = append(b, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1)
		} else {
			b = g.sign(b, k, 0, fudge)
		}
	}
	r := g.made(kind, b)
	r.maybeSilent = true
	return r
}

// truncate shortens the MAC of the TSIG record at the end of a message.
func (g *generator) truncate(b []byte) []byte {
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil || m.IsTsig() == nil {
		return b
	}
	t := m.IsTsig()
	mac, err := hex.DecodeString(t.MAC)
	if err != nil {
		return b
	}
	mac = mac[:pick(g, []int{0, 1, 9, 10, 15, 16, 20, len(mac) - 1})]
	t.MAC, t.MACSize = hex.EncodeToString(mac), uint16(len(mac))
	if out, err := m.Pack(); err == nil {
		return out
	}
	return b
}

// notify returns a NOTIFY message.
func (g *generator) notify(zones []string) *request {
	m := new(dns.Msg)
	m.SetNotify(pick(g, zones))
	m.Id = g.next()
	switch g.IntN(6) {
	case 0:
		m.Question[0].Qtype = g.qtype()
	case 1:
		m.Question[0].Qclass = dns.ClassCHAOS
	case 2:
		m.Answer = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeSOA, Class: dns.ClassINET}, Ns: "ns.", Mbox: "m.", Serial: g.Uint32() % 1000}}
	case 3:
		m.Question[0].Name = childOf(m.Question[0].Name)
	case 4:
		m.Question = nil
	}
	b, err := m.Pack()
	if err != nil {
		panic(err) // all of it is from above
	}
	if g.chance(3) {
		b = g.sign(b, pick(g, g.keys), 0, 300)
	}
	return &request{kind: "NOTIFY", id: m.Id, bytes: b, maybeSilent: true, changes: true}
}

// childOf returns a name below another, or the same if there is hardly room for it.
func childOf(name string) string {
	const room = 60
	if len(name) > room {
		return name
	}
	return "x." + strings.TrimPrefix(name, ".")
}

// transfer returns an AXFR or IXFR request.
func (g *generator) transfer(zones []string) *request {
	zone := pick(g, zones)
	below := childOf(zone)
	signer, isSigned := pick(g, g.keys), g.chance(4)
	m := new(dns.Msg)
	if g.chance(3) {
		m.SetAxfr(zone)
		m.Id = g.next()
		switch g.IntN(8) {
		case 0:
			m.Question[0].Qclass = dns.ClassANY
		case 1:
			m.SetEdns0(g.size(), g.chance(2))
		case 2:
			m.Question[0].Name = below
		}
		return &request{kind: "AXFR", id: m.Id, maybeSilent: true, build: func(*side) []byte { return g.packed(m, signer, isSigned) }}
	}
	m.SetIxfr(zone, 0, ".", ".")
	m.Id = g.next()
	back, fixed, odd := g.IntN(6), g.Uint32(), g.IntN(12)
	switch odd {
	case 0:
		m.Ns = nil
	case 1:
		m.Ns = append(m.Ns, m.Ns[0])
	case 2:
		m.Ns[0].Header().Name = below
	}
	return &request{kind: "IXFR", id: m.Id, maybeSilent: true, build: func(s *side) []byte {
		// One of the serials that this server was seen with, in the same place of both lists.
		serial := fixed
		if list := s.serials[string(dname.MustParse(strings.ToLower(zone)))]; odd != 3 && len(list) > 0 {
			serial = list[max(len(list)-1-back, 0)]
		}
		own := m.Copy()
		for _, r := range own.Ns {
			r.(*dns.SOA).Serial = serial
		}
		return g.packed(own, signer, isSigned)
	}}
}

// packed is called by both sides at the same time.
func (g *generator) packed(m *dns.Msg, k key, isSigned bool) []byte {
	b, err := m.Copy().Pack()
	if err != nil {
		panic(err) // all of it is from above
	}
	if isSigned {
		b = g.sign(b, k, 0, 300)
	}
	return b
}
