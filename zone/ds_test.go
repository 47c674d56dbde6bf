package zone_test

import (
	"testing"

	"github.com/ptrd/ptrd/zone/zonetest"
)

// DS at a cut is answered here (RFC 4035 §3.1.4.1), DS below it is not.
func TestDS(t *testing.T) {
	unsigned := zonetest.MustParse("2.0.192.in-addr.arpa.", signedText)
	answersOf(t, unsigned, true, []literal{
		{"5", "DS", "nodata |  | @ SOA"},
		{"6", "DS", "success | 6 DS"},
		{"x.6", "DS", "referral |  | 6 NS"},
		{"x.6", "PTR", "referral |  | 6 NS"}, // DS goes with referrals of signed zones only
		{"0/25", "DS", "nodata |  | @ SOA"},
		{"1", "DS", "nodata |  | @ SOA"},
		{"99", "DS", "nxdomain |  | @ SOA"},
	})
	nsec := zonetest.MustSign(unsigned, 1, zonetest.Denial{})
	answersOf(t, nsec, true, []literal{
		{"5", "DS", "nodata |  | 5 NSEC+, @ SOA+"},
		{"6", "DS", "success | 6 DS+"},
		{"6", "NS", "referral |  | 6 DS+, 6 NS"},
		{"x.5", "DS", "referral |  | 5 NS, 5 NSEC+ | ns.5 A!"},
		{"0/25", "DS", "nodata |  | 0/25 NSEC+, @ SOA+"},
		{"q.w", "DS", "nodata |  | *.w NSEC+, @ SOA+"},
	})
	answersOf(t, nsec, false, []literal{
		{"5", "DS", "nodata |  | @ SOA"},
		{"6", "DS", "success | 6 DS"},
		{"x.6", "PTR", "referral |  | 6 NS"},
	})
}
