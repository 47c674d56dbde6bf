package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// probe is a query that is not a plain one: those of RFC 8906 §8 and others that servers
// meet.
type probe struct {
	name   string
	make   func() *dns.Msg
	tcp    bool
	differ *disagreement // nil: all answer alike
}

// disagreement is what each makes of a probe, as summary says it.
type disagreement struct {
	nsd, knot, bind, ptrd string
	rfc                   string // what decides it
}

func query(qtype uint16, change func(*dns.Msg)) func() *dns.Msg {
	return func() *dns.Msg {
		m := new(dns.Msg)
		m.SetQuestion("10.2.0.192.in-addr.arpa.", qtype)
		m.Id = 4711
		m.RecursionDesired = false
		if change != nil {
			change(m)
		}
		return m
	}
}

func withOPT(change func(*dns.OPT)) func() *dns.Msg {
	return query(dns.TypeSOA, func(m *dns.Msg) {
		m.SetEdns0(1232, false)
		change(m.IsEdns0())
	})
}

var probes = []probe{
	{name: "plain", make: query(dns.TypePTR, nil)},
	{name: "plain over TCP", make: query(dns.TypePTR, nil), tcp: true},
	{name: "RD", make: query(dns.TypePTR, func(m *dns.Msg) { m.RecursionDesired = true })},
	{name: "AD", make: query(dns.TypePTR, func(m *dns.Msg) { m.AuthenticatedData = true })},
	{name: "CD", differ: &disagreement{
		nsd: "NOERROR aa question 1 answer", knot: "NOERROR aa question 1 answer", bind: "NOERROR aa cd question 1 answer",
		ptrd: "NOERROR aa question 1 answer",
		rfc:  "RFC 4035 §3.1.6: CD is cleared in an authoritative response",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.CheckingDisabled = true })},
	{name: "Z bit", make: query(dns.TypePTR, func(m *dns.Msg) { m.Zero = true })},
	{name: "AA and TC set in the query", make: query(dns.TypePTR, func(m *dns.Msg) { m.Authoritative, m.Truncated = true, true })},
	{name: "RA set in the query", make: query(dns.TypePTR, func(m *dns.Msg) { m.RecursionAvailable = true })},
	{name: "RCODE in the query", differ: &disagreement{
		nsd: "FORMERR question 0", knot: "NOERROR aa question 1 answer", bind: "NOERROR aa question 1 answer",
		ptrd: "NOERROR aa question 1 answer",
		rfc:  "RFC 1035 §4.1.1: RCODE is set in responses only, and RFC 8906 §3.1.3 wants flags that are not understood ignored",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.Rcode = 5 })},
	{name: "unknown type", make: query(1000, nil)},
	{name: "type 0", differ: &disagreement{
		nsd: "NOERROR aa question 1", knot: "NOTIMP question 1", bind: "NOERROR aa question 1",
		ptrd: "NOERROR aa question 1",
		rfc:  "RFC 6895 §3.1: 0 is reserved, so no name has data of it",
	}, make: query(0, nil)},
	{name: "type OPT", differ: &disagreement{
		nsd: "NOERROR aa question 1", knot: "NOERROR aa question 1", bind: "FORMERR question 1",
		ptrd: "FORMERR question 1",
		rfc:  "RFC 6891 §6.1.1: OPT is no data",
	}, make: query(dns.TypeOPT, nil)},
	{name: "type TSIG", differ: &disagreement{
		nsd: "NOERROR aa question 1", knot: "NOERROR aa question 1", bind: "FORMERR question 1",
		ptrd: "FORMERR question 1",
		rfc:  "RFC 8945 §4.2: TSIG is a meta-RR, which no zone holds",
	}, make: query(dns.TypeTSIG, nil)},
	{name: "type TKEY", differ: &disagreement{
		nsd: "NOERROR aa question 1", knot: "NOERROR aa question 1", bind: "FORMERR question 1",
		ptrd: "NOTIMP question 1",
		rfc:  "RFC 2930 §4 is not supported",
	}, make: query(dns.TypeTKEY, nil)},
	{name: "type MAILB", differ: &disagreement{
		nsd: "NOERROR aa question 1", knot: "NOERROR aa question 1", bind: "NOTIMP question 1",
		ptrd: "NOTIMP question 1",
		rfc:  "RFC 1035 §3.2.3; obsolete, and no type of data",
	}, make: query(dns.TypeMAILB, nil)},
	{name: "type MAILA", differ: &disagreement{
		nsd: "NOERROR aa question 1", knot: "NOERROR aa question 1", bind: "NOTIMP question 1",
		ptrd: "NOTIMP question 1",
		rfc:  "RFC 1035 §3.2.3; obsolete, and no type of data",
	}, make: query(dns.TypeMAILA, nil)},
	{name: "type 128, NXNAME", differ: &disagreement{
		nsd: "NOERROR aa question 1", knot: "NOERROR aa question 1", bind: "FORMERR question 1",
		ptrd: "FORMERR question 1",
		rfc:  "RFC 9824 §3.5: a query for NXNAME gets FORMERR",
	}, make: query(128, nil)},
	{name: "AXFR over UDP", differ: &disagreement{
		nsd: "NOTIMP question 1", knot: "NOTIMP question 1", bind: "REFUSED question 1",
		ptrd: "NOTIMP question 1",
		rfc:  "RFC 5936 §4.2: AXFR over UDP is not defined",
	}, make: query(dns.TypeAXFR, func(m *dns.Msg) { m.Question[0].Name = "2.0.192.in-addr.arpa." })},
	{name: "class CH", make: query(dns.TypePTR, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS })},
	{name: "class HS", differ: &disagreement{
		nsd: "REFUSED question 0", knot: "REFUSED question 1", bind: "REFUSED question 1",
		ptrd: "REFUSED question 1",
		rfc:  "RFC 1034 §4.3.2 step 2: no zone of that class here",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassHESIOD })},
	{name: "class ANY", differ: &disagreement{
		nsd: "NOERROR question 1 answer", knot: "NOERROR aa question 1 answer", bind: "FORMERR question 1",
		ptrd: "NOERROR question 1 answer",
		rfc:  "RFC 1035 §6.2: never authoritative for QCLASS ANY",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassANY })},
	{name: "class NONE", differ: &disagreement{
		nsd: "REFUSED question 0", knot: "REFUSED question 1", bind: "FORMERR question 1",
		ptrd: "REFUSED question 1",
		rfc:  "RFC 1034 §4.3.2 step 2: no zone of that class here",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassNONE })},
	{name: "class 12345", differ: &disagreement{
		nsd: "REFUSED question 0", knot: "REFUSED question 1", bind: "NOTIMP question 1",
		ptrd: "REFUSED question 1",
		rfc:  "RFC 1034 §4.3.2 step 2: no zone of that class here",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.Question[0].Qclass = 12345 })},
	{name: "not ours", make: query(dns.TypePTR, func(m *dns.Msg) { m.Question[0].Name = "example.com." })},
	{name: "not ours, EDNS", make: query(dns.TypePTR, func(m *dns.Msg) { m.Question[0].Name = "example.com."; m.SetEdns0(1232, true) })},
	{name: "no question", make: query(dns.TypePTR, func(m *dns.Msg) { m.Question = nil })},
	{name: "two questions", differ: &disagreement{
		nsd: "FORMERR question 0", knot: "no response", bind: "FORMERR question 0",
		ptrd: "FORMERR question 0",
		rfc:  "RFC 9619 §4",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) })},
	{name: "answer in the query", differ: &disagreement{
		nsd: "FORMERR question 0", knot: "NOERROR aa question 1 answer", bind: "NOERROR aa question 1 answer",
		ptrd: "FORMERR question 0",
		rfc:  "RFC 1034 §3.7.1: a standard query has a question and no answer",
	}, make: query(dns.TypePTR, func(m *dns.Msg) {
		m.Answer = []dns.RR{&dns.PTR{Hdr: dns.RR_Header{Name: "10.2.0.192.in-addr.arpa.", Rrtype: dns.TypePTR, Class: 1}, Ptr: "x."}}
	})},
	{name: "opcode IQUERY", differ: &disagreement{
		nsd: "NOTIMP opcode 1 question 0", knot: "NOTIMP opcode 1 question 1", bind: "NOTIMP opcode 1 question 0",
		ptrd: "NOTIMP opcode 1 question 0",
		rfc:  "RFC 8906 §3.1.4; the body of an unknown opcode is not read",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.Opcode = 1 })},
	{name: "opcode STATUS", differ: &disagreement{
		nsd: "NOTIMP opcode 2 question 0", knot: "NOTIMP opcode 2 question 1", bind: "NOTIMP opcode 2 question 0",
		ptrd: "NOTIMP opcode 2 question 0",
		rfc:  "RFC 8906 §3.1.4; the body of an unknown opcode is not read",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.Opcode = 2 })},
	{name: "opcode 3", differ: &disagreement{
		nsd: "NOTIMP opcode 3 question 0", knot: "NOTIMP opcode 3 question 1", bind: "NOTIMP opcode 3 question 0",
		ptrd: "NOTIMP opcode 3 question 0",
		rfc:  "RFC 8906 §3.1.4; the body of an unknown opcode is not read",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.Opcode = 3 })},
	{name: "opcode 15", differ: &disagreement{
		nsd: "NOTIMP opcode 15 question 0", knot: "NOTIMP opcode 15 question 1", bind: "NOTIMP opcode 15 question 0",
		ptrd: "NOTIMP opcode 15 question 0",
		rfc:  "RFC 8906 §3.1.4; the body of an unknown opcode is not read",
	}, make: query(dns.TypePTR, func(m *dns.Msg) { m.Opcode = 15 })},
	{name: "opcode 15 without a question", make: query(dns.TypePTR, func(m *dns.Msg) { m.Opcode = 15; m.Question = nil })},
	{name: "NOTIFY", differ: &disagreement{
		nsd: "REFUSED opcode 4 question 0", knot: "NOTAUTH opcode 4 question 1", bind: "NOERROR opcode 4 aa question 1",
		ptrd: "NOTAUTH opcode 4 question 1",
		rfc:  "RFC 1996 §3.10: a primary is not a secondary of anybody",
	}, make: query(dns.TypeSOA, func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify; m.Question[0].Name = "2.0.192.in-addr.arpa." })},
	{name: "UPDATE", differ: &disagreement{
		nsd: "NOTIMP opcode 5 question 0", knot: "NOTAUTH opcode 5 question 1", bind: "REFUSED opcode 5 question 1",
		ptrd: "REFUSED opcode 5 question 1",
		rfc:  "RFC 2136 §3.3: updates are not permitted",
	}, make: query(dns.TypeSOA, func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate; m.Question[0].Name = "2.0.192.in-addr.arpa." })},
	{name: "EDNS", make: withOPT(func(*dns.OPT) {})},
	{name: "EDNS version 1", make: withOPT(func(o *dns.OPT) { o.SetVersion(1) })},
	{name: "EDNS version 1, unknown option", make: withOPT(func(o *dns.OPT) {
		o.SetVersion(1)
		o.Option = append(o.Option, &dns.EDNS0_LOCAL{Code: 100, Data: []byte{1}})
	})},
	{name: "EDNS unknown option", make: withOPT(func(o *dns.OPT) { o.Option = append(o.Option, &dns.EDNS0_LOCAL{Code: 100, Data: []byte{1}}) })},
	{name: "EDNS unknown flag", make: withOPT(func(o *dns.OPT) { o.SetZ(0x40) })},
	{name: "EDNS size 0", make: withOPT(func(o *dns.OPT) { o.SetUDPSize(0) })},
	{name: "EDNS DO", make: withOPT(func(o *dns.OPT) { o.SetDo() })},
	{name: "EDNS client subnet", differ: &disagreement{
		nsd: "NOERROR aa question 1 EDNS 0", knot: "NOERROR aa question 1 EDNS 0", bind: "NOERROR aa question 1 EDNS 0 option 8",
		ptrd: "NOERROR aa question 1 EDNS 0",
		rfc:  "RFC 7871 §7.2.1: the option need not be answered",
	}, make: withOPT(func(o *dns.OPT) {
		o.Option = append(o.Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{192, 0, 2, 0}})
	})},
	{name: "EDNS NSID", differ: &disagreement{
		nsd: "NOERROR aa question 1 EDNS 0", knot: "NOERROR aa question 1 EDNS 0 option 3", bind: "NOERROR aa question 1 EDNS 0",
		ptrd: "NOERROR aa question 1 EDNS 0",
		rfc:  "RFC 5001 §2.2: none is configured",
	}, make: withOPT(func(o *dns.OPT) { o.Option = append(o.Option, &dns.EDNS0_NSID{Code: dns.EDNS0NSID}) })},
	{name: "EDNS owner is not the root", differ: &disagreement{
		nsd: "FORMERR question 0", knot: "NOERROR aa question 1 EDNS 0", bind: "FORMERR question 1",
		ptrd: "FORMERR question 0",
		rfc:  "RFC 6891 §6.1.2: the name of OPT must be the root",
	}, make: withOPT(func(o *dns.OPT) { o.Hdr.Name = "x." })},
	{name: "two OPT", differ: &disagreement{
		nsd: "FORMERR question 0", knot: "FORMERR question 1", bind: "FORMERR question 1",
		ptrd: "FORMERR question 0 EDNS 0",
		rfc:  "RFC 6891 §6.1.1: FORMERR",
	}, make: query(dns.TypeSOA, func(m *dns.Msg) { m.SetEdns0(1232, false); m.Extra = append(m.Extra, m.Extra[0]) })},
	{name: "OPT in the authority section", differ: &disagreement{
		nsd: "FORMERR question 0", knot: "FORMERR question 1", bind: "FORMERR question 1",
		ptrd: "FORMERR question 0",
		rfc:  "RFC 6891 §6.1.1: OPT belongs into the additional section",
	}, make: query(dns.TypeSOA, func(m *dns.Msg) { m.SetEdns0(1232, false); m.Ns, m.Extra = m.Extra, nil })},
	{name: "record in the additional section", differ: &disagreement{
		nsd: "FORMERR question 0", knot: "NOERROR aa question 1", bind: "NOERROR aa question 1",
		ptrd: "NOERROR aa question 1",
		rfc:  "RFC 8906: nothing forbids it, and it is ignored",
	}, make: query(dns.TypeSOA, func(m *dns.Msg) {
		m.Extra = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "x.", Rrtype: dns.TypeA, Class: 1}, A: []byte{192, 0, 2, 1}}}
	})},
}

