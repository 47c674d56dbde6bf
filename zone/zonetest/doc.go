// Package zonetest has test helpers for package zone: an [Oracle], which answers from a plain
// map of owner names by the text of the RFCs, a signer, and a generator of random zones and
// edits that prefers unusual cases. Tests compare the oracle with package zone. Only tests
// import it.
package zonetest
