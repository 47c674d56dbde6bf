package answer

import (
	"net/netip"

	"github.com/ptrd/ptrd/server/tsig"
)

// Peer is a client with a permission, identified by address, by key, or by both.
type Peer struct {
	Prefix netip.Prefix // that the address is in; invalid: any address
	Key    string       // the wire form, in lower case, of the name of the key that the request is signed with; empty: signed or not
}

// Peers are the clients that have a permission; nil: none. It is immutable.
type Peers []Peer

// Allow reports whether one of the peers has the address and the key that the
// request was signed with; nil: it was not.
func (p Peers) Allow(a netip.Addr, key *tsig.Key) bool {
	a = a.Unmap().WithZone("")
	for i := range p {
		e := &p[i]
		if (!e.Prefix.IsValid() || e.Prefix.Contains(a)) && (e.Key == "" || key != nil && e.Key == string(key.Name())) {
			return true
		}
	}
	return false
}
