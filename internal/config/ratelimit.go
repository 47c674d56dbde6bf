package config

import (
	"net/netip"
	"time"
)

// RateLimit bounds the UDP answers to clients whose address is not verified. Rates are
// answers a second for the clients of one prefix; 0: no limit.
type RateLimit struct {
	Enabled    bool
	Answers    int
	NoData     int
	NXDomains  int
	Referrals  int
	Errors     int
	All        int
	Window     time.Duration // over which a rate is measured
	Slip       int           // one in so many answers above a limit is sent truncated; 0: none
	IPv4Prefix int           // bits
	IPv6Prefix int
	Exempt     []netip.Prefix
	LogOnly    bool
	TableSize  int // buckets
}

// Bounds of the limits. A test of the daemon compares them with those of the server.
const (
	maxRate      = 100_000
	maxWindow    = time.Minute
	maxSlip      = 100
	minTableSize = 1 << 10
	maxTableSize = 1 << 24
)

func (v value) rateLimit(l *RateLimit) {
	rate := func(to *int) func(value) {
		return number(to, 0, maxRate, "answers a second")
	}
	v.mapping(
		field{"enabled", func(v value) { l.Enabled = v.boolean() }},
		field{"responses_per_second", rate(&l.Answers)},
		field{"nodata_per_second", rate(&l.NoData)},
		field{"nxdomains_per_second", rate(&l.NXDomains)},
		field{"referrals_per_second", rate(&l.Referrals)},
		field{"errors_per_second", rate(&l.Errors)},
		field{"all_per_second", rate(&l.All)},
		field{"window", duration(&l.Window, time.Second, maxWindow)},
		field{"slip", number(&l.Slip, 0, maxSlip, "answers")},
		field{"ipv4_prefix", number(&l.IPv4Prefix, 8, 32, "bits")},
		// A client has at least a /64: it could evade a limit for a longer prefix.
		field{"ipv6_prefix", number(&l.IPv6Prefix, 16, 64, "bits")},
		field{"exempt", func(v value) { l.Exempt = prefixes(v.each) }},
		field{"log_only", func(v value) { l.LogOnly = v.boolean() }},
		field{"table_size", number(&l.TableSize, minTableSize, maxTableSize, "buckets")},
	)
	if l.Enabled && l.Answers|l.NoData|l.NXDomains|l.Referrals|l.Errors|l.All == 0 {
		v.fail("every limit is 0, so that nothing is limited; give a limit, or write `enabled: false`")
	}
}
