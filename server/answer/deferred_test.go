package answer

import (
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
)

// deferred has a request answered by the front of the deferred lane.
func (l *lab) deferred(request []byte) ([]byte, Verdict) {
	return l.deferredWith(&Deferred{Request: l.request, View: l.view, Message: append([]byte(nil), request...)})
}

func (l *lab) deferredWith(d *Deferred) ([]byte, Verdict) {
	buf := make([]byte, wire.MaxMessage)
	d.Request.Deferred = d
	n, v := l.Respond(d.View, &d.Request, buf, copy(buf, d.Message))
	return buf[:n], v
}

func TestDeferredRequestsAreAnswered(t *testing.T) {
	const apex, below, away = "2.0.192.in-addr.arpa.", "10.2.0.192.in-addr.arpa.", "example.com."
	opcode := func(o int) func(*dns.Msg) { return func(m *dns.Msg) { m.Opcode = o } }
	version1 := func(m *dns.Msg) { m.SetEdns0(1232, false).IsEdns0().SetVersion(1) }
	l := newLab(t, servertest.Zones...)
	l.request.Transport = TCP
	for _, c := range []struct {
		what  string
		q     *dns.Msg
		rcode int
		ede   int
		count Counter
	}{
		{"AXFR of a zone", servertest.Query(apex, dns.TypeAXFR, servertest.EDNS()), dns.RcodeRefused, wire.EDEProhibited, CountDeferredRefused},
		{"AXFR below an apex", servertest.Query(below, dns.TypeAXFR, servertest.EDNS()), dns.RcodeNotAuth, wire.EDENotAuthoritative, CountDeferredNotAuth},
		{"AXFR of another class", servertest.Query(apex, dns.TypeAXFR, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeNotAuth, -1, CountDeferredNotAuth},
		{"NOTIFY for a zone", servertest.Query(apex, dns.TypeSOA, opcode(dns.OpcodeNotify)), dns.RcodeRefused, -1, CountDeferredRefused},
		{"NOTIFY for another", servertest.Query(away, dns.TypeSOA, opcode(dns.OpcodeNotify)), dns.RcodeNotAuth, -1, CountDeferredNotAuth},
		{"UPDATE of a zone", servertest.Query(apex, dns.TypeSOA, opcode(dns.OpcodeUpdate)), dns.RcodeRefused, -1, CountDeferredRefused},
		{"UPDATE of another", servertest.Query(away, dns.TypeSOA, opcode(dns.OpcodeUpdate)), dns.RcodeNotAuth, -1, CountDeferredNotAuth},
		{"UPDATE whose zone is not a SOA", servertest.Query(apex, dns.TypeNS, opcode(dns.OpcodeUpdate)), dns.RcodeFormatError, -1, CountDeferredFormErr},
		{"UPDATE without a zone", servertest.Query(apex, dns.TypeSOA, opcode(dns.OpcodeUpdate), func(m *dns.Msg) { m.Question = nil }), dns.RcodeFormatError, -1, CountDeferredFormErr},
		{"UPDATE of two zones", servertest.Query(apex, dns.TypeSOA, opcode(dns.OpcodeUpdate), func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), dns.RcodeFormatError, -1, CountDeferredFormErr},
		{"NOTIFY with EDNS 1", servertest.Query(apex, dns.TypeSOA, opcode(dns.OpcodeNotify), version1), dns.RcodeBadVers, -1, CountDeferredBadVers},
	} {
		b, err := c.q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		before := l.counts[c.count]
		reply, v := l.deferred(b)
		got := new(dns.Msg)
		if err := got.Unpack(reply); v != Answered || err != nil {
			t.Errorf("%s: verdict %d, %v", c.what, v, err)
			continue
		}
		if got.Rcode != c.rcode || got.Opcode != c.q.Opcode || got.Id != c.q.Id || got.Authoritative || servertest.EDE(got) != c.ede {
			t.Errorf("%s: got %v", c.what, got)
		}
		if l.counts[c.count] != before+1 {
			t.Errorf("%s: counted elsewhere", c.what)
		}
	}
	for _, b := range [][]byte{{}, {0, 1, 0xa8, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if reply, v := l.deferred(b); len(reply) != 0 || v != Drop {
			t.Errorf("% x: verdict %d", b, v)
		}
	}
}

// RFC 8945 §5.2.1 and §5.3.2.
func TestUnknownKey(t *testing.T) {
	l := newLab(t, servertest.Zones...)
	q := servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, servertest.EDNS())
	q.SetTsig("Key.example.", dns.HmacSHA256, 300, servertest.Now-5)
	b, _, err := dns.TsigGenerate(q, "c2VjcmV0", "", false)
	if err != nil {
		t.Fatal(err)
	}
	reply, v := l.deferred(b)
	got := new(dns.Msg)
	if err := got.Unpack(reply); v != Answered || err != nil {
		t.Fatalf("verdict %d, %v", v, err)
	}
	s := got.IsTsig()
	if got.Rcode != dns.RcodeNotAuth || s == nil || got.IsEdns0() == nil || len(got.Question) != 1 {
		t.Fatalf("got %v", got)
	}
	if s.Error != dns.RcodeBadKey || s.MACSize != 0 || s.OrigId != q.Id || s.Hdr.Name != "Key.example." || s.Algorithm != dns.HmacSHA256 || s.TimeSigned != servertest.Now || s.Hdr.Class != dns.ClassANY || s.OtherLen != 0 {
		t.Errorf("got %v", s)
	}
	if got.Extra[len(got.Extra)-1] != dns.RR(s) {
		t.Error("TSIG is not the last record")
	}
	// Every way to cut the TSIG record's data short is malformed.
	rec := len(b) - 1
	for ; string(b[rec:rec+4]) != "\x00\xfa\x00\xff"; rec-- {
	}
	whole := int(b[rec+8])<<8 | int(b[rec+9])
	for size := range whole {
		short := append([]byte(nil), b[:rec+10+size]...)
		short[rec+8], short[rec+9] = byte(size>>8), byte(size)
		reply, _ := l.deferred(short)
		if h, _ := wire.ReadHeader(reply); h.Flags.RCode() != wire.RCodeFormErr {
			t.Fatalf("TSIG data of %d octets: %v", size, h.Flags.RCode())
		}
	}
}
