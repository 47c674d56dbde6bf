// Package assemble builds zones: it reads a configuration and the files that
// it names, generates what is not written down, chooses serials, and reports findings with their
// positions. Out comes a Plan, the changes that make the served zones equal to the sources.
//
// An item of the configuration (one entry of `zones`, which may make several zones) passes through
//
//	assemble.go    all items, forward zones first, the deepest apexes first; the Plan
//	inputs.go      checksums of what the configuration says about an item
//	files.go       checksums of its files; what did not change is not read again
//	incomplete.go  files that are still being written
//	generate.go    SOA, NS, glue, and what `delegate` asks for
//	index.go       parent and child zones, and classless zones (RFC 2317)
//	merge.go       the records of one item and their precedence, an RRset at a time
//	read.go        records of master files and hosts files
//	inline.go      records of the configuration itself; quoting.go common errors in them
//	build.go       records → zone.Zone → the change, or the reason why there is none
//	shrink.go      zones that would lose too many records
//	dynamic.go     the layers below the static one; zones without sources
//	serial.go      serials that files state
//	confirm.go     targets of PTRs that do not lead back, in zones served here
//	delegation.go  zones that their parent, served here, does not delegate
//	explain.go     which line a record comes from
//
// To add a check of single records, report a finding in merge.addStatic, which sees each record of
// files and configuration. A check of the records of one name belongs to check.go of package zone.
// A check that needs other zones is a method like round.checkDelegations, which Assemble calls.
//
// # What is served after an error
//
// A zone with an error keeps the data that it is served with; at the start there are none, and it
// is served as zone.Unavailable. Other zones are not affected. The error stays among the findings
// until it is fixed, without the file being read again.
//
// # Serials
//
// There are three kinds of zones, by whether a file has an SOA and whether the zone is signed; see
// the functions of serial.go. In all of them the same content keeps its serial, also over a
// restart, and no serial goes back: a file whose serial is set back is served under the serial
// that it had, and a signed zone, whose serial cannot be changed here, is rejected then, also at
// the start.
//
// After the state directory was lost, secondaries see a generated serial that is at least the
// time, and the serial of a file as it is.
package assemble
