package answer

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/wire"
)

// RateLimitOptions are how many UDP answers a second the clients of one prefix get, by kind of
// answer; 0: without limit. An answer counts once for each 512 octets or part of them, so that
// the limits bound octets as well.
type RateLimitOptions struct {
	Answers    int // with the RRset asked for, or an alias, from one zone
	NoData     int // from one zone
	NXDomains  int // from one zone, for all names together
	Referrals  int // from one zone
	Errors     int // REFUSED, FORMERR and others, and answers about the server; also requests of unknown clients for the deferred lane
	All        int // of all kinds together; also requests of known clients for the deferred lane
	Window     time.Duration
	Slip       int // one of so many answers over a limit is sent truncated; 0: none
	IPv4Prefix int // bits
	IPv6Prefix int // bits, at most 64
	Exempt     []netip.Prefix
	LogOnly    bool // count and log, but answer
	Buckets    int
	Seed       [32]byte // of a new table; random
}

// The bounds of RateLimitOptions.
const (
	MaxRate        = 100_000     // at ten times as many a tick of the clock is coarse
	MaxRateWindow  = time.Minute // see rateHorizon
	MaxSlip        = 100
	MaxRateBuckets = 1 << 24 // 128 MiB
)

// RateLimit limits answers to addresses that may be forged: over UDP and without a valid server
// cookie. It is immutable, except for the buckets, which all workers share.
type RateLimit struct {
	intervals [numRateKinds]uint64 // ticks between two answers of a bucket; 0: no limit
	burst     uint64               // ticks' worth of answers that a full bucket holds
	mask4     uint64
	mask6     uint64
	slip      uint32 // share of 2^32 of the answers over a limit that go out truncated, less one; 0: none
	logOnly   bool
	exempts   bool
	bits4     int
	bits6     int
	exempt    ACL
	table     *rateTable
	noted     *atomic.Int64 // when Report last returned something, nanoseconds of Request.Elapsed
}

// rateKind is a kind of answer that has buckets of its own. The first ones are in
// the order of their outcomes, see kindOf.
type rateKind uint8

const (
	rateAnswer rateKind = iota
	rateNoData
	rateNXDomain
	rateReferral
	rateBadCookie // separate from other errors, so that a flood of errors does not block cookies
	rateError     // all others
	rateAll
	rateDeferred // requests of unknown clients for the deferred lane
	rateKnown    // those of known clients
	rateNone
	numRateKinds = rateNone
)

// kindOf returns the kind of an answer with the outcome.
func kindOf(outcome Counter) rateKind {
	return min(rateKind(outcome-CountAnswered), rateError)
}

// counter returns the counter of the group limited.
func (k rateKind) counter() Counter {
	switch k {
	case rateBadCookie, rateError:
		return CountLimitedError
	case rateAll:
		return CountLimitedAll
	case rateDeferred, rateKnown:
		return CountLimitedDeferred
	}
	return CountLimitedAnswer + Counter(k)
}

