package zonefile

import (
	"bytes"
	"fmt"
	"regexp"

	"github.com/ptrd/ptrd/zone/finding"
)

// headSize is how many octets of a file without a record are looked at for what else it may be.
const headSize = 1 << 10

// foreign are kinds of files that are given in place of master files, by what they begin with, apart
// from comments. The first that matches counts.
var foreign = []struct {
	begins *regexp.Regexp
	what   string
	remedy string
}{
	{regexp.MustCompile(`(?i)^<\?xml`), "XML", ""},
	{regexp.MustCompile(`(?i)^<(!doctype|html|head|body)`), "HTML", ""},
	{regexp.MustCompile(`^\[AGE:|^\S+ \[AGE:`), "the output of dnscmd", "export the zone with `dnscmd /zoneexport` instead"},
	{regexp.MustCompile(`^[{[]\s*["{[\]}]`), "JSON", ""},
	{regexp.MustCompile(`^(zone|options|include|acl|key|view|logging)\s*("[^"\n]*"\s*)?(IN\s*)?[{;]`), "a configuration of BIND", "name the file that it has for the zone"},
	{regexp.MustCompile(`^(---|[A-Za-z_]+:|- [^\n]*:)\s`), "YAML", ""},
	{regexp.MustCompile(`^(\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]*:[0-9a-fA-F:]+)\s+[a-z][A-Za-z0-9.-]*\s`), "a hosts file", "name it by `hosts`"},
	{regexp.MustCompile(`^[.&=+@'^CZ:-][^\s:]*:[^\s:]*(:[^\s:]*)*\n`), "the data file of tinydns", "transfer the zone from it instead"},
	{regexp.MustCompile(`(?i)^(insert into|create table|begin;|set )`), "SQL", ""},
	{regexp.MustCompile(`^[^\s,"]+,[^\s,]*,[^\n]*\n`), "CSV", ""},
	{regexp.MustCompile(`^[^\s;"]+;[^\s;]*;[^\n]*\n`), "CSV", ""},
	{regexp.MustCompile(`^<{7} |^={7}\n`), "a file with marks of a merge", "resolve the conflict"},
}

var commentLine = regexp.MustCompile(`^(\s*(#|//|;)[^\n]*)?\n`)

// foreignKind returns what a file is that begins with head, and what to do; empty: unknown.
func foreignKind(head []byte) (what, remedy string) {
	head = bytes.ReplaceAll(head, []byte("\r"), nil)
	for m := commentLine.Find(head); len(m) > 0; m = commentLine.Find(head) {
		head = head[len(m):]
	}
	head = bytes.TrimLeft(head, " \t")
	for _, k := range foreign {
		if k.begins.Match(head) {
			return k.what, k.remedy
		}
	}
	return "", ""
}

// replaceForeign replaces the findings of a file that has nothing but errors by one, if it is known
// what the file is.
func (p *parser) replaceForeign(f *frame, head []byte) {
	what, remedy := foreignKind(head)
	if what == "" {
		return
	}
	if remedy == "" {
		remedy = "write its records as lines like `1 PTR host.example.com.`, or name another file"
	}
	p.fs.RemoveFile(f.id.Tag(0, 0))
	p.fs.Add(finding.Finding{
		Severity: finding.Error, Rule: "not-a-master-file", Tag: f.id.Tag(1, 1),
		Text: fmt.Sprintf("the file is %s and not a master file; %s", what, remedy),
	})
}

// invisible returns a description of the first octets of a line that look like a blank, or like
// nothing, and are not; empty if there are none.
func invisible(toks []token) string {
	for i := range toks {
		for at, c := range string(toks[i].text) {
			name := ""
			switch c {
			case 0xa0, 0x202f, 0x2007:
				name = "no-break space"
			case 0x200b, 0x2060, 0x200c, 0x200d:
				name = "character of no width"
			case 0xfeff:
				name = "byte order mark"
			case 0xad:
				name = "soft hyphen"
			case 0x2002, 0x2003, 0x2009, 0x3000:
				name = "space that is not ASCII"
			case '\u2018', '\u2019', '\u201c', '\u201d':
				name = "quotation mark that is not ASCII"
			case '\u2010', '\u2011', '\u2013', '\u2014', '\u2212':
				name = "hyphen that is not ASCII"
			default:
				continue
			}
			return fmt.Sprintf(" (column %d has a %s, U+%04X; write its ASCII form, or remove it)", toks[i].col+at, name, c)
		}
	}
	return ""
}
