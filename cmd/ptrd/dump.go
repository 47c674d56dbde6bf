package main

import (
	"io"
	"net/netip"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/spf13/cobra"
)

func newDump(g *globals) *cobra.Command {
	var made string
	q := daemon.DumpQuery{Limit: maxMade}
	cmd := &cobra.Command{
		Use:   "dump ZONE|ADDRESS|PREFIX|NAME",
		Short: "Print a zone as a canonical master file",
		Long: `dump prints a zone of the running server as a master file: one record a line, all names
absolute, in canonical order. For an address, a name in a zone or a prefix that is a part of
a zone, it prints only the records there, and for a prefix with several zones, one zone after
another.

If no server runs with this configuration, or with --sources, the zone is built from its
sources; a generated serial is then that of a zone that was never served before.

For a zone with several layers, a comment after each record shows its own: sources, derived, updates.
Names that ` + "`synth`" + ` makes are in it as the rules that make them, each with a comment in words. With
--made, the records of the addresses of a prefix are written out after them, in a reverse zone their
names, in a forward zone the addresses of the names.`,
		Example: `  ptrd dump 113.0.203.in-addr.arpa
  ptrd dump 203.0.113.64/26
  ptrd dump 203.0.113.25
  ptrd dump 2001:db8::/32 --made 2001:db8:4000::/120
  ptrd dump example.net --made 203.0.113.128/25`,
		Args:              exactly(1, "a zone, an address, a prefix or a name"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			q.What = args[0]
			if made != "" {
				arg, err := naming.ParseArgument(made)
				switch {
				case err != nil:
					return usagef("--made: %v", err)
				case arg.Address.IsValid():
					arg.Prefix = netip.PrefixFrom(arg.Address, arg.Address.BitLen())
				case !arg.Prefix.IsValid():
					return usagef("--made %q is not a prefix", made)
				}
				q.Made = arg.Prefix
			}
			return g.dump(cmd, &q, cmd.OutOrStdout())
		},
	}
	g.addSources(cmd)
	cmd.Flags().StringVar(&made, "made", "", "write what rules make for the addresses of a `PREFIX` as well")
	cmd.Flags().IntVar(&q.Limit, "limit", q.Limit, "refuse --made for more than `N` addresses")
	return cmd
}

// maxMade is how many addresses --made writes out without --limit, some megabytes.
const maxMade = 65536

// dump writes what is asked for as the running server has it, or built from the sources.
func (g *globals) dump(cmd *cobra.Command, q *daemon.DumpQuery, w io.Writer) error {
	built, err := g.orSources(cmd, func() error { return g.send(cmd, daemon.VerbDump, q.Args(), w) })
	if built == nil {
		return err
	}
	return built.Dump(w, q)
}