// NewRateLimit returns the limits of o. It uses the buckets of old, if that is not nil and their
// number is the same: what a client has used counts under the new limits.
func NewRateLimit(o RateLimitOptions, old *RateLimit) (*RateLimit, error) {
	l := &RateLimit{burst: ticks(o.Window), logOnly: o.LogOnly, exempts: len(o.Exempt) > 0, bits4: o.IPv4Prefix, bits6: o.IPv6Prefix}
	for k, rate := range [numRateKinds]int{
		rateAnswer: o.Answers, rateNoData: o.NoData, rateNXDomain: o.NXDomains, rateReferral: o.Referrals,
		rateError: o.Errors, rateBadCookie: o.Errors, rateAll: o.All, rateDeferred: o.Errors, rateKnown: o.All,
	} {
		if rate < 0 || rate > MaxRate {
			return nil, fmt.Errorf("rate limit: %d answers a second, must be 0 (no limit) to %d", rate, MaxRate)
		}
		if rate > 0 {
			l.intervals[k] = ticks(time.Second) / uint64(rate)
		}
	}
	switch {
	case o.Window < time.Second || o.Window > MaxRateWindow:
		return nil, fmt.Errorf("rate limit: a window of %v, must be 1s to %v", o.Window, MaxRateWindow)
	case o.Slip < 0 || o.Slip > MaxSlip:
		return nil, fmt.Errorf("rate limit: slip %d, must be 0 to %d", o.Slip, MaxSlip)
	case o.IPv4Prefix < 1 || o.IPv4Prefix > 32:
		return nil, fmt.Errorf("rate limit: prefixes of %d bits for IPv4, must be 1 to 32", o.IPv4Prefix)
	case o.IPv6Prefix < 1 || o.IPv6Prefix > 64:
		return nil, fmt.Errorf("rate limit: prefixes of %d bits for IPv6, must be 1 to 64", o.IPv6Prefix)
	case o.Buckets < 1 || o.Buckets > MaxRateBuckets:
		return nil, fmt.Errorf("rate limit: %d buckets, must be 1 to %d", o.Buckets, MaxRateBuckets)
	}
	l.mask4 = ^uint64(0) << (32 - o.IPv4Prefix) // of the lower half of a mapped address
	l.mask6 = ^uint64(0) << (64 - o.IPv6Prefix)
	if o.Slip > 0 {
		l.slip = uint32(1<<32/uint64(o.Slip) - 1)
	}
	l.exempt = NewACL(o.Exempt, nil)
	if old != nil && old.table.fits(o.Buckets) {
		l.table, l.noted = old.table, old.noted
	} else {
		l.table, l.noted = newRateTable(o.Buckets, o.Seed), new(atomic.Int64)
	}
	return l, nil
}

// Buckets returns how many buckets there are, and how many of them are not full
// at a moment in the time of [Request.Elapsed]. It reads the whole table.
func (l *RateLimit) Buckets(elapsed time.Duration) (all, used int) {
	return l.table.buckets(), l.table.used(ticks(elapsed))
}

// prefixOf returns the bits of the client's prefix. An IPv4 address is a mapped one
// here (RFC 4291 §2.5.5.2), whose upper half is 0 and that of no client of IPv6.
func (l *RateLimit) prefixOf(client netip.Addr) uint64 {
	b := client.As16()
	if hi := binary.BigEndian.Uint64(b[:8]); hi != 0 {
		return hi & l.mask6
	}
	return binary.BigEndian.Uint64(b[8:]) & l.mask4
}

// rateUnit is log2 of the octets that count as one answer. Answers that hold one
// PTR record, signed or not, are shorter.
const rateUnit = 9

// overLimit returns the kind of limit that the response made last, of n octets, is
// over; rateNone if it is over none. A response that is not over the limit of its
// own kind but over that of all counts for the former as well.
func (r *Responder) overLimit(l *RateLimit, q *Request, n int) rateKind {
	if r.m.cookieState == cookieValid { // the address is not forged
		return rateNone
	}
	if l.exempts && l.exempt.Allows(q.Client.Addr()) { // uses no tokens of its prefix either
		return rateNone
	}
	kind, zone := kindOf(r.m.outcome), uint64(0)
	if kind < rateBadCookie {
		zone = uint64(r.zone.ApexHash())
	}
	prefix, now, size := l.prefixOf(q.Client.Addr()), ticks(q.Elapsed), uint64(n+1<<rateUnit-1)>>rateUnit
	if interval := l.intervals[kind]; interval != 0 &&
		!l.table.take(l.table.key.sum(prefix, zone<<8|uint64(kind)), now, l.burst, interval, size*interval) {
		return kind
	}
	if interval := l.intervals[rateAll]; interval != 0 &&
		!l.table.take(l.table.key.sum(prefix, uint64(rateAll)), now, l.burst, interval, size*interval) {
		return rateAll
	}
	return rateNone
}

