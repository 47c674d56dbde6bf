package main

import (
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/spf13/cobra"
)

func newName(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "name ADDRESS|PREFIX|REVERSE-NAME",
		Short: "Convert addresses and prefixes into reverse names and zones, and back",
		Long: `name converts an address into its reverse name, a prefix into its zones, and a reverse
name into its address or prefix. With --config, the configuration can have a name for the
zone of a prefix.

For the records that the owner of the addresses needs, see handover.`,
		Example: `  ptrd name 203.0.113.25
  ptrd name 203.0.113.64/26
  ptrd name 64-127.113.0.203.in-addr.arpa`,
		Args:              exactly(1, "an address, a prefix or a reverse name"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			var c *config.Config
			var err error
			if g.config != "" {
				if c, err = config.Load(g.config); err != nil {
					return err
				}
			}
			r, err := naming.Describe(args[0], c)
			if err != nil {
				return err
			}
			return g.show(cmd, r)
		},
	}
	g.addJSON(cmd)
	return cmd
}
