package answer

import (
	"sync/atomic"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/rr"
)

// Counter is one number that a worker counts. Counters are in groups. A request counts
//
//	requests   once
//	qtype      once: the QTYPE of its question; none without a question that could be read
//	outcome    once: what happened to it
//	rcode      once if it is answered: the RCODE of the response
//	cookie     once if it has a COOKIE option and cookies are on
//	features   once for each feature
//	limited    once if its response is over a rate limit: the kind of limit
//	limit      likewise: the consequence
//
// and therefore at rest, over all workers,
//
//	Σ requests = Σ qtype = Σ outcome
//	Σ outcome = Σ rcode + Σ outcomes "drop_…" and "deferred"
//	Σ limited = Σ limit
//	limit "dropped" and "slipped" = outcomes "drop_limited" and "slipped"
//
// The result of a deferred request is counted once in the group slow, by other Responders
// than those that deferred it.
type Counter uint8

// countedTypes are the QTYPEs that have counters. The first is that of most questions.
var countedTypes = [...]rr.Type{
	rr.TypePTR, rr.TypeA, rr.TypeNS, rr.TypeCNAME, rr.TypeSOA, rr.TypeMX, rr.TypeTXT, rr.TypeAAAA, rr.TypeSRV,
	rr.TypeNAPTR, rr.TypeDNAME, rr.TypeDS, rr.TypeRRSIG, rr.TypeNSEC, rr.TypeDNSKEY, rr.TypeNSEC3PARAM, rr.TypeCDS,
	rr.TypeSVCB, rr.TypeHTTPS, rr.TypeIXFR, rr.TypeAXFR, rr.TypeANY,
}

// countedRCodes are the RCODEs that have counters.
var countedRCodes = [...]wire.RCode{
	wire.RCodeNoError, wire.RCodeFormErr, wire.RCodeServFail, wire.RCodeNXDomain, wire.RCodeNotImp, wire.RCodeRefused,
	wire.RCodeYXDomain, wire.RCodeBadVers, wire.RCodeBadCookie,
}

// newCounterTable maps values below 256 to their counters. Those of values follow first, and
// that of all others is behind them.
func newCounterTable[T ~uint16](values []T, first Counter) (table [256]Counter) {
	for i := range table {
		table[i] = first + Counter(len(values))
	}
	for i, v := range values {
		table[v] = first + Counter(i)
	}
	return table
}

var (
	typeCounters  = newCounterTable(countedTypes[:], CountTypePTR)
	rcodeCounters = newCounterTable(countedRCodes[:], CountRCodeNoError)
)

func countOfType(t rr.Type) Counter {
	if t > 255 {
		return CountTypeOther
	}
	return typeCounters[t]
}

func countOfRCode(c wire.RCode) Counter { return rcodeCounters[min(c, 255)] }

// The counters of the groups requests and qtype.
const (
	CountRequests  Counter = 0                                      // the first of NumTransports
	CountTypePTR           = CountRequests + Counter(NumTransports) // the first of countedTypes
	CountTypeOther         = CountTypePTR + Counter(len(countedTypes))
	CountTypeNone          = CountTypeOther + 1
)

// The counters of the group outcome.
const (
	CountAnswered     = CountTypeNone + 1 + iota // with the RRset asked for, or an alias
	CountNoData                                  // the name exists, the type does not
	CountNXDomain                                // the name does not exist
	CountReferral                                // to the servers of a zone below
	CountBadCookie                               // a valid cookie is required first
	CountYXDomain                                // a DNAME resulted in a name that is too long
	CountIdentity                                // version.bind and similar names
	CountCookieQuery                             // a request for a cookie alone (RFC 7873 §5.4)
	CountNotOurs                                 // REFUSED: no zone for the name
	CountProhibited                              // REFUSED: by an access list
	CountFormErr                                 // a malformed request
	CountBadVers                                 // an unknown EDNS version
	CountNotImp                                  // an opcode or QTYPE that is not implemented
	CountUnavailable                             // SERVFAIL: the zone has no data yet
	CountSlipped                                 // over a rate limit: answered without records, to be asked again over TCP
	CountDropShort                               // shorter than a header
	CountDropResponse                            // a response, which is never answered
	CountDropLimited                             // over a rate limit
	CountDeferQuery                              // to the deferred lane: transfers and signed requests
	CountDeferOther                              // to the deferred lane: NOTIFY and UPDATE
)

