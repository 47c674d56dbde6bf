package hosted

import (
	"bytes"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// FuzzName: what is read as a name is listed in one form, which is read as the same name, and
// its key leads back to it.
func FuzzName(f *testing.F) {
	for _, s := range []string{"example.com", `\052.0\05725.2.0.192.in-addr.arpa.`, `a\.b`, `\377\000.`, "a..b", ".", `\400.`, `A\056b.C`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseName(s)
		if err != nil {
			return
		}
		text := FormatName(n)
		again, err := ParseName(text)
		if err != nil || !again.Equal(n) || FormatName(again) != text {
			t.Fatalf("%q is listed as %q, which is read as %v: %v", s, text, again, err)
		}
		if back := nameOfKey(orderKey(n, 0), dname.Root()); !back.Equal(n) {
			t.Fatalf("%q: the key %q leads to %v", s, orderKey(n, 0), back)
		}
	})
}

// FuzzValue: a value is listed in a form that is read as the same RDATA.
func FuzzValue(f *testing.F) {
	for _, c := range []struct{ kind, text string }{
		{"A", "192.0.2.1"}, {"TXT", `"a\057"  "\"b;" ""`}, {"MX", `10 m\057.example`}, {"CAA", `0 issue "ca.example; x=y"`},
		{"SOA", "a. b. 1 2 3 4 5"}, {"SVCB", `1 . alpn="h2,h3" key65333=\001x`}, {"NAPTR", `1 2 "u" "" "!^.*$!\\1!" .`},
		{"TLSA", "3 1 1 00ff"}, {"DS", "1 8 2 00"}, {"PTR", "x"}, {"TXT", `"(" ; "`}, {"SPF", "\"a\nb\""}, {"A", `\# 4 00000000`},
	} {
		f.Add(c.kind, c.text)
	}
	f.Fuzz(func(t *testing.T, kind, text string) {
		typ, ok := rr.ParseType(kind)
		if !ok {
			return
		}
		v, err := ParseValue(typ, text)
		if err != nil {
			return
		}
		again, err := ParseValue(typ, textOf(typ, v.Data))
		if err != nil || !bytes.Equal(again.Data, v.Data) {
			t.Fatalf("%s %q is % x, and as %q % x: %v", kind, text, v.Data, textOf(typ, v.Data), again.Data, err)
		}
	})
}
