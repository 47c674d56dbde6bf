// Package catalog reads and generates catalog zones (RFC 9432), which list zones for
// secondaries.
//
//	content.go  a zone → the zones that it lists, or the reason why it is invalid
//	make.go     a list of zones → the records of a catalog
//	produce.go  the catalogs of the configuration → changes
//	claim.go    what all followed catalogs list → the owner of each zone
//	follow.go   followed catalogs → zones that are served; only what changed is read
//	note.go     notes that store the owner of a zone
//
// The content of our own catalogs depends only on the configuration, so that it needs no
// state. The label of a member is a hash of its apex, the same in every catalog and after every
// restart. A zone that moves between our catalogs therefore has the same label, and secondaries
// retain its data (§4.3.1).
//
// A catalog of another server is a secondary zone. An invalid one is rejected when it arrives
// and the previous one stays active (§5.1); an expired one stays active too. Neither removes a
// zone.
package catalog
