package zonefile

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/source"
)

// outcome returns records and findings of text, one a line.
func outcome(r io.Reader, o Options) string {
	var b strings.Builder
	o.Table = new(source.Table)
	if o.Origin == nil {
		o.Origin = dname.MustParse("2.0.192.in-addr.arpa")
	}
	res := Read("f", r, o, func(r zone.Record) {
		p, _ := o.Table.Position(r.Tag)
		fmt.Fprintf(&b, "%d:%d %s\n", p.Line, p.Col, AppendRecord(nil, r))
	})
	for _, f := range res.Findings {
		fmt.Fprintf(&b, "%s\n", o.Table.Locate(f))
	}
	return b.String()
}

func check(t *testing.T, text, want string) {
	t.Helper()
	for name, r := range map[string]io.Reader{
		"whole":  strings.NewReader(text),
		"octets": iotest.OneByteReader(strings.NewReader(text)),
	} {
		if got := outcome(r, Options{DefaultTTL: 1, HasDefaultTTL: true}); got != want {
			t.Errorf("%s: %.200q\ngot:\n%s\nwant:\n%s", name, text, got, want)
		}
	}
}

func TestLineEnds(t *testing.T) {
	const one, two = "1:1 1.2.0.192.in-addr.arpa. 1 IN PTR a.\n", "2:1 2.2.0.192.in-addr.arpa. 1 IN PTR b.\n"
	check(t, "", "f:1:1: the file has no record; write what it should have, or remove it from the zone if it is empty on purpose\n")
	check(t, "1 PTR a.\n2 PTR b.\n", one+two)
	check(t, "1 PTR a.\r\n2 PTR b.\r\n", one+two)
	check(t, "1 PTR a.\r2 PTR b.\r", one+two)
	check(t, "1 PTR a.\n2 PTR b.", one+two)
	check(t, "1 PTR a.;x\r\n2 PTR b.;y\r", one+two)
	check(t, "\xef\xbb\xbf1 PTR a.\n2 PTR b.\n", one+two)
	check(t, "1 PTR (a.\r\n)\r\n3 PTR c.", one+"3:1 3.2.0.192.in-addr.arpa. 1 IN PTR c.\n")
	check(t, "1 PTR a.\n2 PTR (b.", one+"f:2:7: ( is never closed; put the ) after the record's last field\n")
	check(t, "1 PTR a.\n\\", one+"f:2:1: owner \"\\\": \\ at the end; write \\\\ for a backslash\n")
	check(t, "1 TXT \"", "f:1:7: \" is never closed on its line; put the closing \"\n")
	check(t, "1 TXT \"\\", "f:1:7: \" is never closed on its line; put the closing \"\n")
}

func TestNotText(t *testing.T) {
	check(t, "\xff\xfe1\x00\n\x00", "f:1:1: the file is UTF-16; save it as ASCII or UTF-8\n")
	check(t, "\x1f\x8b\x08\x00", "f:1:1: the file is compressed (gzip); unpack it\n")
	check(t, "\x00\x00\x00\x02\x00\x00\x00\x01", "f:1:1: the file is binary, perhaps BIND's raw format; make text of it with named-compilezone -f raw -F text\n")
	check(t, "1 PTR a\x00b.\n2 PTR c.\n", "2:1 2.2.0.192.in-addr.arpa. 1 IN PTR c.\nf:1:8: octet 0 in the text; is this a master file?\n")
}

// TestWindow reads files around and beyond the lexer's window.
func TestWindow(t *testing.T) {
	for _, size := range []int{windowSize - 20, windowSize - 1, windowSize, windowSize + 1, 3 * windowSize} {
		filler := ";" + strings.Repeat("x", size) + "\n"
		check(t, filler+"1 PTR a.\n", "2:1 1.2.0.192.in-addr.arpa. 1 IN PTR a.\n")
		check(t, "1 PTR ( "+filler+"a. )\n2 PTR b.\n",
			"1:1 1.2.0.192.in-addr.arpa. 1 IN PTR a.\n3:1 2.2.0.192.in-addr.arpa. 1 IN PTR b.\n")
	}
	// Records of every length, so that each octet falls on the window's end.
	var text, want strings.Builder
	for i := range 4000 {
		name := strings.Repeat("a", i%60+1)
		fmt.Fprintf(&text, "1 TXT \"%s\\\"\" ( %s\n) ; %d\n", name, name, i)
		fmt.Fprintf(&want, "%d:1 1.2.0.192.in-addr.arpa. 1 IN TXT \"%s\\\"\" \"%s\"\n", 2*i+1, name, name)
	}
	check(t, text.String(), want.String())
}

func TestLongLine(t *testing.T) {
	long := strings.Repeat("x", maxLine+1)
	if got := outcome(strings.NewReader(long+"\n1 1 PTR a.\n"), Options{}); got != "2:1 1.2.0.192.in-addr.arpa. 1 IN PTR a.\nf:1:1: the line is longer than 1 MiB; is this a master file?\n" {
		t.Errorf("%.300s", got)
	}
	if got := outcome(strings.NewReader(long), Options{}); got != "f:1:1: the line is longer than 1 MiB; is this a master file?\n" {
		t.Errorf("%.300s", got)
	}
	// Behind an unclosed parenthesis, too far for the window.
	open := "1 1 PTR (a.\n" + strings.Repeat(" \n", maxLine) + "2 1 PTR b.\n"
	if got := outcome(strings.NewReader(open), Options{}); got != "f:1:9: ( is never closed; put the ) after the record's last field\n" {
		t.Errorf("%.300s", got)
	}
	// Many of them: bounded work, and every one told up to the bound.
	many := strings.Repeat("1 1 PTR (a.\n", 10_000)
	if n := strings.Count(outcome(strings.NewReader(many), Options{}), "never closed"); n != maxRewinds+1 {
		t.Errorf("%d findings, want %d", n, maxRewinds+1)
	}
}

func TestReadError(t *testing.T) {
	r := io.MultiReader(strings.NewReader("1 1 PTR a.\n2 1 PTR b"), iotest.ErrReader(errors.New("disk on fire")))
	got := outcome(r, Options{})
	if !strings.Contains(got, "1:1 1.2.0.192.in-addr.arpa. 1 IN PTR a.\n") || !strings.Contains(got, "f: cannot read the file: disk on fire; see that it is a regular file\n") {
		t.Error(got)
	}
}

// TestManyFindings: a hundred of each kind are listed, the others counted.
func TestManyFindings(t *testing.T) {
	text := strings.Repeat("1 1 PTR a\n1 1 PTRR a.\n", 1000)
	res := ReadBytes("f", []byte(text), Options{Origin: dname.MustParse("2.0.192.in-addr.arpa"), Table: new(source.Table)}, func(zone.Record) {})
	errs, warnings := finding.Count(res.Findings)
	if res.Errors != 1000 || res.Warnings != 1000 || errs != 1000 || warnings != 1000 || len(res.Findings) != 202 || res.OK() {
		t.Errorf("%d and %d errors, %d and %d warnings, %d findings", res.Errors, errs, res.Warnings, warnings, len(res.Findings))
	}
	for i := 1; i < len(res.Findings); i++ {
		if res.Findings[i].Tag < res.Findings[i-1].Tag {
			t.Fatal("findings are not sorted")
		}
	}
}
