package answer

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
)

const (
	complianceZone = "$ORIGIN c.example.\n$TTL 3600\n@ SOA ns h 1 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.1\n"
	complianceApex = "c.example."
)

// probe is one of a test suite's questions about behaviour, with what a server
// that keeps to the RFCs answers.
type probe struct {
	name string
	q    *dns.Msg
	tcp  bool

	rcode int
	soa   bool // the SOA is the answer
	aa    bool
	opt   bool // EDNS version 0 is in the response
	do    bool
	rd    bool
}

func setBit(f func(*dns.Msg) *bool) func(*dns.Msg) { return func(m *dns.Msg) { *f(m) = true } }

var (
	cdBit = setBit(func(m *dns.Msg) *bool { return &m.CheckingDisabled })
	adBit = setBit(func(m *dns.Msg) *bool { return &m.AuthenticatedData })
	raBit = setBit(func(m *dns.Msg) *bool { return &m.RecursionAvailable })
	rdBit = setBit(func(m *dns.Msg) *bool { return &m.RecursionDesired })
	tcBit = setBit(func(m *dns.Msg) *bool { return &m.Truncated })
	aaBit = setBit(func(m *dns.Msg) *bool { return &m.Authoritative })
	zBit  = setBit(func(m *dns.Msg) *bool { return &m.Zero })
)

// opcode15 makes the request a bare header with an opcode that nobody knows.
func opcode15(m *dns.Msg) { m.Opcode, m.Question = 15, nil }

// ednsAs adds an OPT record.
func ednsAs(version uint8, size, flags uint16, options ...dns.EDNS0) func(*dns.Msg) {
	return func(m *dns.Msg) {
		m.SetEdns0(size, false)
		o := m.IsEdns0()
		o.SetVersion(version)
		o.Hdr.Ttl |= uint32(flags)
		o.Option = options
	}
}

func soaQuery(edits ...func(*dns.Msg)) *dns.Msg {
	return servertest.Query(complianceApex, dns.TypeSOA, edits...)
}

// rfc8906 are the probes of RFC 8906 §8, by section.
func rfc8906() []probe {
	unknown := servertest.Option(100, "")
	return []probe{
		{name: "8.1.1 the zone is served", q: soaQuery(), soa: true, aa: true},
		{name: "8.1.2 an unknown type", q: servertest.Query(complianceApex, 1000), aa: true},
		{name: "8.1.3.1 CD", q: soaQuery(cdBit), soa: true, aa: true},
		{name: "8.1.3.2 AD", q: soaQuery(adBit), soa: true, aa: true},
		{name: "8.1.3.3 the reserved bit", q: soaQuery(zBit), soa: true, aa: true},
		{name: "8.1.4 an unknown opcode", q: soaQuery(opcode15), rcode: dns.RcodeNotImplemented},
		{name: "8.1.5 TCP", q: soaQuery(), tcp: true, soa: true, aa: true},
		{name: "8.2.1 plain EDNS", q: soaQuery(ednsAs(0, 4096, 0)), soa: true, aa: true, opt: true},
		{name: "8.2.2 EDNS version 1", q: soaQuery(ednsAs(1, 4096, 0)), rcode: dns.RcodeBadVers, opt: true},
		{name: "8.2.3 an unknown option", q: soaQuery(ednsAs(0, 4096, 0, unknown)), soa: true, aa: true, opt: true},
		{name: "8.2.4 an unknown EDNS flag", q: soaQuery(ednsAs(0, 4096, 0x40)), soa: true, aa: true, opt: true},
		{name: "8.2.5 version 1 and an unknown flag", q: soaQuery(ednsAs(1, 4096, 0x40)), rcode: dns.RcodeBadVers, opt: true},
		{name: "8.2.6 version 1 and an unknown option", q: soaQuery(ednsAs(1, 4096, 0, unknown)), rcode: dns.RcodeBadVers, opt: true},
		{name: "8.2.7 DO", q: soaQuery(ednsAs(0, 4096, 0x8000)), soa: true, aa: true, opt: true, do: true},
		{name: "8.2.8 version 1 and DO", q: soaQuery(ednsAs(1, 4096, 0x8000)), rcode: dns.RcodeBadVers, opt: true, do: true},
		{name: "8.2.9 several options", q: soaQuery(ednsAs(0, 4096, 0, optionList()...)), soa: true, aa: true, opt: true},
	}
}