// limited decides what is sent instead of the response of n octets in buf, which is over the
// limit of a kind.
func (r *Responder) limited(v *View, q *Request, buf []byte, n int, kind rateKind) (int, Verdict) {
	m, l := &r.m, v.Policy.RateLimit
	r.countLimited(q, kind)
	if l.logOnly {
		r.count(CountLimitLogOnly)
		return n, Answered
	}
	// RFC 7873 §5.2.3: the client can prove its address with its next query.
	if v.Policy.RequireCookies >= RequireLimited && m.isUnproven() && m.outcome != CountBadCookie && l.hasBadCookie(q) {
		r.count(CountLimitBadCookie)
		return r.fail(v, q, buf, wire.RCodeBadCookie, CountBadCookie, 0, "")
	}
	// Multiples of the golden ratio are evenly distributed, and do not coincide with a
	// pattern of queries, as every second response could.
	if r.slip += 0x9e37_79b9; l.slip == 0 || r.slip > l.slip {
		r.count(CountLimitDropped)
		return r.drop(CountDropLimited)
	}
	r.count(CountLimitSlipped)
	if m.outcome > CountIdentity || m.outcome == CountBadCookie { // has no records, also over TCP
		m.outcome = CountSlipped
		return n, Answered
	}
	f := wire.TC
	if was := wire.Flags(binary.BigEndian.Uint16(buf[2:])); was&wire.QR != 0 { // else buf holds the request
		f |= was & wire.AA
	}
	r.begin(v.Policy, buf)
	return r.finish(v.Policy, q, f, m.rcode, CountSlipped, 0, "")
}

// dropsLimited counts a response over the limit of a kind, and reports whether it is dropped: not
// if limits are only logged.
func (r *Responder) dropsLimited(l *RateLimit, q *Request, kind rateKind) bool {
	r.countLimited(q, kind)
	if l.logOnly {
		r.count(CountLimitLogOnly)
	} else {
		r.count(CountLimitDropped)
	}
	return !l.logOnly
}

// countLimited counts a response over the limit of a kind, and stores it for the log.
func (r *Responder) countLimited(q *Request, kind rateKind) {
	r.count(kind.counter())
	r.lastLimited = LimitNote{q.Client.Addr(), kind}
}

// hasBadCookie reports whether the client may get BADCOOKIE, and uses a token for it.
func (l *RateLimit) hasBadCookie(q *Request) bool {
	interval := l.intervals[rateBadCookie]
	return interval == 0 ||
		l.table.take(l.table.key.sum(l.prefixOf(q.Client.Addr()), uint64(rateBadCookie)), ticks(q.Elapsed), l.burst, interval, interval)
}

// LimitNote is a response that was over a limit, for the log.
type LimitNote struct {
	client netip.Addr // invalid: there was none
	kind   rateKind
}

// LimitNote returns the last response since the last call that was over a limit.
func (r *Responder) LimitNote() LimitNote {
	n := r.lastLimited
	r.lastLimited = LimitNote{}
	return n
}

// Report returns the prefix and the kind of limit to be logged for a response that was over
// one; false if there is nothing to log. It returns true at most once a second, so that workers
// do not wait for the log; the metrics have the numbers.
func (l *RateLimit) Report(one LimitNote, elapsed time.Duration) (prefix netip.Prefix, kind string, ok bool) {
	last := l.noted.Load()
	if !one.client.IsValid() || last != 0 && int64(elapsed)-last < int64(time.Second) || !l.noted.CompareAndSwap(last, int64(elapsed)) {
		return netip.Prefix{}, "", false
	}
	n := l.bits6
	if one.client.Is4() {
		n = l.bits4
	}
	prefix, _ = one.client.Prefix(n)
	_, kind = one.kind.counter().Name()
	return prefix, kind, true
}

// IsLogOnly reports whether responses over a limit are sent anyway.
func (l *RateLimit) IsLogOnly() bool { return l.logOnly }