// summary is all of a response's header and EDNS that matters.
func summary(b []byte, err error) string {
	if err != nil {
		return silence
	}
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		return "malformed: " + err.Error()
	}
	var f []string
	add := func(on bool, s string) {
		if on {
			f = append(f, s)
		}
	}
	add(true, dns.RcodeToString[m.Rcode])
	add(m.Opcode != 0, fmt.Sprintf("opcode %d", m.Opcode))
	add(m.Authoritative, "aa")
	add(m.Truncated, "tc")
	add(m.RecursionDesired, "rd")
	add(m.RecursionAvailable, "ra")
	add(m.Zero, "z")
	add(m.AuthenticatedData, "ad")
	add(m.CheckingDisabled, "cd")
	add(true, fmt.Sprintf("question %d", len(m.Question)))
	add(len(m.Answer) > 0, "answer")
	if o := m.IsEdns0(); o != nil {
		add(true, fmt.Sprintf("EDNS %d", o.Version()))
		add(o.Do(), "do")
		add(o.Z() != 0, fmt.Sprintf("flags %x", o.Z()))
		for _, x := range o.Option {
			if x.Option() != dns.EDNS0EDE { // only some send it, and it changes nothing
				f = append(f, fmt.Sprintf("option %d", x.Option()))
			}
		}
	}
	return strings.Join(f, " ")
}

