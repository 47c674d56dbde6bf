package zone_test

import "testing"

// Referrals and occlusion (RFC 1034 §4.3.2 step 3b, RFC 5936 §3.5).
func TestCut(t *testing.T) {
	answers(t, "0.192.in-addr.arpa.", `
2 NS ns.example.
2 PTR occluded.example.
10.2 PTR occluded.example.
*.2 PTR occluded.example.
11.2 NS deeper.example.
11.2 DS 1 8 2 0000000000000000000000000000000000000000000000000000000000000000
12.2 DNAME occluded.example.
3 NS ns.example.
20 PTR ours.example.
25 PTR ours.example.
0/25.4 NS ns.example.
`, []literal{
		{"2", "PTR", "referral |  | 2 NS"},
		{"2", "NS", "referral |  | 2 NS"},
		{"2", "SOA", "referral |  | 2 NS"},
		{"2", "ANY", "referral |  | 2 NS"},
		{"2", "NSEC", "referral |  | 2 NS"},
		{"2", "RRSIG", "referral |  | 2 NS"},
		{"2", "DS", "nodata |  | @ SOA"}, // RFC 4035 §3.1.4.1: the parent answers
		{"10.2", "PTR", "referral |  | 2 NS"},
		{"x.10.2", "PTR", "referral |  | 2 NS"},
		{"13.2", "PTR", "referral |  | 2 NS"},
		{"11.2", "PTR", "referral |  | 2 NS"}, // the uppermost cut counts
		{"11.2", "DS", "referral |  | 2 NS"},
		{"x.12.2", "PTR", "referral |  | 2 NS"},
		{"20", "PTR", "success | 20 PTR"}, // 2 is a prefix of 20 and 25 in presentation only
		{"25", "PTR", "success | 25 PTR"},
		{"32", "PTR", "nxdomain |  | @ SOA"},
		{"1.0/25.4", "PTR", "referral |  | 0/25.4 NS"},
		{"4", "PTR", "nodata |  | @ SOA"},
		{"@", "NS", "success | @ NS"},
		{"@", "DS", "nodata |  | @ SOA"},
	})
}
