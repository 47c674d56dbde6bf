package zonefile

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

var seedFlag = flag.Uint64("seed", 0, "seed of random tests; 0: a new one")

// twoRoads are the settings under which lines are read as simple ones and not, by
// a number.
func twoRoads(which byte) Options {
	origins := []string{
		"2.0.192.in-addr.arpa", "10.in-addr.arpa", "in-addr.arpa", "0/25.2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa",
		"3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "example.com", ".",
	}
	o := Options{Origin: dname.MustParse(origins[which&7]), GenerateLimit: 300}
	switch which >> 3 & 3 {
	case 1:
		o.DefaultTTL, o.HasDefaultTTL = 60, true
	case 2:
		o.FallbackTTL, o.HasFallbackTTL = 90, true
	}
	if which&32 != 0 {
		o.Apexes = []dname.Name{dname.MustParse("2.0.192.in-addr.arpa"), dname.MustParse("example.com")}
	}
	o.window = 64 << (which >> 6)
	return o
}

// compareRoads reads text on both roads and reports where they differ in any way.
func compareRoads(t *testing.T, text []byte, o Options) {
	t.Helper()
	read := func(oneRoad bool) (*Result, []string) {
		var records []string
		o := o
		o.oneRoad, o.Table = oneRoad, new(source.Table)
		res := ReadBytes("f", text, o, func(r zone.Record) {
			records = append(records, fmt.Sprintf("%x %v %d %x %x", []byte(r.Owner), r.Type, r.TTL, r.Data, r.Tag))
		})
		return res, records
	}
	res, records := read(false)
	wantRes, want := read(true)
	for i := range min(len(records), len(want)) {
		if records[i] != want[i] {
			t.Fatalf("text %q\nrecord %d: %s\nby the parser of all lines: %s", text, i, records[i], want[i])
		}
	}
	if len(records) != len(want) {
		t.Fatalf("text %q\n%d records, by the parser of all lines %d", text, len(records), len(want))
	}
	if !reflect.DeepEqual(res, wantRes) {
		t.Fatalf("text %q\n%+v\nby the parser of all lines\n%+v", text, res, wantRes)
	}
}

