// Package transfer sends zones to their secondaries: AXFR (RFC 5936) and IXFR (RFC
// 1995).
//
// A transfer sends the zone of one snapshot, whatever is published meanwhile: all its
// records, including glue and occluded ones, and nothing that is synthesized for
// answers. Messages have up to messageSize octets.
//
// An IXFR consists of the changesets in the history between the client's serial and
// ours; changes that undo each other are omitted if that makes the answer shorter. The
// answer is the whole zone if the history does not reach back or is longer than the
// zone; it is our SOA alone if the client is up to date, or if the answer over UDP does
// not fit into one datagram.
//
// A large part of the history is read once for all clients that ask for it (shared.go).
//
// Few transfers compute at a time, half as many as there are processors, and they yield
// to queries (package pace). A message is computed when the client has received the one
// before the last; package server bounds how long that may take.
package transfer
