// Package tsig signs messages with shared keys and verifies them (RFC 8945). It works on the
// octets of messages.
//
// A server verifies a request by [Keys.Verify] and signs the messages of the response in order
// with the [Signer] that this returns. A client signs a request by [Key.Request] and verifies
// the messages of the response with the [Verifier] that this returns.
//
// A MAC covers these octets (RFC 8945 §4.3):
//
//	request              message without its TSIG record, variables
//	first response       MAC of the request, message, variables
//	each further message previous MAC, unsigned messages since then, message, timers
//
// A MAC is preceded by its length, the message has its original ID, the variables are the
// TSIG record without MAC and original ID, and the timers are its time and fudge.
//
// Secrets are not accessible outside of the package, and printing a [Key] does not show them.
package tsig
