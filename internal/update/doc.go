// Package update changes zones by UPDATE messages (RFC 2136).
//
//	message.go  octets → Message
//	engine.go   Message and zone → Effect or Fault, in the order of RFC 2136 §3: a pure
//	            function; work.go is what a message does to the names it speaks of
//
// Two kinds of zones take updates. One without any other source follows the RFC to
// the letter, SOA and NS included. One with sources (files, the configuration)
// keeps what comes from them: an update that would remove, change or hide an RRset of
// theirs is refused; all other RRsets are a layer beside.
package update
