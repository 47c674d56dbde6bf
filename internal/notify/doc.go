// Package notify tells secondaries that a zone has changed (RFC 1996).
//
// A change is told at once, and what follows it within a second is told together
// at the end of that second. A server that does not answer is told again after
// longer and longer times, until it answers or a later change is told in place of
// this one. Nothing waits for it: a secondary that learns nothing asks by itself.
//
// Who is told is what the configuration names, and those of the zone's NS records
// whose addresses can be known without asking anybody: the configuration gives them,
// or a zone that is served here.
//
//	goroutine        owner   ends when
//	Run              caller  ctx ends
//	one a socket     Run     ctx ends
package notify
