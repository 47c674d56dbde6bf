package wire_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
)

// RDATA that miekg/dns packed with compression comes out as it packs it without.
func TestAppendRData(t *testing.T) {
	for _, text := range []string{
		"PTR a.b.example.", "NS A.example.", "CNAME example.", "DNAME x.example.", "SOA a.example. b.example. 1 2 3 4 5", "MINFO a.example. b.example.",
		"RP a.example. b.x.example.", "MX 5 a.example.", "AFSDB 1 a.example.", "RT 1 a.example.", "KX 1 a.example.", "PX 1 a.example. b.example.",
		"SRV 1 2 3 a.example.", `NAPTR 1 2 "s" "" "regexp" a.example.`, "SIG A 13 2 60 20370101000000 20200101000000 1 a.example. AAAA", "NXT a.example. A PTR",
		"MB a.example.", "A 192.0.2.1", `TXT "a" "b"`, `TYPE65534 \# 3 010203`, "DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
	} {
		record, err := dns.NewRR("a.example. 60 IN " + text)
		if err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		m.SetQuestion("b.x.example.", dns.TypeA)
		m.Answer = []dns.RR{record}
		m.Compress = true
		msg, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		_, off := wire.ReadQuestion(msg, wire.HeaderLen)
		r, next := wire.ReadRecord(msg, off)
		got, ok := wire.AppendRData([]byte("x"), msg, r, next)
		plain := make([]byte, 1024)
		n, err := dns.PackRR(record, plain, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		want := plain[len("\x01a\x07example\x00")+10 : n]
		if !ok || got[0] != 'x' || !bytes.Equal(got[1:], want) {
			t.Errorf("%s: %x, %v, want %x", text, got, ok, want)
		}
		// One octet less or more is no such RDATA, where it has fields.
		switch r.Type {
		case rr.TypeA, rr.TypeTXT, 65534, rr.TypeDHCID, rr.TypeSOA, rr.TypeSIG, 30:
			continue
		}
		for _, by := range []int{-1, 1} {
			changed := append(bytes.Clone(msg[:next]), 0)
			changed[next-len(r.Data)-1] += byte(by)
			if r, next := wire.ReadRecord(changed, off); next > 0 {
				if got, ok := wire.AppendRData(nil, changed, r, next); ok {
					t.Errorf("%s, %+d octet: taken as %x", text, by, got)
				}
			}
		}
	}
}

func TestEqualData(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		typ  rr.Type
		a, b string
		want bool
	}{
		{rr.TypePTR, "\x01a\x00", "\x01A\x00", true},
		{rr.TypePTR, "\x01a\x00", "\x01b\x00", false},
		{rr.TypeTXT, "\x01a", "\x01A", false},
		{rr.TypeMX, "\x00a\x01a\x00", "\x00a\x01A\x00", true},
		{rr.TypeMX, "\x00a\x01a\x00", "\x00A\x01A\x00", false},
		{rr.TypeNAPTR, "1234\x01s\x00\x00\x01n\x00", "1234\x01s\x00\x00\x01N\x00", true},
		{rr.TypeNAPTR, "1234\x01s\x00\x00\x01n\x00", "1234\x01S\x00\x00\x01n\x00", false},
		{rr.TypeSOA, "\x01a\x00\x00abcd", "\x01A\x00\x00abcd", true},
		{rr.TypeSOA, "\x01a\x00\x00abcd", "\x01A\x00\x00aBcd", false},
		{rr.TypePTR, "\x01a\x00\x00", "\x01a\x00", false},
	} {
		if got := rr.EqualData(c.typ, []byte(c.a), []byte(c.b)); got != c.want {
			t.Errorf("%v %q %q: %v", c.typ, c.a, c.b, got)
		}
	}
	for range 10000 { // octets of chance do not make it look beyond their end
		a, b := make([]byte, rng.IntN(12)), make([]byte, rng.IntN(12))
		for _, s := range [][]byte{a, b} {
			for i := range s {
				s[i] = byte(rng.IntN(4))
			}
		}
		for typ := range rr.Type(64) {
			if bytes.Equal(a, b) != rr.EqualData(typ, a, b) && !rr.EqualData(typ, bytes.ToLower(a), bytes.ToLower(b)) {
				t.Fatalf("%v %q %q", typ, a, b)
			}
		}
	}
}
