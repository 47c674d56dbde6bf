package main

import (
	"net/netip"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/spf13/cobra"
)

func newName(g *globals) *cobra.Command {
	var servers []string
	cmd := &cobra.Command{
		Use:   "name ADDRESS|PREFIX|REVERSE-NAME",
		Short: "Convert addresses and prefixes into reverse names and zones, and back",
		Long: `name converts an address into its reverse name, a prefix into its zones, and a reverse
name into its address or prefix. For a prefix it also prints the records that the owner
of the addresses needs in the parent zone.

The name servers in these records are those given by --ns, or with --config those of the
configuration, which can also have a name for the zone of a prefix.`,
		Example: `  ptrd name 203.0.113.25
  ptrd name 203.0.113.64/26 --ns ns1.example.com --ns ns2.example.net
  ptrd name 64-127.113.0.203.in-addr.arpa`,
		Args:              exactly(1, "an address, a prefix or a reverse name"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			var o naming.Options
			for _, s := range servers {
				if _, err := netip.ParseAddr(s); err == nil {
					return usagef("--ns %q is an address; NS records have the name of a server, such as ns1.example.com", s)
				}
				n, err := dname.Parse(s)
				if err != nil {
					return usagef("--ns %q is not a name: %v", s, err)
				}
				o.Servers = append(o.Servers, config.NameServer{Name: n})
			}
			var err error
			if g.config != "" {
				if o.Config, err = config.Load(g.config); err != nil {
					return err
				}
			}
			r, err := naming.Describe(args[0], &o)
			if err != nil {
				return err
			}
			return g.show(cmd, r)
		},
	}
	g.addJSON(cmd)
	cmd.Flags().StringArrayVar(&servers, "ns", nil, "`NAME` of a name server, for the records of the parent zone; may be repeated")
	return cmd
}
