package zone_test

import (
	"strings"
	"testing"
)

// DNAME (RFC 6672).
func TestDNAME(t *testing.T) {
	label := strings.Repeat("x", 63)
	answers(t, "2.0.192.in-addr.arpa.", `
1 DNAME target.example.
1 PTR beside.example.
a.1 PTR occluded.example.
b.1 NS occluded.example.
10 DNAME @
20 DNAME 10
30 DNAME .
long DNAME `+label+"."+label+"."+label+`.y.
c NS ns.example.
d.c DNAME occluded.example.
`, []literal{
		{"1", "PTR", "success | 1 PTR"}, // the owner itself is not redirected
		{"1", "DNAME", "success | 1 DNAME"},
		{"1", "A", "nodata |  | @ SOA"},
		{"1", "ANY", "success | 1 PTR"},
		{"x.1", "PTR", "success | 1 DNAME, x.1 CNAME > x.target.example."},
		{"X.y.1", "PTR", "success | 1 DNAME, x.y.1 CNAME > X.y.target.example."},
		{"a.1", "PTR", "success | 1 DNAME, a.1 CNAME > a.target.example."},
		{"q.b.1", "PTR", "success | 1 DNAME, q.b.1 CNAME > q.b.target.example."},
		{"x.1", "DNAME", "success | 1 DNAME, x.1 CNAME > x.target.example."},
		{"11", "PTR", "nxdomain |  | @ SOA"},
		{"x.10", "PTR", "success | 10 DNAME, x.10 CNAME > x"},
		{"10.10", "PTR", "success | 10 DNAME, 10.10 CNAME > 10"},
		{"x.20", "PTR", "success | 20 DNAME, x.20 CNAME > x.10"},
		{"x.30", "PTR", "success | 30 DNAME, x.30 CNAME > x."},
		{strings.Repeat("y", 59) + ".long", "PTR", "success | long DNAME, " + strings.Repeat("y", 59) + ".long CNAME > " +
			strings.Repeat("y", 59) + "." + label + "." + label + "." + label + ".y."},
		{strings.Repeat("y", 60) + ".long", "PTR", "toolong | long DNAME"},
		{"x.d.c", "PTR", "referral |  | c NS"},
	})
	answers(t, "example.", "@ DNAME target.\nwww A 192.0.2.1\n", []literal{ // at the apex everything below goes
		{"@", "NS", "success | @ NS"},
		{"www", "A", "success | @ DNAME, www CNAME > www.target."},
		{"x", "A", "success | @ DNAME, x CNAME > x.target."},
	})
}
