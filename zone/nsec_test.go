package zone_test

import (
	"testing"

	"github.com/ptrd/ptrd/zone/zonetest"
)

const signedText = soaNS + `
1 PTR one.example.
2 PTR two.example.
10 PTR ten.example.
100 PTR hundred.example.
a.e PTR below.example.
*.w PTR wild.example.
w.w TXT beside
x.*.v TXT below
\000.1 TXT nul
3 CNAME 1
*.u CNAME 1
4 DNAME target.example.
5 NS ns.5
ns.5 A 192.0.2.1
6 NS ns.example.
6 DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000
0/25 NS ns.example.
`

// Every kind of denial with NSEC (RFC 4035 §3.1.3). The chain in canonical order:
// @ 0/25 1 \000.1 10 100 2 3 4 5 6 a.e *.u x.*.v *.w w.w
func TestNSEC(t *testing.T) {
	o := zonetest.MustSign(zonetest.MustParse("2.0.192.in-addr.arpa.", signedText), 1, zonetest.Denial{})
	answersOf(t, o, true, []literal{
		{"1", "PTR", "success | 1 PTR+"},
		{"1", "TXT", "nodata |  | 1 NSEC+, @ SOA+"},
		{"@", "PTR", "nodata |  | @ NSEC+, @ SOA+"},
		{"@", "DS", "nodata |  | @ NSEC+, @ SOA+"},
		// NXDOMAIN: the name and the wildcard
		{"11", "PTR", "nxdomain |  | 100 NSEC+, @ NSEC+, @ SOA+"},
		{"99", "PTR", "nxdomain |  | 6 NSEC+, @ NSEC+, @ SOA+"},
		{"20", "PTR", "nxdomain |  | 2 NSEC+, @ NSEC+, @ SOA+"},
		{"0", "PTR", "nxdomain |  | @ NSEC+, @ SOA+"}, // both by one
		{"zz", "PTR", "nxdomain |  | @ NSEC+, @ SOA+, w.w NSEC+"},
		{"x.1", "PTR", `nxdomain |  | @ SOA+, \000.1 NSEC+`},
		{`\001.1`, "PTR", `nxdomain |  | @ SOA+, \000.1 NSEC+`},
		{"b.e", "PTR", "nxdomain |  | 6 NSEC+, @ SOA+, a.e NSEC+"},
		{"y.*.v", "TXT", "nxdomain |  | *.u NSEC+, @ SOA+, x.*.v NSEC+"},
		// empty non-terminals
		{"e", "PTR", "nodata |  | 6 NSEC+, @ SOA+"},
		{"v", "PTR", "nodata |  | *.u NSEC+, @ SOA+"},
		{"*.v", "TXT", "nodata |  | *.u NSEC+, @ SOA+"},
		// wildcards
		{"q.w", "PTR", "success | q.w PTR+ | *.w NSEC+"},
		{"z.w", "PTR", "success | z.w PTR+ | w.w NSEC+"},
		{"q.w", "TXT", "nodata |  | *.w NSEC+, @ SOA+"},
		{"z.w", "TXT", "nodata |  | *.w NSEC+, @ SOA+, w.w NSEC+"},
		{"q.v", "TXT", "nodata |  | *.u NSEC+, @ SOA+, x.*.v NSEC+"}, // the wildcard is an empty non-terminal
		{"q.u", "PTR", "success | q.u CNAME+ | *.u NSEC+ > 1"},
		{"*.w", "PTR", "success | *.w PTR+"},
		// aliases need no denial
		{"3", "PTR", "success | 3 CNAME+ > 1"},
		{"x.4", "PTR", "success | 4 DNAME+, x.4 CNAME > x.target.example."},
		// cuts
		{"x.5", "PTR", "referral |  | 5 NS, 5 NSEC+ | ns.5 A!"},
		{"x.6", "PTR", "referral |  | 6 DS+, 6 NS"},
		{"1.0/25", "PTR", "referral |  | 0/25 NS, 0/25 NSEC+"},
	})
	answersOf(t, o, false, []literal{
		{"11", "PTR", "nxdomain |  | @ SOA"},
		{"q.w", "PTR", "success | q.w PTR"},
		{"q.w", "TXT", "nodata |  | @ SOA"},
		{"x.6", "PTR", "referral |  | 6 NS"},
		{"1", "NSEC", "success | 1 NSEC"},
	})
}
