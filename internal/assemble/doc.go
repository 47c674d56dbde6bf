// Package assemble turns a configuration and its sources into zones: it brings
// their layers together, makes what is not written down, decides about serials,
// and says what is wrong and where.
//
// The way of an item of the configuration (one entry of `zones`, which may make
// several zones):
//
//	assemble.go   all items, the deepest apexes first; the Plan
//	inputs.go     what the configuration says about an item, as a sum
//	files.go      what its files were when they were read, likewise; nothing is
//	              read again that is the same
//	merge.go      the layers and their precedence, an RRset at a time
//	pour.go       master files and hosts files; inline.go the configuration's own records
//	generate.go   SOA, NS, glue, and what `delegate` asks for
//	index.go      how the zones lie to each other: delegations to zones below and
//	              the CNAMEs into classless ones (RFC 2317)
//	build.go      records → zone.Zone, and what becomes of it
//	serial.go     the serial it is served with
//	reach.go      addresses that a parent from a file does not lead to us
//	explain.go    the sources once more: which line a record comes from
//
// # What is served when something is wrong
//
// A zone with an error keeps the data it is served with; at start-up there are
// none and it is served as zone.Unavailable. Other zones go on. The error stands
// among the findings until it is mended, without the file being read again.
//
// # Serials
//
// Three kinds of zones, told apart by whether a file has an SOA and whether the
// zone is signed; see the functions of serial.go. In all of them equal content
// keeps its serial, over a restart as well, and no serial goes back: a file
// whose serial is set back is served under the serial it had, and a signed zone,
// whose serial is not ours to change, is refused then, also at start-up.
//
// A secondary that was fed before the state directory got lost sees a generated
// serial that is at least the time, and the serial of a file as it stands there.
package assemble
