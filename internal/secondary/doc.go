// Package secondary keeps zones equal to those of other servers, their primaries. It asks for the SOA
// at the times that this record sets and after a NOTIFY, transfers what changed by IXFR or the whole
// zone by AXFR, and commits it.
//
//	follower.go     the zones and their life cycle
//	schedule.go     when a zone is checked next
//	admission.go    how many checks and transfers run at a time
//	check.go        one check: which primary has the latest serial
//	client.go       requests to a primary; query.go and tls.go their messages and TLS
//	receive.go      messages of an answer → records in order (RFC 5936) → a zone.Builder
//	differences.go  records of an IXFR (RFC 1995) → changesets, each applied to the zone before
//	findings.go     findings about a zone that is served nevertheless
//	publish.go      the result of a check, or an expiry → a change
//	times.go        timers of the SOA, and times over a restart and steps of the clock
//	notify.go       NOTIFY; status.go the state for operators
//
// Nothing of an answer is served before its last record was received. A zone is served as the primary
// has it, as in other name servers, including records that would be rejected in a file
// ([zone.Builder.SetVerbatim], and RDATA that is not of its type). Such records are findings. A zone is
// rejected if it cannot be served: see SetVerbatim, types and classes that do not exist in a zone, and
// malformed messages.
package secondary