// Lines near simple ones are made of these.
var (
	owners = []string{
		"1", "1.2", "10.20.30", "255", "256", "01", "1.2.0.192.in-addr.arpa.", "9.9.9.9.IN-ADDR.ARPA.", "5.4.3.2.1.in-addr.arpa.", "1.1.0/25.2.0.192.in-addr.arpa.", "/1",
		"a", "F", "g", "A.b", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0", "f.E.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.", "*", "*.1", "@", "in", "NS", "\xb1",
	}
	targets = []string{
		"host", "a.b.c", "host.example.", "HOST-1.Example.COM.", "1-2-3.example.", "192.0.2.1", "192.0.2.1.", "x.2.0.192.in-addr.arpa.", "1.ARPA.", "arpa.", "arpa", "x.arpa",
		"in-addr", "example.1.", "a1.1a.", "-.", "_x.example.", "192.0.2.1/32.", "a/b.", "1.0/25", "1.0/25.2.0.192.in-addr.arpa.", "/.", "\xe1\xae\xe2.", ".", "a..b", strings.Repeat("x", 63) + ".", strings.Repeat("x", 64) + ".", strings.Repeat("x", 64), strings.Repeat("xxxxxxx.", 28) + "xxxxxx",
		strings.Repeat("xxxxxxx.", 31) + "xxxxx.", strings.Repeat("xxxxxxx.", 31) + "xxxxxx.", strings.Repeat("x", 400),
	}
	types = []string{"PTR", "PTR", "ptr", "pTr", "NS", "ns", "CNAME", "cname", "TXT", "A", "PTRX"}
	heads = []string{"", "", "IN ", "in\t", "60 ", "1h ", "0 IN ", "IN 7 ", "CH ", "IN IN ", "4294967295 ", "99999999999 ", "1x ", "1 2 "}
	ends  = []string{"\n", "\n", "\n", "\r\n", " \n", ";c\n", " ; c\r\n", "\r", ";c\rd\n", " extra\n"}
	lines = []string{
		"$TTL 5\n", "$ORIGIN 2.0.192.in-addr.arpa.\n", "$ORIGIN example.\n", "$ORIGIN .\n", "$ORIGIN arpa.\n", "$ORIGIN 1\n", "$ORIGIN 8.b.d.0.1.0.0.2.ip6.arpa.\n",
		"@ 1 SOA a. b. 1 2 3 4 5\n", "@ SOA a. b. 1 2 3 4 5\n", "$GENERATE 1-2 $ PTR a$.\n", "1 PTR (\n", "* PTR a.example.\n NS a.example.\n", "1 PTR a.example.\n", " PTR a.example.\n", "\n",
	}
	pieces = slices.Concat(owners, targets, types, heads, ends, lines, []string{" ", " ", "  ", "\t", "(", ")", `"`, `\`, "$", "{{x}}", "__X__"})
)

// expand replaces octets from 0x80 on by pieces, so that chance finds lines that
// are nearly simple.
func expand(text []byte) (out []byte) {
	for _, c := range text {
		if c < 0x80 {
			out = append(out, c)
		} else {
			out = append(out, pieces[int(c-0x80)%len(pieces)]...)
		}
	}
	return out
}

// shortLines returns lines for expand, each piece in one.
func shortLines() (list [][]byte) {
	ptr := byte(0x80 + slices.Index(pieces, "PTR"))
	for i := range pieces {
		list = append(list, []byte{byte(0x80 + i), ' ', ptr, ' ', byte(0x80 + (i+len(owners))%len(pieces)), '\n'})
	}
	return list
}

// FuzzTwoRoads: the simple lines are read as the parser of all lines reads them:
// the same records, TTLs, positions and findings.
func FuzzTwoRoads(f *testing.F) {
	for _, text := range seeds(f) {
		for _, which := range []byte{0, 12, 22, 64} {
			f.Add(which, false, text)
		}
	}
	for i, text := range shortLines() {
		f.Add(byte(i), true, text)
	}
	f.Fuzz(func(t *testing.T, which byte, expanded bool, text []byte) {
		if expanded {
			text = expand(text)
		}
		compareRoads(t, text, twoRoads(which))
	})
}

// TestTwoRoadsOdd has texts that random pieces hardly make.
func TestTwoRoadsOdd(t *testing.T) {
	const wide = 3 << 6 // the number of a window that holds all of them
	v6 := strings.Repeat("0.", 32) + "ip6.arpa."
	for _, c := range []struct {
		which byte
		text  string
	}{
		{6 | wide, "$ORIGIN 8.b.d.0.1.0.0.2.ip6.arpa.\n" + "0." + strings.Repeat(`\.`, 22) + "0 1 PTR a.\n"}, // one octet a label, but no nibble
		{4 | wide, "$TTL 1\n" + "1-0" + strings.Repeat(".0", 22) + " PTR a.example.\n"},
		{7 | wide, "$TTL 1\n" + v6 + " PTR a.example.\n" + v6[:len(v6)-2] + "b. PTR a.example.\n" + "0-" + v6[2:] + " PTR a.example.\n"},
		{0 | wide, "$TTL 1\n$ORIGIN .\n1.2.0.192.in-addr.arpa. PTR a.in-addr.arpa\n$ORIGIN arpa.\n2.2.0.192.in-addr.arpa. PTR a.in-addr\n"},
	} {
		compareRoads(t, []byte(c.text), twoRoads(c.which))
	}
}

// TestTwoRoads is FuzzTwoRoads with random pieces.
func TestTwoRoads(t *testing.T) {
	r := randomized(t)
	for range 5_000 {
		text := ""
		for range 1 + r.IntN(12) {
			text += randomLine(r)
		}
		compareRoads(t, []byte(text), twoRoads(byte(r.Uint32())))
	}
}

func randomized(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with -seed=%d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// randomLine returns a line that is simple or nearly so, now and then with an odd
// piece in it.
func randomLine(r *rand.Rand) string {
	one := func(list []string) string { return list[r.IntN(len(list))] }
	odd := func() string {
		if r.IntN(40) == 0 {
			return one(pieces)
		}
		return ""
	}
	if r.IntN(8) == 0 {
		return one(lines)
	}
	line := odd()
	if r.IntN(4) > 0 {
		line += one(owners)
	}
	return line + odd() + one([]string{" ", "\t", "  "}) + one(heads) + one(types) + " " + odd() + one(targets) + odd() + one(ends)
}

// TestSimple: what nearly all lines of reverse zones look like is read as simple
// lines, and what is not stays unread.
func TestSimple(t *testing.T) {
	const v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"
	for _, c := range []struct {
		origin, line string
		simple       bool
	}{
		{"2.0.192.in-addr.arpa", "1 PTR a.example.\n", true},
		{"2.0.192.in-addr.arpa", "1\t3600\tIN\tPTR\tA-1.example.COM. ; comment\r\n", true},
		{"2.0.192.in-addr.arpa", "1 in 1h ptr 1-2-0-192.example.\n", true},
		{"2.0.192.in-addr.arpa", "\n", true},
		{"2.0.192.in-addr.arpa", " ; comment\n", true},
		{"2.0.192.in-addr.arpa", "1.2.0.192.in-addr.arpa. PTR a.example.\n", true},
		{"2.0.192.in-addr.arpa", "1 CNAME 1.0-127.2.0.192.in-addr.arpa.\n", true},
		{"2.0.192.in-addr.arpa", "1 CNAME 1.0/25.2.0.192.in-addr.arpa.\n", true},
		{"10.in-addr.arpa", "1.20.255 NS ns.example.\n", true},
		{"8.b.d.0.1.0.0.2.ip6.arpa", v6 + " PTR a.example.\n", true},
		{"8.b.d.0.1.0.0.2.ip6.arpa", v6 + ".8.B.D.0.1.0.0.2.ip6.arpa. PTR a.example.\n", true},
		{"example.com", "host CNAME other\n", true},
		{".", "1.2.0.192.in-addr.arpa. PTR a.example.\n", true},
		{"2.0.192.in-addr.arpa", "1 PTR a.example.", false},
		{"2.0.192.in-addr.arpa", "1 PTR a.example.\r2 PTR b.example.\n", false},
		{"2.0.192.in-addr.arpa", " PTR a.example.\n", false}, // the last owner: there is none
		{"2.0.192.in-addr.arpa", "1 PTR a\n", false},
		{"2.0.192.in-addr.arpa", "1 PTR a_b.example.\n", false},
		{"2.0.192.in-addr.arpa", "1 PTR 192.0.2.1.\n", false},
		{"2.0.192.in-addr.arpa", "1 PTR 1.2.0.192.in-addr.arpa.\n", false},
		{"2.0.192.in-addr.arpa", "256 PTR a.example.\n", false},
		{"2.0.192.in-addr.arpa", "1.2 PTR a.example.\n", false},
		{"2.0.192.in-addr.arpa", "1 4294967295 PTR a.example.\n", false},
		{"2.0.192.in-addr.arpa", "1 IN IN PTR a.example.\n", false},
		{"2.0.192.in-addr.arpa", "1 PTR a.example. b\n", false},
		{"2.0.192.in-addr.arpa", "1 PTR a..example.\n", false},
		{"2.0.192.in-addr.arpa", "1 PTR (\n", false},
		{"2.0.192.in-addr.arpa", "$TTL 5\n", false},
		{"8.b.d.0.1.0.0.2.ip6.arpa", v6[2:] + " PTR a.example.\n", false},
		{"example.com", "ns CNAME other.\n", false},
		{"example.com", "in CNAME other.\n", false},
	} {
		o := Options{Origin: dname.MustParse(c.origin), Table: new(source.Table), DefaultTTL: 1, HasDefaultTTL: true}
		records := 0
		p := newParser(o, func(zone.Record) { records++ })
		f := p.newFrame(new(frameRoom), "f", strings.NewReader(c.line), 0, o.Origin)
		f.lex.more()
		p.simple(f)
		if got := f.lex.pos == len(c.line); got != c.simple || !got && (f.lex.pos > 0 || records > 0 || f.owner.name != nil) {
			t.Errorf("origin %s, %q: simple %v, %d octets read, %d records, owner %v", c.origin, c.line, got, f.lex.pos, records, f.owner.name)
		}
	}
}
