// Package answer answers DNS requests from a [View]: the zones of a moment, and the
// [Policy] that belongs to them. It has no sockets, goroutines or clocks. The time, and
// how a request came, are part of the [Request].
//
// # The way of a request
//
// A transport fills a batch of [Message], has the [Responder] look it up
// ([Responder.LookAhead]), and calls [Responder.Respond] for each message, which writes
// the response over the request. The [Verdict] is what to do with it: it is answered,
// dropped, or deferred. A deferred request comes to Respond a second time, from the
// deferred lane, with Request.Deferred set. Then signatures are verified, and what a
// handler has to answer (transfers, updates, NOTIFY) is named in [Deferred].
//
// Most requests are plain ([Plain]): one question for the PTR of a whole address. Those
// of a batch are looked up together, and Respond writes their responses from what was
// found. All others take the general path; tests require the same octets and counts of both.
//
// # Where to find what
//
//	transport.go       the transports: name and properties. A new one is added here
//	request.go         what is read of a request: records, EDNS options, response size
//	respond.go         Respond: the checks in their order, up to the zone
//	resolve.go         RFC 1034 §4.3.2: zones, aliases, sections
//	plain.go           the short path for PTR questions
//	finish.go          OPT record, options and header of a response
//	deferred.go        signed requests, transfers, NOTIFY, UPDATE: who may, what handlers need
//	identity.go        version.bind and its like
//	policy.go, acl.go, peers.go      who may ask for what
//	cookie.go                        DNS cookies
//	ratelimit.go, ratetable.go       rate limits of responses
//	admit.go, known.go               which datagrams may be deferred, and known clients
//	count.go, transport_counters.go, histogram.go    counters
//
// # Counters
//
// While requests are in work, the sums over all workers may be a batch apart. At rest they
// obey, for each transport,
//
//	Received = Answered + Deferred + Σ Dropped
//	Answered = sent + Σ Unsent
//
// Requests that a transport drops for what they are never come to Respond, whose own sums
// are those of [Counter]:
//
//	Respond[CountRequests+t] = Received − Dropped[port_zero, too_long, not_unicast, fault] of transport t
package answer
