// Package catalog knows catalog zones (RFC 9432): zones that list zones, by which
// secondaries learn what they are to serve.
//
//	content.go  a zone → what it lists, or why it is broken
//	make.go     what is to be listed → the records of the zone
//	produce.go  the catalogs that we make → changes
//	claim.go    what followed catalogs list → which of them owns which zone
//
// A catalog that we make follows from the configuration alone, so that it needs no
// state: the label of a member is a hash of its apex, the same in every catalog and
// after every restart, and so a zone that moves from one of our catalogs to another
// keeps what secondaries know of it (§4.3.1).
//
// A catalog that we follow is a secondary zone like others. A broken one is refused
// when it arrives, before it takes the place of the last good one (§5.1), and one
// that has expired goes on as it was: neither takes a zone away.
package catalog
