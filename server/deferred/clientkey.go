package deferred

import "net/netip"

// ClientKey returns what counts as one client: an IPv4 address, or an IPv6 /56, the prefix of one
// site.
func ClientKey(a netip.Addr) netip.Addr { return Masked(a, 32, 56) }

// Masked returns the first address of the prefix of a with so many bits.
func Masked(a netip.Addr, bits4, bits6 int) netip.Addr {
	a = a.Unmap().WithZone("")
	bits := bits6
	if a.Is4() {
		bits = bits4
	}
	p, err := a.Prefix(bits)
	if err != nil {
		panic("the length of a prefix: " + err.Error())
	}
	return p.Addr()
}
