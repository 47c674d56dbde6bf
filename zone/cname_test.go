package zone_test

import "testing"

// CNAME (RFC 1034 §3.6.2, §4.3.2 step 3a), one step at a time.
func TestCNAME(t *testing.T) {
	answers(t, "2.0.192.in-addr.arpa.", `
1 CNAME 2
2 CNAME 3
3 PTR three.example.
4 CNAME 4
5 CNAME Outside.Example.
6 CNAME nowhere
7 CNAME x.c
c NS ns.example.
8 CNAME .
`, []literal{
		{"1", "PTR", "success | 1 CNAME > 2"},
		{"1", "DS", "success | 1 CNAME > 2"},
		{"1", "CNAME", "success | 1 CNAME"},
		{"1", "ANY", "success | 1 CNAME"},
		{"2", "PTR", "success | 2 CNAME > 3"},
		{"4", "PTR", "success | 4 CNAME > 4"}, // a loop is the caller's to end
		{"5", "A", "success | 5 CNAME > Outside.Example."},
		{"6", "PTR", "success | 6 CNAME > nowhere"},
		{"7", "PTR", "success | 7 CNAME > x.c"},
		{"8", "PTR", "success | 8 CNAME > ."},
		{"x.1", "PTR", "nxdomain |  | @ SOA"}, // CNAME redirects no names below
	})
}
