package rr

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
)

// The mnemonics are those of miekg/dns, wherever it knows the type.
func TestMnemonicsAgree(t *testing.T) {
	for number, mnemonic := range dns.TypeToString {
		switch number {
		case dns.TypeReserved, dns.TypeNone, dns.TypeISDN:
			continue // 65535 and 0 are no types of the registry; miekg/dns leaves ISDN a placeholder
		}
		if got := Type(number).String(); got != mnemonic {
			t.Errorf("type %d is %q, want %q", number, got, mnemonic)
		}
	}
}

func TestTypeEveryNumber(t *testing.T) {
	for n := range 1 << 16 {
		s := Type(n).String()
		if back, ok := ParseType(s); !ok || back != Type(n) {
			t.Fatalf("type %d prints as %q, which is %d, %v", n, s, back, ok)
		}
		generic := "TYPE" + itoa(n)
		if back, ok := ParseType(generic); !ok || back != Type(n) {
			t.Fatalf("%q is %d, %v", generic, back, ok)
		}
	}
	for n := range 1 << 16 {
		s := Class(n).String()
		back, ok := ParseClass(s)
		if isQuery := Class(n) == ClassANY || Class(n) == ClassNONE; isQuery {
			if ok {
				t.Errorf("class %q of queries and updates can be written in a zone", s)
			}
		} else if !ok || back != Class(n) {
			t.Fatalf("class %d prints as %q, which is %d, %v", n, s, back, ok)
		}
	}
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}

func TestParse(t *testing.T) {
	for in, want := range map[string]Type{
		"ptr": TypePTR, "Ptr": TypePTR, "type12": TypePTR, "TYPE00012": TypePTR, "nsec3param": TypeNSEC3PARAM, "any": TypeANY, "TYPE65535": 65535,
	} {
		if got, ok := ParseType(in); !ok || got != want {
			t.Errorf("ParseType(%q) = %v, %v; want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "TYPE", "TYPE-1", "TYPE+1", "TYPE65536", "TYPE 1", "TYPE1x", "PTR ", "IN", "3600", "\u017foa", "ptr.",
		"TYPE00000000012", "nsec3parameter"} {
		if got, ok := ParseType(in); ok {
			t.Errorf("ParseType(%q) = %v, want none", in, got)
		}
	}
	for in, want := range map[string]Class{"in": ClassIN, "IN": ClassIN, "ch": ClassCH, "Hs": ClassHS, "class1": ClassIN, "CLASS65535": 65535} {
		if got, ok := ParseClass(in); !ok || got != want {
			t.Errorf("ParseClass(%q) = %v, %v; want %v", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "I", "INN", "CLASS", "CLASS65536", "CLASS-1", "h\u017f", "A", "1h"} {
		if got, ok := ParseClass(in); ok {
			t.Errorf("ParseClass(%q) = %v, want none", in, got)
		}
	}
}

func TestIsMeta(t *testing.T) {
	for n := range 1 << 16 {
		want := n == 0 || n == 41 || n >= 128 && n <= 255 // RFC 6895 §3.1
		if Type(n).IsMeta() != want {
			t.Errorf("IsMeta of %v: %v", Type(n), !want)
		}
	}
}

// Every type whose RDATA miekg/dns compresses is one that NamesIn lets compress.
func TestNamesIn(t *testing.T) {
	for typ, want := range map[Type]Names{
		TypePTR: {0, 1}, TypeNS: {0, 1}, TypeCNAME: {0, 1}, TypeSOA: {0, 2}, TypeMX: {2, 1},
		TypeDNAME: {}, TypeSRV: {}, TypeA: {}, TypeTXT: {}, TypeNAPTR: {}, TypeRRSIG: {}, TypeNSEC: {}, 65280: {},
		3: {0, 1}, 4: {0, 1}, 7: {0, 1}, 8: {0, 1}, 9: {0, 1}, 14: {0, 2},
	} {
		if got := NamesIn(typ); got != want {
			t.Errorf("NamesIn(%v) = %+v, want %+v", typ, got, want)
		}
	}
}

func TestTarget(t *testing.T) {
	name := string(dname.MustParse("host.example."))
	for _, c := range []struct {
		typ   Type
		rdata string
		want  string
	}{
		{TypePTR, name, "host.example."},
		{TypeNS, name, "host.example."},
		{TypeCNAME, name, "host.example."},
		{TypeDNAME, "\x00", "."},
		{TypeMX, "\x00\x0a" + name, "host.example."},
		{TypeMX, "\x00\x0a\x00", "."}, // RFC 7505
		{TypeSRV, "\x00\x00\x00\x00\x00\x35" + name, "host.example."},
		{TypeSOA, name + name + "12345678901234567890", ""},
		{TypeA, "\xc0\x00\x02\x01", ""},
		{TypeTXT, "\x01a\x00", ""},
		{TypePTR, "", ""},
		{TypePTR, name[:5], ""},
		{TypePTR, "\xc0\x0c", ""},
		{TypeMX, "\x00\x0a", ""},
		{TypeMX, "\x00", ""},
		{TypeSRV, "\x00\x00\x00\x00\x00\x35", ""},
	} {
		got := Target(c.typ, []byte(c.rdata))
		if got == nil && c.want != "" || got != nil && got.String() != c.want {
			t.Errorf("Target(%v, %q) = %q, want %q", c.typ, c.rdata, []byte(got), c.want)
		}
	}
}
