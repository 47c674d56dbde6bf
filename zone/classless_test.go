package zone_test

import "testing"

// Both sides of RFC 2317.
func TestClasslessParent(t *testing.T) {
	answers(t, "2.0.192.in-addr.arpa.", `
0/25 NS ns.customer.example.
128-191 NS ns.other.example.
customer NS ns.0/25
ns.0/25 A 192.0.2.1
1 CNAME 1.0/25
127 CNAME 127.0/25
129 CNAME 129.128-191
200 CNAME 200.customer
201 CNAME 201.free
201.free PTR here.example.
0 PTR net.example.
`, []literal{
		{"1", "PTR", "success | 1 CNAME > 1.0/25"},
		{"1.0/25", "PTR", "referral |  | 0/25 NS"},
		{"129", "PTR", "success | 129 CNAME > 129.128-191"},
		{"129.128-191", "PTR", "referral |  | 128-191 NS"},
		{"200", "PTR", "success | 200 CNAME > 200.customer"},
		{"200.customer", "PTR", "referral |  | customer NS | ns.0/25 A"},
		{"201", "PTR", "success | 201 CNAME > 201.free"},
		{"201.free", "PTR", "success | 201.free PTR"},
		{"0", "PTR", "success | 0 PTR"},
		{"0-127", "PTR", "nxdomain |  | @ SOA"},
		{"0/26", "PTR", "nxdomain |  | @ SOA"},
		{"128", "PTR", "nxdomain |  | @ SOA"},
	})
}

func TestClasslessChild(t *testing.T) {
	for _, apex := range []string{"0/25.2.0.192.in-addr.arpa.", "0-127.2.0.192.in-addr.arpa.", "customer.2.0.192.in-addr.arpa."} {
		answers(t, apex, `
1 PTR one.example.
10 PTR ten.example.
100 PTR hundred.example.
01 PTR odd.example.
1.1 PTR below.example.
x.1 PTR below.example.
`, []literal{
			{"1", "PTR", "success | 1 PTR"},
			{"10", "PTR", "success | 10 PTR"},
			{"100", "PTR", "success | 100 PTR"},
			{"01", "PTR", "success | 01 PTR"},
			{"1.1", "PTR", "success | 1.1 PTR"},
			{"x.1", "PTR", "success | x.1 PTR"},
			{"2.1", "PTR", "nxdomain |  | @ SOA"},
			{"001", "PTR", "nxdomain |  | @ SOA"},
			{"2", "PTR", "nxdomain |  | @ SOA"},
			{"@", "PTR", "nodata |  | @ SOA"},
		})
	}
}
