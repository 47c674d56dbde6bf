package dname

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// labels63 is a name of three labels of 63 octets and one of n octets: 194+n
// octets in wire form.
func labels63(n int) string {
	return strings.Repeat(strings.Repeat("x", 63)+".", 3) + strings.Repeat("y", n) + "."
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, wire, out string }{
		{".", "\x00", "."},
		{"a", "\x01a\x00", "a."},
		{"a.", "\x01a\x00", "a."},
		{"Mail.Example.", "\x04Mail\x07Example\x00", "Mail.Example."},
		{`a\.b.c.`, "\x03a.b\x01c\x00", `a\.b.c.`},
		{`a\046b.`, "\x03a.b\x00", `a\.b.`},
		{`a\.`, "\x02a.\x00", `a\..`},
		{`\000\255\ .`, "\x03\x00\xff \x00", `\000\255\032.`},
		{`\\.`, "\x01\\\x00", `\\.`},
		{`\*.x.`, "\x01*\x01x\x00", "*.x."},
		{`0/25.2.0.192.in-addr.arpa.`, "\x040/25\x012\x010\x03192\x07in-addr\x04arpa\x00", `0/25.2.0.192.in-addr.arpa.`},
		{`\@\$\(\)\;\".`, "\x06@$();\"\x00", `\@\$\(\)\;\".`},
		{`"a".`, "\x03\"a\"\x00", `\"a\".`},
		{"é.", "\x02\xc3\xa9\x00", `\195\169.`},
		{"\x7f.", "\x01\x7f\x00", `\127.`},
		{labels63(59), "", labels63(59)},                                 // 253 octets
		{labels63(61), "", labels63(61)},                                 // 255, the most
		{strings.Repeat("a.", 127), "", strings.Repeat("a.", 127)},       // 255 octets in 127 labels
		{strings.Repeat(`\100`, 63), "", strings.Repeat("d", 63) + "."},  // a label at its limit
		{strings.Repeat("a.", 126) + "a", "", strings.Repeat("a.", 127)}, // without the final dot
		{labels63(61)[:len(labels63(61))-1], "", labels63(61)},           // likewise
		{strings.Repeat("x", 63) + ".", "", strings.Repeat("x", 63) + "."},
	} {
		n, err := Parse(c.in)
		if err != nil {
			t.Errorf("Parse(%q): %v", c.in, err)
			continue
		}
		if c.wire != "" && string(n) != c.wire {
			t.Errorf("Parse(%q) = %q, want %q", c.in, []byte(n), c.wire)
		}
		if n.String() != c.out {
			t.Errorf("Parse(%q).String() = %q, want %q", c.in, n.String(), c.out)
		}
		if w := FromWire(append(bytes.Clone(n), "rest"...)); !bytes.Equal(w, n) {
			t.Errorf("FromWire of %q = %q", []byte(n), []byte(w))
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		in     string
		offset int
		reason string
	}{
		{"", 0, "the name is empty"},
		{"..", 0, "two dots with no label between them"},
		{".a.", 0, "two dots with no label between them"},
		{"a..b.", 2, "two dots with no label between them"},
		{`a\`, 1, `\ at the end; write \\ for a backslash`},
		{`a\1`, 1, `\ and a digit need two more digits, as in \032`},
		{`a\12.`, 1, `\ and a digit need two more digits, as in \032`},
		{`a\1x2.`, 1, `\ and a digit need two more digits, as in \032`},
		{`a\256.`, 1, `\256 is not an octet, at most \255 is allowed`},
		{strings.Repeat("x", 64) + ".", 63, "a label of 64 octets, at most 63 are allowed"},
		{strings.Repeat("a.", 128), 253, "the name takes 257 octets, at most 255 are allowed"},
		{strings.Repeat("a.", 127) + "a", 254, "the name takes 257 octets, at most 255 are allowed"},
		{labels63(62), 253, "the name takes 256 octets, at most 255 are allowed"},
		{labels63(63), 254, "the name takes 257 octets, at most 255 are allowed"},
	} {
		n, err := Parse(c.in)
		var e *SyntaxError
		if n != nil || !errors.As(err, &e) {
			t.Errorf("Parse(%q) = %v, %v; want an error", c.in, n, err)
			continue
		}
		if e.Reason != c.reason {
			t.Errorf("Parse(%q): %q, want %q", c.in, e.Reason, c.reason)
		}
		if e.Offset != c.offset && !strings.HasPrefix(c.reason, "the name takes") {
			t.Errorf("Parse(%q): offset %d, want %d", c.in, e.Offset, c.offset)
		}
		if e.Offset < 0 || e.Offset > len(c.in) {
			t.Errorf("Parse(%q): offset %d is not in the text", c.in, e.Offset)
		}
	}
}

func TestParseIn(t *testing.T) {
	origin := MustParse("2.0.192.in-addr.arpa.")
	for in, want := range map[string]string{
		"@": "2.0.192.in-addr.arpa.", "10": "10.2.0.192.in-addr.arpa.", "10.": "10.", ".": ".",
		`\@`: `\@.2.0.192.in-addr.arpa.`, `a\.`: `a\..2.0.192.in-addr.arpa.`, "a.b": "a.b.2.0.192.in-addr.arpa.",
	} {
		if n, err := ParseIn(in, origin); err != nil || n.String() != want {
			t.Errorf("ParseIn(%q) = %v, %v; want %s", in, n, err, want)
		}
	}
	if n, err := ParseIn("a.b", Root()); err != nil || n.String() != "a.b." {
		t.Errorf("below the root: %v, %v", n, err)
	}
	long := MustParse(labels63(59)) // 253 octets
	if n, err := ParseIn("a", long); err != nil || len(n) != MaxWire {
		t.Errorf("a name of 255 octets: %v, %v", n, err)
	}
	if n, err := ParseIn("ab", long); err == nil {
		t.Errorf("a name of 256 octets: %v, want an error", n)
	}
	if string(origin) != "\x012\x010\x03192\x07in-addr\x04arpa\x00" {
		t.Errorf("origin changed to %q", []byte(origin))
	}
}

func TestFromWire(t *testing.T) {
	long := []byte(MustParse(labels63(61)))
	for _, b := range [][]byte{
		nil, {}, {1}, {1, 'a'}, {2, 'a', 0}, {0xc0, 0}, {1, 'a', 0xc0, 4}, {0x40, 0}, {0x80, 0}, {64}, bytes.Repeat([]byte{0xff}, 300),
		append([]byte{0}, long...)[1:255],                  // without its root octet
		append([]byte{1, 'a'}, long...),                    // 257 octets
		append(bytes.Repeat([]byte{1, 'a'}, 128), 0),       // 128 labels
		append(append([]byte{}, long[:254]...), 1, 'z', 0), // one label more
	} {
		if n := FromWire(b); n != nil {
			t.Errorf("FromWire(%q) = %v, want none", b, n)
		}
	}
	n := FromWire([]byte("\x01a\x00tail"))
	if string(n) != "\x01a\x00" || cap(n) != 3 {
		t.Errorf("got %q with room for %d, want no view of what follows", []byte(n), cap(n))
	}
}

func TestParts(t *testing.T) {
	n := MustParse("a.B.example.")
	if n.Labels() != 3 || Root().Labels() != 0 || MustParse(strings.Repeat("a.", 127)).Labels() != MaxLabels {
		t.Error("Labels miscounts")
	}
	if string(n.Label()) != "a" || len(Root().Label()) != 0 {
		t.Error("Label is wrong")
	}
	if n.Parent().String() != "B.example." || MustParse("example.").Parent().String() != "." || !Root().Parent().IsRoot() {
		t.Error("Parent is wrong")
	}
	for k, want := range []string{".", "example.", "B.example.", "a.B.example."} {
		if got := n.Suffix(k).String(); got != want {
			t.Errorf("Suffix(%d) = %s, want %s", k, got, want)
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("Suffix(4) of three labels does not panic")
			}
		}()
		n.Suffix(4)
	}()
	for _, c := range []struct {
		n, ancestor string
		want        bool
	}{
		{"a.B.example.", "b.EXAMPLE.", true},
		{"a.b.example.", "a.b.example.", true},
		{"a.b.example.", ".", true},
		{".", ".", true},
		{".", "example.", false},
		{"ab.example.", "b.example.", false}, // a suffix of octets, not of labels
		{`a\007example.`, "example.", false}, // the length octet is part of a label
		{`x\001a.`, "a.", false},             // likewise
		{"example.", "a.example.", false},
	} {
		if got := MustParse(c.n).IsAtOrBelow(MustParse(c.ancestor)); got != c.want {
			t.Errorf("%s at or below %s: %v", c.n, c.ancestor, got)
		}
	}
	for in, want := range map[string]bool{"*.": true, "*.x.": true, `\042.x.`: true, "**.x.": false, "x.*.": false, ".": false} {
		if got := MustParse(in).IsWildcard(); got != want {
			t.Errorf("IsWildcard of %s: %v", in, got)
		}
	}
	if MustParse("A.b.").Key() != MustParse("a.B.").Key() || MustParse("a.b.").Key() == MustParse(`a\.b.`).Key() {
		t.Error("Key is not case-insensitive or confuses dots")
	}
	if MustParse(`\192.`).Equal(MustParse(`\224.`)) || MustParse("[.").Equal(MustParse("{.")) || MustParse("@.").Equal(MustParse("`.")) {
		t.Error("case is folded beyond ASCII letters (RFC 4343 §3)")
	}
	for c := range 256 {
		want := byte(c)
		if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZ", byte(c)) >= 0 {
			want += 32
		}
		if Lower(byte(c)) != want {
			t.Errorf("Lower(%d) = %d", c, Lower(byte(c)))
		}
	}
}

