package naming

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
)

// ServerNames is the remedy for the address of a name server in place of its name, see ParseHost.
const ServerNames = "NS records have the name of a server, such as ns1.example.com"

// ParseHost reads a host with its addresses, NAME[=ADDRESS,...]. The error quotes the text; remedy
// is for an address in place of the name.
func ParseHost(text, remedy string) (host config.NameServer, err error) {
	name, list, hasAddresses := strings.Cut(text, "=")
	if _, err := netip.ParseAddr(name); err == nil {
		return host, fmt.Errorf("%q is an address; %s", text, remedy)
	}
	if host.Name, err = dname.Parse(name); err != nil {
		return host, fmt.Errorf("%q is not a name: %w", name, err)
	}
	if !hasAddresses {
		return host, nil
	}
	for part := range strings.SplitSeq(list, ",") {
		a, err := netip.ParseAddr(part)
		if err != nil || a.Zone() != "" {
			return host, fmt.Errorf("%q: %q is not an address; write NAME=ADDRESS, with commas between addresses", text, part)
		}
		host.Addresses = append(host.Addresses, a.Unmap())
	}
	return host, nil
}

// ParseServer reads the address of a server, ADDRESS[:PORT]. Without PORT, it is the given one.
func ParseServer(s string, port uint16) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a.Unmap(), port), nil
	}
	at, err := netip.ParseAddrPort(s)
	switch {
	case err == nil && at.Port() == 0:
		return at, fmt.Errorf("%q has port 0; give the port of the server, or the address alone for the default", s)
	case err != nil:
		return at, fmt.Errorf("%q is not an address; write one such as 192.0.2.53, 192.0.2.53:5300 or [2001:db8::53]:5300", s)
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()), nil
}