// The counters of the group rcode.
const (
	CountRCodeNoError  = CountDeferOther + 1 // the first of countedRCodes
	CountRCodeNXDomain = CountRCodeNoError + 3
	CountRCodeOther    = CountRCodeNoError + Counter(len(countedRCodes))
)

// The counters of the other groups.
const (
	CountCookieMalformed = CountRCodeOther + 1 + iota
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

	CountDeferredFormErr
	CountDeferredBadVers
	CountDeferredRefused
	CountDeferredNotAuth  // no such zone
	CountDeferredBadKey   // TSIG with an unknown key
	CountDeferredBadSig   // TSIG with an invalid MAC
	CountDeferredBadTime  // TSIG with a time that is too far from ours
	CountDeferredBadTrunc // TSIG with a MAC that is too short
	CountDeferredServFail // a transfer of a zone without data
	CountDeferredNotImp   // a transfer, without a handler
	CountDeferredAnswered // a signed query, answered as any other
	CountDeferredTransfer // passed to the handler
	CountDeferredNotify   // passed to the handler
	CountDeferredUpdate   // passed to the handler
	CountDeferredLimited  // over a rate limit

	NumCounters // how many there are
)

// Name returns the group of c and its name in the group, both suitable as labels of metrics.
func (c Counter) Name() (group, name string) {
	switch {
	case c < CountTypePTR:
		return "requests", Transport(c).String()
	case c < CountTypeOther:
		return "qtype", countedTypes[c-CountTypePTR].String()
	case c < CountAnswered:
		return "qtype", [...]string{"other", "none"}[c-CountTypeOther]
	case c < CountRCodeNoError:
		group = "outcome"
	case c < CountRCodeOther:
		return "rcode", countedRCodes[c-CountRCodeNoError].String()
	case c == CountRCodeOther:
		return "rcode", "other"
	case c < CountTruncated:
		group = "cookie"
	case c < CountLimitedAnswer:
		group = "features"
	case c < CountLimitDropped:
		group = "limited"
	case c < CountDeferredFormErr:
		group = "limit"
	default:
		group = "slow"
	}
	if c < CountRCodeNoError {
		return group, [CountRCodeNoError - CountAnswered]string{
			"answered", "nodata", "nxdomain", "referral", "badcookie", "yxdomain", "identity", "cookie_query", "not_ours", "prohibited",
			"formerr", "badvers", "notimp", "unavailable", "slipped", "drop_short", "drop_response", "drop_limited", "deferred_query", "deferred_other",
		}[c-CountAnswered]
	}
	return group, [NumCounters - CountCookieMalformed]string{
		"malformed", "client_only", "invalid", "valid",
		"truncated", "edns", "do",
		"answer", "nodata", "nxdomain", "referral", "error", "all", "deferred",
		"dropped", "slipped", "badcookie", "log_only",
		"formerr", "badvers", "refused", "notauth", "badkey", "badsig", "badtime", "badtrunc", "servfail", "notimp",
		"answered", "transfer", "notify", "update", "limited",
	}[c-CountCookieMalformed]
}

// counts are the numbers of one worker, which only the worker reads.
type counts [NumCounters]uint64

func (r *Responder) count(c Counter) { r.counts[c]++ }

// Stats are the counts of one worker that any goroutine may read at any time. Only
// [Responder.Publish] writes them.
type Stats struct{ c [NumCounters]atomic.Uint64 }

// Load returns one count.
func (s *Stats) Load(c Counter) uint64 { return s.c[c].Load() }

// Publish makes the counts visible in Stats. The worker calls it before it waits, and under
// load at intervals: an atomic store is a locked instruction, and six of them for each query
// would cost as much as the lookup. It also releases the zones of the last queries, which
// could otherwise stay in memory after a change while the worker waits.
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