func TestPrepend(t *testing.T) {
	n := MustParse(labels63(59)) // 253 octets
	for label, ok := range map[string]bool{"": false, "a": true, "ab": false} {
		if m, err := n.Prepend([]byte(label)); (err == nil) != ok || ok && (len(m) != 255 || !m.Parent().Equal(n)) {
			t.Errorf("Prepend(%q) to 253 octets: %v, %v", label, m, err)
		}
	}
	for l, ok := range map[int]bool{63: true, 64: false} {
		if m, err := Root().Prepend(make([]byte, l)); (err == nil) != ok || ok && m.Labels() != 1 {
			t.Errorf("Prepend of %d octets: %v, %v", l, m, err)
		}
	}
}

// RFC 4034 §6.1's example and more, in canonical order.
func TestCompare(t *testing.T) {
	names := []Name{}
	for _, s := range []string{
		".", "example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.", "z.example.", `\001.z.example.`,
		"*.z.example.", "0/25.z.example.", "10.z.example.", "100.z.example.", "2.z.example.", `\200.z.example.`,
		`\200\000.z.example.`, "in-addr.",
	} {
		names = append(names, MustParse(s))
	}
	for i, a := range names {
		for j, b := range names {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := Compare(a, b); got != want {
				t.Errorf("Compare(%v, %v) = %d, want %d", a, b, got, want)
			}
		}
	}
	if Compare(MustParse("A.eXample."), MustParse("a.Example.")) != 0 {
		t.Error("case matters")
	}
}

