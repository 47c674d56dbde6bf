package assemble

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// validFiles are master files without findings, of the zone at their origin.
var validFiles = []struct{ origin, text string }{
	{"113.0.203.in-addr.arpa", `$TTL 1h
$ORIGIN 113.0.203.in-addr.arpa.
@ IN SOA ns1.example.com. hostmaster.example.com. (
	1 1d 2h
	1000h 1h )
	IN NS ns1.example.com.
	IN NS ns2.example.com.
1 IN PTR a.example.com.
2 3600 IN PTR b.example.com.
3 IN PTR c.example.com. ; the third
_x IN TXT "some text" "more"
`},
	{"example.com", `$ORIGIN .
$TTL 3600
example.com IN SOA ns1.example.com. hostmaster.example.com. ( 1 1d 2h 1000h 1h )
	IN NS ns1.example.com.
$ORIGIN example.com.
ns1 IN A 192.0.2.1
	IN AAAA 2001:db8::1
www IN CNAME ns1
@ IN MX 10 ns1
@ IN TXT "v=spf1 -all"
`},
	{"8.b.d.0.1.0.0.2.ip6.arpa", `8.b.d.0.1.0.0.2.ip6.arpa. 3600 IN SOA ns1.example.com. hostmaster.example.com. 1 1d 2h 1000h 1h
8.b.d.0.1.0.0.2.ip6.arpa. 3600 IN NS ns1.example.com.
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 3600 IN PTR a.example.com.
`},
}

// slips are errors that people make, in every place of a file where they fit: what matches becomes
// another text. The finding is at the first octet of what differs, or offset octets from the match.
var slips = []struct {
	name    string
	match   string // a regular expression
	becomes string
	offset  int
	rule    string
}{
	{"dot at a target", `(NS|PTR) ([a-z0-9]+)\.example\.com\.`, "$1 $2.example.com", -1, "missing-dot"},
	{"two dots", `(NS|PTR|CNAME) ([a-z0-9]+)\.example\.com\.`, "$1 $2..example.com.", -2, "bad-name"},
	{"class", `\bIN (NS|PTR|A|AAAA|MX|CNAME|TXT)\b`, "CH $1", 0, "wrong-class"},
	{"type", `\bPTR\b`, "PRT", 0, "unknown-type"},
	{"unit of a TTL", `\b3600 IN`, "3600x IN", 0, "unknown-type"},
	{"octet", `192\.0\.2\.1\b`, "192.0.2.300", 0, "bad-address"},
	{"address", `2001:db8::1\b`, "2001:db8:::1", 0, "bad-address"},
	{"quote", `more"`, "more", -3, "unclosed-quote"},
	{"parenthesis", ` \)`, "", -4, "unclosed-parenthesis"},
	{"second parenthesis", `com\. \( 1`, "com. 1", -4, "unopened-parenthesis"},
	{"comment", `; the third`, "# the third", 0, "extra-field"},
	{"preference", `MX 10 `, "MX ", 3, "bad-number missing-field"},
	{"origin", `\$ORIGIN ([0-9a-z.-]+)\.arpa\.`, "$$ORIGIN $1.arpa", 8, "soa-not-at-apex"},
	{"directive", `\$TTL`, "$$TLT", 0, "unknown-directive"},
	{"indented directive", `\$TTL`, " $$TTL", 1, "indented-directive"},
	{"no-break space", `\bIN PTR a`, "IN\u00a0PTR a", 0, "unknown-type"},
	{"nibble", `^1\.0\.0\.0`, "1.0.0.g", 0, "not-a-nibble"},
}

// TestSlips makes each slip in each file, at each place where it fits. There is one finding, at the
// place of the slip, and none about what only follows from it.
func TestSlips(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone")
	check := func(origin, text string) []finding.Finding {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, list := CheckFile(dname.MustParse(origin), path, 0)
		return list
	}
	made := map[string]int{}
	for _, file := range validFiles {
		for name, text := range map[string]string{
			"as it is": file.text, "CRLF": strings.ReplaceAll(file.text, "\n", "\r\n"), "byte order mark": "\ufeff" + file.text,
		} {
			if list := check(file.origin, text); name != "as it is" && len(list) > 0 || len(list) > 0 && list[0].Severity == finding.Error {
				t.Errorf("%s, %s: %v", file.origin, name, list)
			}
		}
		for _, s := range slips {
			re := regexp.MustCompile("(?m)" + s.match)
			for _, at := range re.FindAllStringSubmatchIndex(file.text, -1) {
				made[s.name]++
				becomes := string(re.ExpandString(nil, s.becomes, file.text, at))
				list := check(file.origin, file.text[:at[0]]+becomes+file.text[at[1]:])
				line := 1 + strings.Count(file.text[:at[0]], "\n")
				col := at[0] - strings.LastIndexByte(file.text[:at[0]], '\n')
				if s.offset >= 0 {
					col += s.offset
				}
				switch {
				case len(list) == 0 && s.rule == "missing-dot" && strings.HasPrefix(file.text, "$ORIGIN .\n"): // it is right there
				case len(list) != 1:
					t.Errorf("%s in %s, line %d: %d findings: %v", s.name, file.origin, line, len(list), list)
				case !strings.Contains(s.rule, list[0].Rule), s.offset != -4 && list[0].Line != line, s.offset >= 0 && list[0].Col != col:
					t.Errorf("%s in %s, line %d, column %d: %s [%s]", s.name, file.origin, line, col, list[0].Report(), list[0].Rule)
				}
			}
		}
	}
	for _, s := range slips {
		if made[s.name] == 0 {
			t.Errorf("%s fits nowhere", s.name)
		}
	}
}
