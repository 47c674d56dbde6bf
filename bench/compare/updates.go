package main

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// changed are the names, relative to the zone, that updates are about. They are few, so
// that most updates meet what others left.
var changed = []string{"@", "1", "2", "3", "4", "5", "10", "64", "65", "130", "a", "b", "c.d", "d", "*.w", "x.w", "*", "sub", "ns.sub", "x.sub", "dn", "x.dn", "A", "0/25", "1.0.0.0"}

// changedTypes are those that they have.
var changedTypes = []uint16{
	dns.TypePTR, dns.TypePTR, dns.TypePTR, dns.TypePTR, dns.TypePTR, dns.TypePTR, dns.TypeTXT, dns.TypeTXT, dns.TypeTXT, dns.TypeA, dns.TypeA,
	dns.TypeTXT, dns.TypeA, dns.TypeAAAA, dns.TypeAAAA, dns.TypeMX, dns.TypeMX, dns.TypeCNAME, dns.TypeCNAME, dns.TypeNS, dns.TypeDS,
	dns.TypePTR, dns.TypePTR, dns.TypePTR, dns.TypeTXT, dns.TypeA, dns.TypeAAAA, dns.TypeCNAME, dns.TypeNS, dns.TypeDNAME, dns.TypeDS,
	dns.TypeMX, dns.TypeSRV, dns.TypeDHCID, 65280, dns.TypeSOA, dns.TypeHINFO, dns.TypeANY, dns.TypeAXFR, dns.TypeNSEC, dns.TypeRRSIG, dns.TypeNSEC3PARAM,
}

// owner returns a name of the zone, sometimes one outside of it.
func (g *generator) owner(zone string) string {
	n := pick(g, changed)
	switch {
	case g.chance(60):
		return "out.of.zone.test."
	case n == "@":
		return zone
	}
	return n + "." + zone
}

// record returns a record with RDATA from a small choice.
func (g *generator) record(owner string, t uint16, ttl uint32) dns.RR {
	host := pick(g, []string{"a.example.com.", "B.example.com.", "b.example.com.", "c.example.net."})
	var data string
	switch t {
	case dns.TypePTR, dns.TypeCNAME, dns.TypeNS, dns.TypeDNAME:
		data = host
	case dns.TypeTXT:
		data = fmt.Sprintf("\"t%d\"", g.IntN(4))
	case dns.TypeA:
		data = fmt.Sprintf("192.0.2.%d", g.IntN(4))
	case dns.TypeAAAA:
		data = fmt.Sprintf("2001:db8::%d", g.IntN(4))
	case dns.TypeDS:
		data = fmt.Sprintf("1 13 2 %s", strings.Repeat(fmt.Sprintf("%02d", g.IntN(4)), 32))
	case dns.TypeMX:
		data = fmt.Sprintf("%d %s", g.IntN(2), host)
	case dns.TypeSRV:
		data = "1 2 3 " + host
	case dns.TypeDHCID:
		data = "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="
	case dns.TypeSOA:
		data = fmt.Sprintf("ns1.example.com. hostmaster.example.com. %d 1 2 3 4", pick(g, []uint32{1, 2000, 3000, 1 << 20, 1<<31 + 5}))
	case dns.TypeHINFO:
		data = "a b"
	case 65280:
		data = "\\# 3 010203"
	default:
		return &dns.ANY{Hdr: dns.RR_Header{Name: owner, Rrtype: t, Class: dns.ClassINET, Ttl: ttl}}
	}
	name := dns.TypeToString[t]
	if name == "" {
		name = fmt.Sprintf("TYPE%d", t)
	}
	r, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", owner, ttl, name, data))
	if err != nil {
		panic(err) // all of it is from above
	}
	return r
}

// empty returns a record without RDATA.
func empty(owner string, t, class uint16, ttl uint32) dns.RR {
	return &dns.ANY{Hdr: dns.RR_Header{Name: owner, Rrtype: t, Class: class, Ttl: ttl}}
}

// prerequisite returns one of RFC 2136 §2.4, or one that is malformed.
func (g *generator) prerequisite(zone string) dns.RR {
	owner, t := g.owner(zone), pick(g, changedTypes)
	var ttl uint32
	if g.chance(30) {
		ttl = 1
	}
	switch g.IntN(6) {
	case 0:
		return empty(owner, dns.TypeANY, dns.ClassANY, ttl)
	case 1:
		return empty(owner, dns.TypeANY, dns.ClassNONE, ttl)
	case 2:
		return empty(owner, t, dns.ClassANY, ttl)
	case 3:
		return empty(owner, t, dns.ClassNONE, ttl)
	default:
		r := g.record(owner, t, ttl)
		if g.chance(20) {
			r.Header().Class = pick(g, []uint16{dns.ClassANY, dns.ClassNONE, dns.ClassCHAOS})
		}
		return r
	}
}

// change returns one of RFC 2136 §2.5, or one that is malformed.
func (g *generator) change(zone string) dns.RR {
	owner, t := g.owner(zone), pick(g, changedTypes)
	switch g.IntN(8) {
	case 0:
		return empty(owner, dns.TypeANY, dns.ClassANY, uint32(g.IntN(40)/39))
	case 1:
		return empty(owner, t, dns.ClassANY, 0)
	case 2, 3:
		r := g.record(owner, t, 0)
		r.Header().Class = dns.ClassNONE
		return r
	default:
		r := g.record(owner, t, pick(g, []uint32{60, 60, 61, 3600, 0}))
		if g.chance(60) {
			r.Header().Class = dns.ClassCHAOS
		}
		return r
	}
}

// update returns an UPDATE message for one of the zones.
func (g *generator) update(zones []string) *request {
	zone := pick(g, zones)
	m := new(dns.Msg)
	m.SetUpdate(zone)
	m.Id = g.next()
	if g.chance(2) {
		for range g.IntN(3) {
			m.Answer = append(m.Answer, g.prerequisite(zone))
		}
	}
	count := 1 + g.IntN(4)
	if g.chance(50) {
		count = 60
	}
	for range count {
		m.Ns = append(m.Ns, g.change(zone))
	}
	switch g.IntN(60) {
	case 0:
		m.Question = append(m.Question, m.Question[0])
	case 1:
		m.Question[0].Qtype = dns.TypeA
	case 2:
		m.Question[0].Qclass = dns.ClassCHAOS
	case 3:
		m.Question[0].Name = childOf(zone)
	case 4:
		m.Ns = nil
	case 5, 6:
		m.SetEdns0(1232, true)
	}
	signer, isSigned := pick(g, g.keys), g.chance(5)
	return &request{kind: "UPDATE", id: m.Id, changes: true, build: func(*side) []byte { return g.packed(m, signer, isSigned) }}
}
