// Package secondary keeps zones the same as those of other servers, their
// primaries: it asks for the SOA at the times that this record says and when a
// NOTIFY comes, takes what changed by IXFR or the whole zone by AXFR, and
// publishes it.
//
//	receive.go  messages of an answer → records, in order and checked (RFC 5936, RFC 1995)
//	whole.go    records of an AXFR → a zone.Builder
//	steps.go    records of an IXFR → changesets, each applied to the zone before
//
// Nothing of an answer is served before its last record has come and the zone has
// passed the checks that those from files pass.
package secondary