// optionList returns the options NSID, CLIENT-SUBNET for 0.0.0.0/0, EXPIRE and
// COOKIE.
func optionList() []dns.EDNS0 {
	return []dns.EDNS0{servertest.Option(3, ""), servertest.Option(8, "00010000"), servertest.Option(9, ""), servertest.Option(10, "0102030405060708")}
}

// ednsComp are the probes of ISC's EDNS compliance tester, by its names for them.
func ednsComp() []probe {
	nsid, subnet, expire, cookie, unknown := servertest.Option(3, ""), servertest.Option(8, "00010000"), servertest.Option(9, ""), servertest.Option(10, "0102030405060708"), servertest.Option(100, "")
	plain := func(name string, q *dns.Msg) probe { return probe{name: name, q: q, soa: true, aa: true} }
	withOPT := func(name string, q *dns.Msg) probe { return probe{name: name, q: q, soa: true, aa: true, opt: true} }
	badVers := func(name string, q *dns.Msg) probe {
		return probe{name: name, q: q, rcode: dns.RcodeBadVers, opt: true}
	}
	with := func(p probe, edit func(*probe)) probe { edit(&p); return p }
	list := []probe{
		plain("dns", soaQuery()),
		plain("aa", soaQuery(aaBit)),
		plain("ad", soaQuery(adBit)),
		plain("cd", soaQuery(cdBit)),
		plain("ra", soaQuery(raBit)),
		with(plain("rd", soaQuery(rdBit)), func(p *probe) { p.rd = true }),
		plain("tc", soaQuery(tcBit)),
		plain("zflag", soaQuery(zBit)),
		{name: "opcode", q: soaQuery(opcode15), rcode: dns.RcodeNotImplemented},
		{name: "opcodeflg", q: soaQuery(opcode15, tcBit, rdBit, raBit, cdBit, adBit, aaBit, zBit), rcode: dns.RcodeNotImplemented},
		{name: "type666", q: servertest.Query(complianceApex, 666), aa: true},
		with(plain("tcp", soaQuery()), func(p *probe) { p.tcp = true }),
		withOPT("edns", soaQuery(ednsAs(0, 4096, 0))),
		badVers("edns1", soaQuery(ednsAs(1, 4096, 0))),
		{name: "edns@512", q: servertest.Query(complianceApex, dns.TypeDNSKEY, ednsAs(0, 512, 0x8000)), aa: true, opt: true, do: true},
		withOPT("ednsopt", soaQuery(ednsAs(0, 4096, 0, unknown))),
		badVers("edns1opt", soaQuery(ednsAs(1, 4096, 0, unknown))),
		with(withOPT("do", soaQuery(ednsAs(0, 4096, 0x8000))), func(p *probe) { p.do = true }),
		with(withOPT("docd", soaQuery(ednsAs(0, 4096, 0x8000), cdBit)), func(p *probe) { p.do = true }),
		with(badVers("edns1do", soaQuery(ednsAs(1, 4096, 0x8000))), func(p *probe) { p.do = true }),
		withOPT("ednsflags", soaQuery(ednsAs(0, 4096, 0x80))),
		withOPT("optlist", soaQuery(ednsAs(0, 4096, 0, optionList()...))),
		withOPT("ednsnsid", soaQuery(ednsAs(0, 4096, 0, nsid))),
		withOPT("ednscookie", soaQuery(ednsAs(0, 4096, 0, cookie))),
		withOPT("ednsexpire", soaQuery(ednsAs(0, 4096, 0, expire))),
		withOPT("ednssubnet", soaQuery(ednsAs(0, 4096, 0, subnet))),
		badVers("edns1nsid", soaQuery(ednsAs(1, 4096, 0, nsid))),
		badVers("edns1cookie", soaQuery(ednsAs(1, 4096, 0, cookie))),
		badVers("edns1expire", soaQuery(ednsAs(1, 4096, 0, expire))),
		badVers("edns1subnet", soaQuery(ednsAs(1, 4096, 0, subnet))),
		{name: "ednstcp", q: servertest.Query(complianceApex, dns.TypeDNSKEY, ednsAs(0, 512, 0x8000)), tcp: true, aa: true, opt: true, do: true},
		with(withOPT("bind11", soaQuery(ednsAs(0, 4096, 0x8000, cookie))), func(p *probe) { p.do = true }),
		with(withOPT("dig11", soaQuery(ednsAs(0, 4096, 0, cookie), rdBit, adBit)), func(p *probe) { p.rd = true }),
	}
	// The group "type" asks for every type it knows; so do we, and for those that
	// nobody knows yet.
	for t := uint16(1); t < 300; t++ {
		switch {
		case t == dns.TypeOPT, t == dns.TypeSOA, t == dns.TypeNS, t >= 128 && t < 256:
		default:
			list = append(list, probe{name: "type " + dns.Type(t).String(), q: servertest.Query(complianceApex, t), aa: true})
		}
	}
	return append(list, probe{name: "TYPE1000", q: servertest.Query(complianceApex, 1000), aa: true})
}