// silence is what summary says of a query that gets no response.
const silence = "no response"

// TestProbes holds ptrd against the peers where they agree on a probe, and all of them
// against the table where not.
func TestProbes(t *testing.T) {
	t.Parallel()
	s := loadSet(t, "testdata/classful.txtar")
	var addrs []netip.AddrPort
	for _, p := range peers {
		peertest.Require(t, p.program)
		addrs = append(addrs, p.start(t, s))
	}
	addrs = append(addrs, startPtrd(t, s))
	for _, p := range probes {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			var want [4]string
			if d := p.differ; d != nil {
				want = [...]string{d.nsd, d.knot, d.bind, d.ptrd}
			}
			var got [4]string
			for i, a := range addrs {
				if want[i] == silence {
					got[i] = silence // that nothing comes cannot be waited for
					continue
				}
				b, err := p.make().Pack()
				if err != nil {
					t.Fatal(err)
				}
				c := newClient(a)
				got[i] = summary(c.respond(b, p.tcp))
				c.close()
			}
			switch agree := got[0] == got[1] && got[1] == got[2]; {
			case agree && got[3] != got[0]:
				t.Errorf("ptrd answers %q, the peers %q", got[3], got[0])
			case agree && p.differ != nil:
				t.Error("the peers agree; drop what the table says of them")
			case !agree && p.differ == nil:
				t.Errorf("the peers differ, and the table does not say so: NSD %q, Knot %q, BIND %q, ptrd %q", got[0], got[1], got[2], got[3])
			case !agree && got != want:
				t.Errorf("NSD, Knot, BIND, ptrd\n got %q\nwant %q", got, want)
			}
		})
	}
}
