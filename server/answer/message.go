package answer

import "net/netip"

// BatchSize is how many messages a batch has at most. A system call that moves datagrams
// costs about as much as a third of a datagram's way through the kernel, so at 32 it is
// 1 % of the work. A larger batch would only delay its first answer.
const BatchSize = 32

// Message is one request of a batch, and then the response to it.
type Message struct {
	Buf    []byte // the request, then the response over it
	Len    int    // octets of the request
	Out    int    // octets of the response; 0: none
	Client netip.AddrPort
	Local  netip.AddrPort // the address asked
	Unfit  DropReason     // other than DropByRespond, the zero value: drop it, for this reason
	Plain  Plain          // what lookAhead found
}

// Release releases what the lookups of the messages hold.
func Release(batch []Message) {
	for i := range batch {
		batch[i].Plain.descent.Release()
	}
}
