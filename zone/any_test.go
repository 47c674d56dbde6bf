package zone_test

import (
	"testing"

	"github.com/ptrd/ptrd/zone/zonetest"
)

// QTYPE ANY gets one RRset (RFC 8482 §4.1); QTYPE RRSIG all signatures of the
// name and nothing else.
func TestAnyAndRRSIG(t *testing.T) {
	text := soaNS + `
1 PTR one.example.
1 TXT x
e.e PTR below.example.
2 CNAME x.example.
*.w PTR w.example.
c NS ns.example.
u TYPE65280 \# 1 00
`
	answers(t, "2.0.192.in-addr.arpa.", text[len(soaNS):], []literal{
		{"1", "ANY", "success | 1 PTR"},
		{"e", "ANY", "nodata |  | @ SOA"},
		{"2", "ANY", "success | 2 CNAME"},
		{"9", "ANY", "nxdomain |  | @ SOA"},
		{"c", "ANY", "referral |  | c NS"},
		{"1", "RRSIG", "nodata |  | @ SOA"},
		{"2", "RRSIG", "nodata |  | @ SOA"},
	})
	signed := zonetest.MustSign(zonetest.MustParse("2.0.192.in-addr.arpa.", text), 1, zonetest.Denial{})
	answersOf(t, signed, true, []literal{
		{"1", "ANY", "success | 1 PTR+"},
		{"2", "ANY", "success | 2 CNAME+"},
		{"1", "RRSIG", "success | 1 RRSIG of NSEC, 1 RRSIG of PTR, 1 RRSIG of TXT"},
		{"2", "RRSIG", "success | 2 RRSIG of CNAME, 2 RRSIG of NSEC"},
		{"2", "NSEC", "success | 2 NSEC+"},
		{"x.w", "ANY", "success | x.w PTR+ | *.w NSEC+"},
		{"u", "ANY", "success | u TYPE65280+"}, // no denial where there is data
		{"c", "RRSIG", "referral |  | c NS, c NSEC+"},
	})
	answersOf(t, signed, false, []literal{
		{"1", "ANY", "success | 1 PTR"},
		{"1", "RRSIG", "success | 1 RRSIG of NSEC, 1 RRSIG of PTR, 1 RRSIG of TXT"},
		{"2", "NSEC", "success | 2 NSEC"},
	})
}