// FuzzDnameParse: whatever parses prints to something that parses to the same
// octets; the order is total and agrees with Equal and Key.
func FuzzDnameParse(f *testing.F) {
	f.Add("a.b.", "A.b")                                               // equal but for case
	f.Add(`\000.x.`, `\001.x.`)                                        // octets at the ends
	f.Add(`a\.b.c.`, "a.b.c.")                                         // a dot within a label
	f.Add("0/25.2.0.192.in-addr.arpa.", "0-127.2.0.192.in-addr.arpa.") // classless
	f.Add(labels63(61), strings.Repeat("a.", 127))                     // the limits
	f.Add(`\256`, `\`)                                                 // bad escapes
	f.Add("..", "")                                                    // empty labels
	f.Fuzz(func(t *testing.T, s, u string) {
		a, err := Parse(s)
		if err != nil {
			var e *SyntaxError
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(s) || a != nil {
				t.Fatalf("Parse(%q) = %v, %#v", s, a, err)
			}
			return
		}
		if len(a) > MaxWire || a.Labels() > MaxLabels || !bytes.Equal(FromWire(a), a) {
			t.Fatalf("Parse(%q) = %q, which is no name", s, []byte(a))
		}
		if back, err := Parse(a.String()); err != nil || !bytes.Equal(back, a) {
			t.Fatalf("%q prints as %q, which is %q, %v", []byte(a), a.String(), []byte(back), err)
		}
		b, err := Parse(u)
		if err != nil {
			return
		}
		c := Compare(a, b)
		if c != -Compare(b, a) || (c == 0) != a.Equal(b) || (c == 0) != (a.Key() == b.Key()) || c != naiveCompare(a, b) {
			t.Fatalf("Compare(%v, %v) = %d, the other way %d, naively %d, equal %v", a, b, c, Compare(b, a), naiveCompare(a, b), a.Equal(b))
		}
		if a.IsAtOrBelow(b) && c < 0 {
			t.Fatalf("%v is below %v and before it", a, b)
		}
		joined, err := ParseIn(strings.TrimSuffix(s, "."), b)
		if err == nil && strings.HasSuffix(s, ".") && s != "." && !strings.HasSuffix(s, `\.`) && s != "@." && (!joined.IsAtOrBelow(b) || joined.Labels() != a.Labels()+b.Labels()) {
			t.Fatalf("%q in %v is %v", s, b, joined)
		}
	})
}

// naiveCompare sorts the labels from the root down as strings.
func naiveCompare(a, b Name) int {
	labels := func(n Name) (out []string) {
		for ; !n.IsRoot(); n = n.Parent() {
			out = append([]string{lowerASCII(n.Label())}, out...)
		}
		return out
	}
	x, y := labels(a), labels(b)
	for i := 0; i < len(x) && i < len(y); i++ {
		if c := strings.Compare(x[i], y[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}

func lowerASCII(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		out[i] = c
	}
	return string(out)
}

// FuzzText: AppendText reads what this simpler reader reads.
func FuzzText(f *testing.F) {
	for _, s := range []string{"@", ".", "", "a", "a.", "a..", "..", "a\\.b", "a\\046b.", "\\300", "\\", "a\\", "\\12", strings.Repeat("a", 64), strings.Repeat("a", 63) + ".", strings.Repeat("abcdefg.", 31) + "abcdef.", strings.Repeat("abcdefg.", 32)} {
		f.Add(s)
	}
	origin := MustParse("2.0.192.in-addr.arpa")
	f.Fuzz(func(t *testing.T, s string) {
		want, absolute, err := parse(s)
		switch {
		case s == "@":
			want, absolute, err = origin, true, nil
		case err == nil && !absolute:
			if want = append(want[:len(want)-1], origin...); len(want) > MaxWire {
				err = errors.New("too long")
			}
		}
		got, form, bad := AppendText([]byte("x"), []byte(s), origin)
		if (err != nil) != (bad != nil) {
			t.Fatalf("%q: %v, want %v", s, bad, err)
		}
		if err == nil && (!bytes.Equal(got[1:], want) || form.Relative == absolute && s != "@") {
			t.Errorf("%q: %v, relative %v, want %v", s, Name(got[1:]), form.Relative, want)
		}
	})
}

func parse(s string) (n Name, absolute bool, err error) {
	if s == "." {
		return Name{0}, true, nil
	}
	if s == "" {
		return nil, false, &SyntaxError{0, "empty name"}
	}
	n = make(Name, 1, len(s)+2)
	start := 0 // of the label's length octet
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.':
			if len(n)-start == 1 {
				return nil, false, &SyntaxError{i, "empty label"}
			}
			n[start] = byte(len(n) - start - 1)
			start = len(n)
			n = append(n, 0)
			absolute = i == len(s)-1
			continue
		case c == '\\':
			if i+1 >= len(s) {
				return nil, false, &SyntaxError{i, `\ at the end of a name`}
			}
			if d := s[i+1]; d < '0' || d > '9' {
				c = d
				i++
				break
			}
			if i+3 >= len(s) || !isDigit(s[i+2]) || !isDigit(s[i+3]) {
				return nil, false, &SyntaxError{i, `\ and a digit must be followed by two more digits`}
			}
			v := int(s[i+1]-'0')*100 + int(s[i+2]-'0')*10 + int(s[i+3]-'0')
			if v > 255 {
				return nil, false, &SyntaxError{i, fmt.Sprintf(`\%d is not an octet, at most \255 is allowed`, v)}
			}
			c = byte(v)
			i += 3
		}
		if len(n)-start > MaxLabel {
			return nil, false, &SyntaxError{i, "label longer than 63 octets"}
		}
		n = append(n, c)
		if len(n) > MaxWire {
			return nil, false, &SyntaxError{i, "name longer than 255 octets"}
		}
	}
	if !absolute {
		n[start] = byte(len(n) - start - 1)
		n = append(n, 0)
	}
	if len(n) > MaxWire {
		return nil, false, &SyntaxError{len(s) - 1, "name longer than 255 octets"}
	}
	return n, absolute, nil
}
