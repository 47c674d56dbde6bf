package answer

import (
	"sync/atomic"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
)

// Counter is one number that a worker counts. Counters come in groups; a request
// counts
//
//	requests   once
//	qtype      once: the QTYPE of its question; none without a question that could be read
//	outcome    once: what became of it
//	rcode      once if it is answered: the RCODE of the response
//	cookie     once if it has a COOKIE option and cookies are on
//	features   once for each feature
//	limited    once if its response is over a rate limit: the kind of limit
//	limit      likewise: what was done about it
//
// and therefore at rest, over all workers,
//
//	Σ requests = Σ qtype = Σ outcome
//	Σ outcome = Σ rcode + Σ outcomes "drop_…" and "deferred"
//	Σ limited = Σ limit
//	limit "dropped" and "slipped" = outcomes "drop_limited" and "slipped"
//
// What RespondDeferred makes of the requests that come to it is counted once in
// the group slow, by other Responders than those that deferred them.
type Counter uint8

// The counters.
const (
	CountRequests Counter = 0 // by Transport: the first of numTransports

	CountTypeA Counter = iota + Counter(NumTransports) - 1
	CountTypeNS
	CountTypeCNAME
	CountTypeSOA
	CountTypePTR
	CountTypeMX
	CountTypeTXT
	CountTypeAAAA
	CountTypeSRV
	CountTypeNAPTR
	CountTypeDNAME
	CountTypeDS
	CountTypeRRSIG
	CountTypeNSEC
	CountTypeDNSKEY
	CountTypeNSEC3PARAM
	CountTypeCDS
	CountTypeSVCB
	CountTypeHTTPS
	CountTypeIXFR
	CountTypeAXFR
	CountTypeANY
	CountTypeOther
	CountTypeNone

	CountAnswered      // with the RRset asked for, or an alias
	CountNoData        // the name is there, the type is not
	CountNXDomain      // the name is not there
	CountReferral      // to the servers of a zone below
	CountBadCookie     // a good cookie is required first
	CountYXDomain      // a DNAME made too long a name
	CountIdentity      // version.bind and its like
	CountCookieQuery   // a request for a cookie alone (RFC 7873 §5.4)
	CountNotOurs       // REFUSED: no zone of ours
	CountProhibited    // REFUSED: by an access list
	CountFormErr       // not a well-formed request
	CountBadVers       // an EDNS version that is not ours
	CountNotImp        // an opcode or QTYPE that is not ours
	CountUnavailable   // SERVFAIL: the zone has no data yet
	CountSlipped       // over a rate limit: answered without records, to be asked again over TCP
	CountDropShort     // shorter than a header
	CountDropResponse  // a response, which is never answered
	CountDropLimited   // over a rate limit
	CountDeferredQuery // to the deferred lane: transfers and signed requests
	CountDeferredOther // to the deferred lane: NOTIFY and UPDATE

	CountRCodeNoError
	CountRCodeFormErr
	CountRCodeServFail
	CountRCodeNXDomain
	CountRCodeNotImp
	CountRCodeRefused
	CountRCodeYXDomain
	CountRCodeBadVers
	CountRCodeBadCookie
	CountRCodeOther

	CountCookieMalformed
	CountCookieClientOnly
	CountCookieInvalid
	CountCookieValid

	CountTruncated // responses with TC
	CountEDNS      // requests with an OPT record
	CountDO        // requests that ask for DNSSEC records

	CountLimitedAnswer
	CountLimitedNoData
	CountLimitedNXDomain
	CountLimitedReferral
	CountLimitedError
	CountLimitedAll      // kinds together
	CountLimitedDeferred // requests for the deferred lane

	CountLimitDropped
	CountLimitSlipped   // answered without records
	CountLimitBadCookie // answered with BADCOOKIE
	CountLimitLogOnly   // answered all the same

	CountSlowFormErr
	CountSlowBadVers
	CountSlowRefused
	CountSlowNotAuth  // no zone of ours
	CountSlowBadKey   // TSIG with a key that is not ours
	CountSlowBadSig   // TSIG with a MAC that is not the key's
	CountSlowBadTime  // TSIG of another time
	CountSlowBadTrunc // TSIG with a MAC that is too short
	CountSlowServFail // a transfer of a zone without data
	CountSlowNotImp   // a transfer where there are none
	CountSlowAnswered // a signed query, answered as any other
	CountSlowTransfer // handed to those who transfer zones
	CountSlowNotify   // handed to whoever takes NOTIFY
	CountSlowUpdate   // handed to whoever takes updates
	CountSlowLimited  // over a rate limit

	NumCounters // how many there are
)

