package answer

import "net/netip"

// BatchSize is how many messages a batch has at most. A system call costs about a third of what
// the kernel needs for a datagram, so with 32 datagrams it is 1 % of the work. A larger batch
// would only delay its first answer.
const BatchSize = 32

// Message is one request of a batch, and then the response to it.
type Message struct {
	Buf    []byte // the request, then the response over it
	Len    int    // octets of the request
	Out    int    // octets of the response; 0: none
	Client netip.AddrPort
	Local  netip.AddrPort // the address asked
	Unfit  DropReason     // if not DropByRespond, the zero value: drop the message for this reason
	Plain  Plain          // what LookAhead found
}

// Release releases the zones that the lookups of the messages refer to.
func Release(batch []Message) {
	for i := range batch {
		batch[i].Plain.descent.Release()
	}
}
