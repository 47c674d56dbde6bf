package main

import (
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/spf13/cobra"
)

func newTrace(g *globals) *cobra.Command {
	var ask askFlags
	cmd := &cobra.Command{
		Use:   "trace ADDRESS|PREFIX|NAME",
		Short: "Walk from the root to the zone of a name, and show what each server answers",
		Long: `trace goes from the root to the zone of the reverse name of an address, of a prefix, or
of any name, follows the aliases of classless zones, and asks all servers on the way over
UDP and TCP, IPv4 and IPv6. It shows what is not as it should be on the way, and what each
server of the last zone answers. With --json, it prints every question with its answer.

It takes at most a minute, and about ten seconds if a server does not answer.`,
		Example: `  ptrd trace 203.0.113.25
  ptrd trace 2001:db8::/32 --json
  ptrd trace 203.0.113.25 --resolver 9.9.9.9`,
		Args:              exactly(1, "an address, a prefix or a name"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := g.name(args[0])
			if err != nil {
				return err
			}
			o, err := ask.options()
			if err != nil {
				return err
			}
			return g.show(cmd, delegation.New(o).Walk(cmd.Context(), name))
		},
	}
	g.addJSON(cmd)
	ask.add(cmd)
	return cmd
}
