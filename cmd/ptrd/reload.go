package main

import (
	"net/url"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newReload(g *globals) *cobra.Command {
	var accept []string
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Reload the running server and print the result",
		Long: `reload makes the running server read the configuration and all changed files, waits, and
prints changes and errors. The server reloads most changes automatically; changes of the
last ten seconds that were not printed before are included.

A change that removes more than max_shrink of a zone, of the configuration or of a catalog
needs confirmation; until then the previous data stays served. --accept-shrink confirms it
for this reload, with the name or the prefix of a zone, an address in it, the name of a catalog,
"configuration", or "all". It may be repeated. ptrd status lists such changes.

It exits with 1 if the configuration or a zone has errors, or if a change needs
confirmation.`,
		Example: `  ptrd reload
  ptrd reload --accept-shrink 192.0.2.0/24 --accept-shrink catalog.example.net`,
		Args:              exactly(0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.ask(cmd, daemon.VerbReload, url.Values{"accept_shrink": accept}, &daemon.Outcome{})
		},
	}
	g.addJSON(cmd)
	cmd.Flags().StringSliceVar(&accept, "accept-shrink", nil, "confirm the large removal of `NAME`: a zone, a catalog, configuration, or all")
	_ = cmd.RegisterFlagCompletionFunc("accept-shrink", g.completeHeld) // the flag exists
	return cmd
}

// completeHeld completes the names that need confirmation.
func (g *globals) completeHeld(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var s daemon.Status
	if err := g.call(cmd, daemon.VerbStatus, nil, &s); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, h := range s.Held {
		names = append(names, h.Name())
	}
	return append(names, "all"), cobra.ShellCompDirectiveNoFileComp
}
