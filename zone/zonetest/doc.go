// Package zonetest is the slow twin of package zone: an [Oracle] that answers
// from a plain map of owner names by the texts of the RFCs, a signer, and a
// generator of random zones and edits that are biased to trouble. Tests ask both
// and compare; nothing that serves imports it.
package zonetest
