// Package notify sends NOTIFY to secondaries when a zone has changed (RFC 1996).
//
// The first change of a zone is announced at once, those of the following second
// together at its end. A target that does not answer gets the message again, after
// growing pauses, until it answers or a later change replaces this one. Nothing depends
// on the answer: a secondary that gets no NOTIFY checks the zone at its refresh time. A target whose
// transfer failed is notified again.
//
// What is known of each secondary, from NOTIFY, transfers and questions for its serial, is a
// [Secondary] (known.go).
//
// The targets are those in the configuration, and the zone's name servers (NS) whose
// addresses are known without a query: from the configuration or from a zone served here.
//
//	goroutine        owner   ends when
//	Run              caller  ctx ends
//	one a socket     Run     ctx ends
package notify
