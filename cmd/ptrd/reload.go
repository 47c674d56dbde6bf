package main

import (
	"net/url"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newReload(g *globals) *cobra.Command {
	var asJSON bool
	var accept []string
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Let the running server reload, and tell what came of it",
		Long: `reload asks the server that runs with this configuration to read the configuration
and everything that changed, waits for it, and prints what changed and what is
wrong. The server sees most changes by itself and may have been quicker: what it
reloaded in the ten seconds before, and nobody was told of, is in the list as well.

A change that removes more than max_shrink of a zone, of the configuration or of a
catalog is held back, and what was served stays. --accept-shrink lets it pass, in this
reload alone: with the name or the prefix of a zone, the name of a catalog,
"configuration", or "all". It may be given several times. ptrd status lists what is
held back.

It exits with 0 if everything is served as its sources have it, and with 1
if the server refused the configuration or a zone has errors.`,
		Example: `  ptrd reload
  ptrd reload --accept-shrink 192.0.2.0/24 --accept-shrink catalog.example.net`,
		Args:              exactly(0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.showOutcome(cmd, daemon.VerbReload, url.Values{"accept_shrink": accept}, asJSON)
		},
	}
	addJSON(cmd, &asJSON)
	cmd.Flags().StringSliceVar(&accept, "accept-shrink", nil, "let a change pass that is held back: `NAME` of a zone or catalog, configuration, or all")
	_ = cmd.RegisterFlagCompletionFunc("accept-shrink", g.completeHeld) // the flag is there: it was made above
	return cmd
}

// showOutcome has the server do what ends with the outcome of a reload, and prints that.
// It fails silently unless everything is served as it should be.
func (g *globals) showOutcome(cmd *cobra.Command, verb string, args url.Values, asJSON bool) error {
	var o daemon.Outcome
	if err := g.call(cmd, verb, args, &o); err != nil {
		return err
	}
	if err := show(cmd, asJSON, &o); err != nil {
		return err
	}
	if !o.OK() {
		return &silentError{}
	}
	return nil
}

// completeHeld offers what the running server holds back.
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
