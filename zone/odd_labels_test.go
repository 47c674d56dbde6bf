package zone_test

import (
	"strings"
	"testing"
)

// Labels that are no octets or nibbles, or have the value of another.
func TestOddLabels(t *testing.T) {
	answers(t, "2.0.192.in-addr.arpa.", `
1 PTR one.example.
01 PTR zero-one.example.
001 PTR zero-zero-one.example.
256 PTR too-large.example.
_dmarc TXT x
-1 PTR minus.example.
\000 PTR nul.example.
\001 PTR one-octet.example.
\000\000 PTR nuls.example.
\255 PTR high.example.
a PTR a.example.
ab PTR ab.example.
abc PTR abc.example.
a\.b PTR dot.example.
5.1 PTR below.example.
x.5.1 PTR below.example.
1\000 PTR one-nul.example.
`, []literal{
		{"1", "PTR", "success | 1 PTR"},
		{"01", "PTR", "success | 01 PTR"},
		{"001", "PTR", "success | 001 PTR"},
		{"0001", "PTR", "nxdomain |  | @ SOA"},
		{"256", "PTR", "success | 256 PTR"},
		{"257", "PTR", "nxdomain |  | @ SOA"},
		{"255", "PTR", "nxdomain |  | @ SOA"},
		{"_dmarc", "TXT", "success | _dmarc TXT"},
		{"_dmarc.1", "TXT", "nxdomain |  | @ SOA"},
		{"-1", "PTR", "success | -1 PTR"},
		{`\000`, "PTR", `success | \000 PTR`},
		{`\001`, "PTR", `success | \001 PTR`},
		{`\002`, "PTR", "nxdomain |  | @ SOA"},
		{`\000\000`, "PTR", `success | \000\000 PTR`},
		{`\000\001`, "PTR", "nxdomain |  | @ SOA"},
		{`\255`, "PTR", `success | \255 PTR`},
		{"a", "PTR", "success | a PTR"},
		{"ab", "PTR", "success | ab PTR"},
		{"abc", "PTR", "success | abc PTR"},
		{"abcd", "PTR", "nxdomain |  | @ SOA"},
		{"b.a", "PTR", "nxdomain |  | @ SOA"},
		{`a\.b`, "PTR", `success | a\.b PTR`},
		{"5.1", "PTR", "success | 5.1 PTR"},
		{"05.1", "PTR", "nxdomain |  | @ SOA"},
		{"x.5.1", "PTR", "success | x.5.1 PTR"},
		{`1\000`, "PTR", `success | 1\000 PTR`},
		{"b", "PTR", "nxdomain |  | @ SOA"},
		{"x.01", "PTR", "nxdomain |  | @ SOA"},
		{strings.Repeat("1", 63), "PTR", "nxdomain |  | @ SOA"},
	})
	// A whole address, then a 33rd nibble, then labels of two digits on the way.
	answers(t, strings.Repeat("0.", 31)+"ip6.arpa.", `
1 PTR one.example.
f.1 PTR nibble-33.example.
f.f.1 PTR nibble-34.example.
10 PTR ten.example.
ff PTR ff.example.
g PTR g.example.
`, []literal{
		{"1", "PTR", "success | 1 PTR"},
		{"F.1", "PTR", "success | f.1 PTR"},
		{"f.F.1", "PTR", "success | f.f.1 PTR"},
		{"e.1", "PTR", "nxdomain |  | @ SOA"},
		{"10", "PTR", "success | 10 PTR"},
		{"0.1", "PTR", "nxdomain |  | @ SOA"},
		{"FF", "PTR", "success | ff PTR"},
		{"f", "PTR", "nxdomain |  | @ SOA"},
		{"G", "PTR", "success | g PTR"},
	})
	// The longest names there are.
	long := strings.Repeat(strings.Repeat(`\000`, 63)+".", 3) + strings.Repeat(`\001`, 59)
	answers(t, "z.", long+" TXT x\n", []literal{
		{long, "TXT", "success | " + long + " TXT"},
		{strings.Repeat("a.", 125) + "a", "TXT", "nxdomain |  | @ SOA"},
		{long[strings.Index(long, ".")+1:], "TXT", "nodata |  | @ SOA"},
	})
}
