// Package update changes zones by UPDATE messages (RFC 2136).
//
//	message.go   octets → Message
//	engine.go    Message and zone → Effect or Fault, in the order of RFC 2136 §3: a pure
//	             function; work.go is what a message does to the names it speaks of
//	policy.go    who may change what: by key, address, prefix of the owner, type
//	updater.go   the queue, and the goroutine that empties it; handler.go is its door
//	round.go     the messages that wait together → one batch, a step for each
//	pending.go   the same datagram, sent again
//	follow.go    names that are aliases into classless zones (RFC 2317)
//	layer.go     what updates put beside the sources of a zone
//	lifetime.go  records that end
//
// Two kinds of zones take updates. One without any other source follows the RFC to
// the letter, SOA and NS included. One with sources (files, the configuration)
// keeps what comes from them: an update that would remove, change or hide an RRset of
// theirs is refused; all other RRsets are a layer beside, kept in notes of the journal.
//
// The goroutine of Updater.Run is the only one that changes zones here. It takes all
// messages that wait, carries them out one after the other, each in the zones as the
// ones before left them, publishes the result as one batch, and then answers all:
// an answer is sent after what it speaks of is on disk and served. Whoever replaces a
// zone that takes updates, as a reload does, holds updates while it publishes and
// tells the Updater what the zone is made of by then.
package update
