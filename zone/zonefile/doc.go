// Package zonefile reads and writes master files (RFC 1035 §5) with all that
// BIND accepts in them, and reports what is wrong with a file to its owner, as
// someone who has seen many reverse zones would.
//
// The way of a record:
//
//	lexer.go      a window over the file; one logical line at a time (parentheses
//	              joined, comments gone) as tokens with line and column
//	simple.go     the shape of nearly all lines, a PTR without anything to report,
//	              read eight octets at a time (words.go); all that follows is for
//	              the other lines, which may be any
//	parser.go     directives, and [owner] [TTL] [class] type
//	include.go    $INCLUDE, confined to a directory
//	generate.go   $GENERATE, one step one record
//	rdata.go      RDATA, through package rr, which knows the types
//	lint*.go      warnings: what loads, but was surely not meant
//	print.go      the way back: canonical text of records
//
// A fault never ends the reading of a file: the parser goes on with the next
// logical line, so that one run reports everything.
//
// Relations between records (CNAME together with other data, NS without addresses,
// several PTRs, out-of-zone and occluded data) are not seen here but by
// [zone.Builder.Build].
package zonefile
