// Package secondary keeps zones the same as those of other servers, their
// primaries: it asks for the SOA at the times that this record says and when a
// NOTIFY comes, takes what changed by IXFR or the whole zone by AXFR, and
// publishes it.
//
//	receive.go  messages of an answer → records, in order and checked (RFC 5936, RFC 1995)
//	whole.go    records of an AXFR → a zone.Builder
//	steps.go    records of an IXFR → changesets, each applied to the zone before
//	findings.go what is wrong with a zone that is served all the same
//
// Nothing of an answer is served before its last record has come. A zone is served as
// its primary has it, as other name servers do it, also with records that would be
// refused in a file of ours ([zone.Builder.SetVerbatim], and RDATA that are none of
// their type). Such records are findings. Refused is what cannot be served: see
// SetVerbatim, types and classes that no zone of the Internet has, and messages that
// are malformed.
package secondary
