package server

import "net/netip"

// batchSize is how many messages a batch has at most. A system call that moves datagrams
// costs about as much as a third of a datagram's way through the kernel, so at 32 it is
// 1 % of the work. A larger batch would only delay its first answer.
const batchSize = 32

// Message is one request of a batch, and then the response to it.
type Message struct {
	buf    []byte // the request, then the response over it
	n      int    // octets of the request
	out    int    // octets of the response; 0: none
	client netip.AddrPort
	local  netip.AddrPort // the address asked
	unfit  DropReason     // other than DropByRespond, the zero value: drop it, for this reason
	plain  Plain          // what lookAhead found
}

// releaseAll releases what the lookups of the messages hold.
func releaseAll(batch []Message) {
	for i := range batch {
		batch[i].plain.descent.Release()
	}
}
