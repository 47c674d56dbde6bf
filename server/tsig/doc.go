// Package tsig signs messages with shared keys and verifies them (RFC 8945), on
// their octets.
//
// A server verifies a request by [Keys.Verify] and answers it with the [Signer]
// that this returns, each message of the answer one after the other. A client
// signs a request by [Key.Request] and hands each message of the answer to the
// [Verifier] that this returns.
//
// The MAC of a message is that of these octets (RFC 8945 §4.3):
//
//	request             message without its TSIG record, variables
//	first answer        MAC of the request, message, variables
//	each further one    MAC before, unsigned messages since, message, timers
//
// where a MAC has its length in front, the message has its original ID, the
// variables are all of the TSIG record but MAC and original ID, and the timers are
// its time and fudge.
//
// No secret leaves the package, whatever a [Key] is printed with.
package tsig
