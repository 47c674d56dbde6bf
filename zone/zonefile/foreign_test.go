package zonefile

import (
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// findings reads text as a master file of 2.0.192.in-addr.arpa and returns its findings, a line each.
func findings(text string) string {
	table := new(source.Table)
	res := ReadBytes("f", []byte(text), Options{Origin: dname.MustParse("2.0.192.in-addr.arpa"), Table: table}, func(zone.Record) {})
	var b strings.Builder
	for _, f := range res.Findings {
		b.WriteString(table.Locate(f).String() + "\n")
	}
	return b.String()
}

// TestForeign: a file that is no master file gets one finding, which says what it is.
func TestForeign(t *testing.T) {
	const lines = "write its records as lines like `1 PTR host.example.com.`, or name another file"
	for _, c := range []struct{ text, what, remedy string }{
		{"{\"zone\": \"2.0.192.in-addr.arpa\", \"records\": [\n {\"name\": \"1\", \"type\": \"PTR\"}\n]}\n", "JSON", lines},
		{"[\n  {\"name\": \"1\"}\n]\n", "JSON", lines},
		{"zones:\n  - prefix: 192.0.2.0/24\n    ptr:\n      192.0.2.1: a.example.com\n", "YAML", lines},
		{"# comment\n---\nrecords:\n- name: a\n", "YAML", lines},
		{"- name: a\n  type: PTR\n", "YAML", lines},
		{"name,type,value\n1,PTR,a.example.com\n", "CSV", lines},
		{"name;type;value\r\n1;PTR;a.example.com\r\n", "CSV", lines},
		{"# tinydns\n.2.0.192.in-addr.arpa::ns1.example.com:3600\n=a.example.com:192.0.2.1:86400\n", "the data file of tinydns", "transfer the zone from it instead"},
		{"=a.example.com:192.0.2.1:86400\n+b.example.com:192.0.2.2:86400\n", "the data file of tinydns", "transfer the zone from it instead"},
		{"# hosts\n\n192.0.2.1 a.example.com a\n192.0.2.2\tb.example.com\n", "a hosts file", "name it by `hosts`"},
		{"2001:db8::1 a.example.com a\n", "a hosts file", "name it by `hosts`"},
		{"<!DOCTYPE html>\n<html><body>404</body></html>\n", "HTML", lines},
		{"<?xml version=\"1.0\"?>\n<zone/>\n", "XML", lines},
		{"zone \"2.0.192.in-addr.arpa\" {\n  type master;\n  file \"x\";\n};\n", "a configuration of BIND", "name the file that it has for the zone"},
		{"[AGE:3604] x\n@ [AGE:1] 3600 SOA a. b. 1 2 3 4 5\n", "the output of dnscmd", "export the zone with `dnscmd /zoneexport` instead"},
		{"CREATE TABLE records (a int);\n", "SQL", lines},
	} {
		if got, want := findings(c.text), "f:1:1: the file is "+c.what+" and not a master file; "+c.remedy+"\n"; got != want {
			t.Errorf("%q:\n got %swant %s", c.text, got, want)
		}
		// With a record, it is a master file with errors.
		if got := findings("$TTL 1h\n9 PTR host.example.com.\n" + c.text); strings.Contains(got, "not a master file") || got == "" {
			t.Errorf("%q after a record:\n%s", c.text, got)
		}
	}
	for _, text := range []string{
		"1 PRT a.example.com.\n", "1,2 PTR\n", "a b c d\n", "@ IN SOA ns h (\n", "\x1f\x8b\x08", "", "; only a comment\n", "$INCLUDE nonesuch\n",
		"1 3600 IN PTR \"a\n", "\x00\x00\x00\x02", "192.0.2.1 PTR\n", "zone PTR\n", "<<\n",
	} {
		if got := findings(text); strings.Contains(got, "not a master file") || got == "" {
			t.Errorf("%q:\n%s", text, got)
		}
	}
}

// TestHints: what cannot be seen in a line, and comments of other languages, are named.
func TestHints(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"1\u00a0PTR\u00a0a.example.com.\n", "(column 2 has a no-break space, U+00A0; write its ASCII form, or remove it)\n"},
		{"1 PT\u200bR a.example.com.\n", "(column 5 has a character of no width, U+200B; write its ASCII form, or remove it)\n"},
		{"1 \ufeffPTR a.example.com.\n", "(column 3 has a byte order mark, U+FEFF; write its ASCII form, or remove it)\n"},
		{"1 MX 10 a.example.com. \u2014 mail\n", "(column 24 has a hyphen that is not ASCII, U+2014; write its ASCII form, or remove it)\n"},
		{"1 HINFO \u201ca\u201d\n", "(column 9 has a quotation mark that is not ASCII, U+201C; write its ASCII form, or remove it)\n"},
		{"# a comment\n", "a comment starts with ;\n"},
		{"// PTR comment a\n", "a comment starts with ;\n"},
		{"#\n", "a comment starts with ;\n"},
		{"1 // PTR\n", "a comment starts with ;\n"},
		{"1 PTR a.example.com. # x\n", "a comment starts with ;\n"},
	} {
		if got := findings("$TTL 1h\n9 PTR host.example.com.\n" + c.text); !strings.HasSuffix(got, c.want) || strings.Count(got, "\n") != 1 {
			t.Errorf("%q:\n got %swant %s", c.text, got, c.want)
		}
	}
	if got := findings("$TTL 1h\n1 TXT \"a\u00a0b\u2014c\"\n"); got != "" {
		t.Errorf("in a text: %s", got)
	}
}