// Name returns the group that c belongs to and c's own name in it, both fit for
// labels of metrics.
func (c Counter) Name() (group, name string) {
	switch {
	case c < CountTypeA:
		return "requests", Transport(c).String()
	case c < CountAnswered:
		group = "qtype"
	case c < CountRCodeNoError:
		group = "outcome"
	case c < CountCookieMalformed:
		group = "rcode"
	case c < CountTruncated:
		group = "cookie"
	case c < CountLimitedAnswer:
		group = "features"
	case c < CountLimitDropped:
		group = "limited"
	case c < CountSlowFormErr:
		group = "limit"
	default:
		group = "slow"
	}
	return group, [NumCounters - CountTypeA]string{
		"A", "NS", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA", "SRV", "NAPTR", "DNAME", "DS", "RRSIG", "NSEC", "DNSKEY",
		"NSEC3PARAM", "CDS", "SVCB", "HTTPS", "IXFR", "AXFR", "ANY", "other", "none",
		"answered", "nodata", "nxdomain", "referral", "badcookie", "yxdomain", "identity", "cookie_query", "not_ours", "prohibited",
		"formerr", "badvers", "notimp", "unavailable", "slipped", "drop_short", "drop_response", "drop_limited", "deferred_query", "deferred_other",
		"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "BADVERS", "BADCOOKIE", "other",
		"malformed", "client_only", "invalid", "valid",
		"truncated", "edns", "do",
		"answer", "nodata", "nxdomain", "referral", "error", "all", "deferred",
		"dropped", "slipped", "badcookie", "log_only",
		"formerr", "badvers", "refused", "notauth", "badkey", "badsig", "badtime", "badtrunc", "servfail", "notimp",
		"answered", "transfer", "notify", "update", "limited",
	}[c-CountTypeA]
}

// countOfType returns the counter of a QTYPE.
func countOfType(t rr.Type) Counter {
	switch t {
	case rr.TypePTR: // first, because most questions ask for it
		return CountTypePTR
	case rr.TypeA:
		return CountTypeA
	case rr.TypeNS:
		return CountTypeNS
	case rr.TypeCNAME:
		return CountTypeCNAME
	case rr.TypeSOA:
		return CountTypeSOA
	case rr.TypeMX:
		return CountTypeMX
	case rr.TypeTXT:
		return CountTypeTXT
	case rr.TypeAAAA:
		return CountTypeAAAA
	case rr.TypeSRV:
		return CountTypeSRV
	case rr.TypeNAPTR:
		return CountTypeNAPTR
	case rr.TypeDNAME:
		return CountTypeDNAME
	case rr.TypeDS:
		return CountTypeDS
	case rr.TypeRRSIG:
		return CountTypeRRSIG
	case rr.TypeNSEC:
		return CountTypeNSEC
	case rr.TypeDNSKEY:
		return CountTypeDNSKEY
	case rr.TypeNSEC3PARAM:
		return CountTypeNSEC3PARAM
	case rr.TypeCDS:
		return CountTypeCDS
	case rr.TypeSVCB:
		return CountTypeSVCB
	case rr.TypeHTTPS:
		return CountTypeHTTPS
	case rr.TypeIXFR:
		return CountTypeIXFR
	case rr.TypeAXFR:
		return CountTypeAXFR
	case rr.TypeANY:
		return CountTypeANY
	}
	return CountTypeOther
}

// countOfRCode returns the counter of a response's RCODE.
func countOfRCode(c wire.RCode) Counter {
	switch c {
	case wire.RCodeNoError:
		return CountRCodeNoError
	case wire.RCodeFormErr:
		return CountRCodeFormErr
	case wire.RCodeServFail:
		return CountRCodeServFail
	case wire.RCodeNXDomain:
		return CountRCodeNXDomain
	case wire.RCodeNotImp:
		return CountRCodeNotImp
	case wire.RCodeRefused:
		return CountRCodeRefused
	case wire.RCodeYXDomain:
		return CountRCodeYXDomain
	case wire.RCodeBadVers:
		return CountRCodeBadVers
	case wire.RCodeBadCookie:
		return CountRCodeBadCookie
	}
	return CountRCodeOther
}

// counts are a worker's own: plain numbers, which nobody else reads.
type counts [NumCounters]uint64

func (r *Responder) count(c Counter) { r.counts[c]++ }

// Stats are the counts of one worker as everybody may read them at any time.
// They have one writer, [Responder.Publish].
type Stats struct{ c [NumCounters]atomic.Uint64 }

// Load returns one count.
func (s *Stats) Load(c Counter) uint64 { return s.c[c].Load() }

// Publish makes the counts visible in Stats. The worker calls it before it waits, and
// under load once in a while: an atomic store is a locked instruction, and
// some six of them a query would cost as much as the lookup. It also lets go of the
// zones that were asked: a worker may wait for long, and they may be replaced.
func (r *Responder) Publish() {
	r.zone = nil
	r.plain.descent.Release()
	r.answer.Release()
	r.settle()
	if !r.mixed {
		for t := range Counter(NumTransports) {
			r.publish(CountRequests + t)
		}
		for _, c := range countersOfPlain {
			r.publish(c)
		}
		return
	}
	r.mixed = false
	for c := range NumCounters {
		r.publish(c)
	}
}

func (r *Responder) publish(c Counter) {
	if n := r.counts[c]; n != r.stats.c[c].Load() {
		r.stats.c[c].Store(n)
	}
}
