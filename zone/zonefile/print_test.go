package zonefile

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
)

// build makes a zone of a master file.
func build(t *testing.T, apex dname.Name, text []byte) *zone.Zone {
	t.Helper()
	table := new(source.Table)
	b := zone.NewBuilder(apex)
	res := ReadBytes("f", text, Options{Origin: apex, Table: table}, b.Add)
	z, findings := b.Build()
	if !res.OK() || z == nil {
		for _, f := range append(res.Findings, findings...) {
			t.Log(table.Locate(f))
		}
		t.Fatal("no zone")
	}
	return z
}

// TestWrite: what is written of a zone is the zone, one record a line, the SOA
// first, and is written the same again.
func TestWrite(t *testing.T) {
	apex := dname.MustParse("2.0.192.in-addr.arpa")
	z := build(t, apex, []byte(`$TTL 300
10 PTR Ten.Example.
2 PTR b.example.
	PTR a.example.
@ SOA ns.example. host.example. 1 2 3 4 5
@ NS ns.example.
0/25 NS ns1.0/25
ns1.0/25 A 192.0.2.53
$GENERATE 3-4 $ CNAME $.0/25
_acme TXT "a\"b" "\200;"
x TYPE65534 \# 2 abcd
y SRV 1 2 3 srv
`))
	var first bytes.Buffer
	if err := Write(&first, z); err != nil {
		t.Fatal(err)
	}
	const want = `2.0.192.in-addr.arpa. 300 IN SOA ns.example. host.example. 1 2 3 4 5
2.0.192.in-addr.arpa. 300 IN NS ns.example.
0/25.2.0.192.in-addr.arpa. 300 IN NS ns1.0/25.2.0.192.in-addr.arpa.
ns1.0/25.2.0.192.in-addr.arpa. 300 IN A 192.0.2.53
10.2.0.192.in-addr.arpa. 300 IN PTR Ten.Example.
2.2.0.192.in-addr.arpa. 300 IN PTR a.example.
2.2.0.192.in-addr.arpa. 300 IN PTR b.example.
3.2.0.192.in-addr.arpa. 300 IN CNAME 3.0/25.2.0.192.in-addr.arpa.
4.2.0.192.in-addr.arpa. 300 IN CNAME 4.0/25.2.0.192.in-addr.arpa.
_acme.2.0.192.in-addr.arpa. 300 IN TXT "a\"b" "\200;"
x.2.0.192.in-addr.arpa. 300 IN TYPE65534 \# 2 abcd
y.2.0.192.in-addr.arpa. 300 IN SRV 1 2 3 srv.2.0.192.in-addr.arpa.
`
	if got := first.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	again := build(t, apex, first.Bytes())
	if again.Digest() != z.Digest() || again.Serial() != z.Serial() {
		t.Error("the zone that was read back is another one")
	}
	if err := Write(failing{}, z); !errors.Is(err, errFull) {
		t.Errorf("error %v", err)
	}
}

type failing struct{}

var errFull = errors.New("disk full")

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestRData(t *testing.T) {
	for _, c := range []struct {
		typ  rr.Type
		data string
		want string
	}{
		{rr.TypePTR, "\x04Mail\x07example\x00", "Mail.example."},
		{rr.TypePTR, "\x03a.b\x02\x00\xff\x00", `a\.b.\000\255.`},
		{rr.TypePTR, "\x01a", `\# 2 0161`},
		{rr.TypePTR, "\x01a\x00\x00", `\# 4 01610000`},
		{rr.TypeA, "\xc0\x00\x02\x01", "192.0.2.1"},
		{rr.TypeA, "\xc0", `\# 1 c0`},
		{rr.TypeAAAA, "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "2001:db8::1"},
		{rr.TypeMX, "\x00\x0a\x00", "10 ."},
		{rr.TypeTXT, "\x00\x03a\"\x7f", `"" "a\"\127"`},
		{rr.TypeTXT, "", `\# 0`},
		{rr.TypeSRV, "\x00\x01\x00\x02\x00\x03\x01a\x00", "1 2 3 a."},
		{rr.TypeSRV, "\x00\x01\x00", `\# 3 000100`},
		{65534, "\x00", `\# 1 00`},
	} {
		if got := rr.Text(c.typ, []byte(c.data)); got != c.want {
			t.Errorf("%v %q: got %s, want %s", c.typ, c.data, got, c.want)
		}
	}
}

func TestParseRData(t *testing.T) {
	origin := dname.MustParse("example")
	for _, c := range []struct {
		typ  rr.Type
		text string
		want string // RData of what is read, or the error behind "! "
	}{
		{rr.TypePTR, "Mail", "Mail.example."},
		{rr.TypePTR, "  mail ; comment\n", "mail.example."},
		{rr.TypeTXT, "(a\n\n b)", `"a" "b"`},
		{rr.TypeSRV, "1 2 3 srv", "1 2 3 srv.example."},
		{rr.TypePTR, "", "! column 1: the target is missing; write it"},
		{rr.TypePTR, "a b", "! column 3: \"b\" follows the last field; remove it, or put ; before it if it is a comment"},
		{rr.TypePTR, "a\nb", "! line 2, column 1: more than one line; write the data of one record, in parentheses if it needs more lines"},
		{rr.TypeTXT, "a (", "! column 3: ( is never closed; put the ) after the record's last field"},
		{rr.TypeANY, "a", "! ANY is not a type of stored data (RFC 6895 §3.1)"},
		{rr.TypeSRV, "1 2 x srv", "! column 5: port \"x\" is not a whole number from 0 to 65535; the data of SRV is: priority weight port target (RFC 2782)"},
	} {
		data, err := ParseRData(c.typ, c.text, origin)
		got := ""
		if err != nil {
			got = "! " + err.Error()
		} else {
			got = rr.Text(c.typ, data)
		}
		if got != c.want {
			t.Errorf("%v %q: got %s\nwant %s", c.typ, c.text, got, c.want)
		}
	}
	if _, err := ParseRData(rr.TypeTXT, strings.Repeat("(", 1<<20), origin); err == nil {
		t.Error("a million parentheses are read")
	}
}
