// Package transfer sends zones to their secondaries: AXFR (RFC 5936) and IXFR (RFC
// 1995).
//
// A transfer is of the zone of one snapshot, whatever is published meanwhile: all of
// what the zone holds, glue and occluded records too, and nothing that is made for
// an answer. The records go out as the zone has them, one TTL an RRset, into
// messages of up to messageSize octets, as many in each as fit.
//
// An IXFR is made from the changesets that the history keeps, between the client's
// serial and ours. Of several, those that undo each other are left out where that
// makes the answer shorter. It is answered by the whole zone where the history does
// not reach back, or is longer than the zone, and by our SOA alone where the client
// has nothing to get, and over UDP where the answer is not one datagram.
//
// What a message costs is computed by few transfers at a time, half as many as there
// are processors, in slices that queries go before (package pace); while a client
// takes its message, another one's is made. A message is made when the client has taken
// the one before the last; how long it may take is the server's to say.
package transfer