func TestCompliance(t *testing.T) {
	for suite, probes := range map[string][]probe{"RFC 8906": rfc8906(), "ISC": ednsComp()} {
		for _, withIdentity := range []bool{false, true} {
			l := newLab(t, complianceZone)
			if withIdentity {
				k, err := NewCookies([][]byte{make([]byte, 16)})
				if err != nil {
					t.Fatal(err)
				}
				l.view.Policy = &Policy{NSID: []byte("ns1"), Cookies: k}
			}
			for _, p := range probes {
				l.request.Transport = UDP
				if p.tcp {
					l.request.Transport = TCP
				}
				t.Run(fmt.Sprintf("%s/%s/identity=%v", suite, p.name, withIdentity), func(t *testing.T) {
					l.t = t
					p.check(t, l.must(p.q))
				})
			}
		}
	}
}

func (p *probe) check(t *testing.T, got *dns.Msg) {
	if got.Rcode != p.rcode || got.Opcode != p.q.Opcode || got.Id != p.q.Id || !got.Response {
		t.Errorf("%v %v, want %s", dns.RcodeToString[got.Rcode], got.MsgHdr, dns.RcodeToString[p.rcode])
	}
	if len(got.Question) != len(p.q.Question) {
		t.Errorf("question %v", got.Question)
	}
	if got.Authoritative != p.aa || got.RecursionDesired != p.rd || got.RecursionAvailable || got.Zero || got.AuthenticatedData || got.CheckingDisabled || got.Truncated {
		t.Errorf("flags: %v", got.MsgHdr)
	}
	if hasSOA := len(got.Answer) == 1 && got.Answer[0].Header().Rrtype == dns.TypeSOA; hasSOA != p.soa || !p.soa && len(got.Answer) != 0 {
		t.Errorf("answer: %v", got.Answer)
	}
	if p.aa && !p.soa && (len(got.Ns) != 1 || got.Ns[0].Header().Rrtype != dns.TypeSOA) {
		t.Errorf("authority: %v", got.Ns)
	}
	o := got.IsEdns0()
	if (o != nil) != p.opt {
		t.Fatalf("OPT: %v", o)
	}
	if o == nil {
		return
	}
	if o.Version() != 0 || o.Do() != p.do || o.Hdr.Ttl&0x7fff != 0 {
		t.Errorf("OPT: %v", o)
	}
	asked := map[uint16]bool{}
	for _, e := range p.q.IsEdns0().Option {
		asked[e.Option()] = true
	}
	for _, e := range o.Option {
		if c := e.Option(); !asked[c] || c != dns.EDNS0NSID && c != dns.EDNS0COOKIE && c != dns.EDNS0EXPIRE {
			t.Errorf("option %d in the response", c)
		}
	}
}
