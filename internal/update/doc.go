// Package update changes zones by UPDATE messages (RFC 2136).
//
//	message.go   octets → Message
//	engine.go    Message and zone → Effect or Fault, in the order of RFC 2136 §3: a pure
//	             function; work.go has the effects on the names in a message
//	made.go      what rules make, which updates replace
//	policy.go    permissions: by key, address, prefix of the owner name, type
//	updater.go   requests that wait in a queue.Queue, and their answers; handler.go brings requests
//	round.go     messages that wait together → one batch, with a step for each
//	change.go    changes that other parts of the server make
//	result.go    what became of requests, for metrics
//	pending.go   datagrams that are sent again
//	follow.go    names that are aliases into classless zones (RFC 2317)
//	rollback.go  the layer of updates, or the whole of a dynamic zone, as it was at a serial
//	undo.go      what the layer of updates had before, as far as the steps of the zone do not show it
//	lifetime.go  records that expire
//
// Two kinds of zones accept updates. A zone without any other source follows the RFC exactly,
// including SOA and NS. In a zone with sources (files, the configuration), an update that would
// remove, change or hide an RRset of the sources is refused; all other RRsets form a separate
// layer, which is stored in notes of the journal and merged by package commit.
//
// Updater.Run processes the waiting messages of all zones in rounds, those of a zone in order, each on the
// result of the previous ones, commits the result as one batch, and then answers all: a response is
// sent after its change is on disk and served. A message with which very many names come or go is
// processed next to the rounds of zones that share no data with its zone. A reload calls Updater.Adopt
// as part of its own commit, so that no round is committed under a policy, or on top of sources, that
// are not active any more.
package update
