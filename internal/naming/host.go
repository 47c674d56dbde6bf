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
