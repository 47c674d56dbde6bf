package main

import (
	"net/netip"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/spf13/cobra"
)

// askFlags are the flags of commands that ask servers of the DNS.
type askFlags struct {
	from     []string
	hints    string
	resolver string
	no4, no6 bool
}

func (a *askFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&a.from, "from", nil, "`ADDRESS[:PORT]` of a server of any zone above to start from, in place of the root servers; may be repeated. With PORT, all servers are asked at this port")
	f.StringVar(&a.hints, "hints", "", "`FILE` with the root servers (default: those of the Internet)")
	f.StringVar(&a.resolver, "resolver", "", "`ADDRESS[:PORT]` of a resolver to ask for names, where port 53 of other servers cannot be reached")
	f.BoolVar(&a.no4, "no-ipv4", false, "do not use IPv4")
	f.BoolVar(&a.no6, "no-ipv6", false, "do not use IPv6")
	cmd.MarkFlagsMutuallyExclusive("no-ipv4", "no-ipv6")
}

// options returns the options of the client.
func (a *askFlags) options() (delegation.Options, error) {
	o := delegation.Options{No4: a.no4, No6: a.no6}
	for _, s := range a.from {
		at, err := serverAddr("--from", s, 0)
		if err != nil {
			return o, err
		}
		o.From = append(o.From, delegation.Server{Addr: at})
		if at.Port() != 0 {
			o.Port = at.Port()
		}
	}
	if a.hints != "" {
		var err error
		if o.Hints, err = delegation.LoadHints(a.hints); err != nil {
			return o, err
		}
	}
	if a.resolver != "" {
		var err error
		if o.Resolver, err = serverAddr("--resolver", a.resolver, portDNS); err != nil {
			return o, err
		}
	}
	return o, nil
}

// portDNS is the port of servers without another one.
const portDNS = 53

// serverAddr reads a value ADDRESS[:PORT] of a flag. Without PORT, it is the given one.
func serverAddr(flag, s string, port uint16) (netip.AddrPort, error) {
	at, err := naming.ParseServer(s, port)
	if err != nil {
		return at, usagef("%s %v", flag, err)
	}
	return at, nil
}
