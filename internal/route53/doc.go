// Package route53 serves the REST-XML API 2013-04-01 of Amazon Route 53 for hosted zones.
//
//	request → body → signature → operation → policy of the key → package hosted → XML
//
//	server.go      Server, on top of package awsapi: HTTP, limits, who signed
//	operations.go  the operations of the API: path → handler, or why there is none
//	errors.go      codes, their HTTP status, and the form of errors
//	xmlin.go       the body of a request → a tree of elements, which names what it does not know
//	xmlout.go      the elements of responses, in the order of the API
//	zones.go       hosted zones, their comments and tags
//	records.go     record sets and batches of changes
//	sets.go        reusable delegation sets
//	limits.go      limits, most of which are none
//	other.go       changes, DNSSEC status, health checks, TestDNSAnswer
//
// What zones and records may be, and how they are stored and served, is decided in package
// hosted. To add an operation, write its handler and
// name it in operations.go. An operation that is not offered is refused by name, and so is an
// element or a query parameter that a handler does not know: nothing is accepted and ignored.
package route53
