package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/internal/emit"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/spf13/cobra"
)

func newEmit(g *globals) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "emit PROGRAM",
		Short: "Print the configuration of another program for use with ptrd",
		Long: `emit prints the configuration that a secondary, a resolver or a DHCP server needs for the
zones of ptrd: all of them, or those given by apex, by a prefix that contains them, or by an
address in them.

Comments at its start name the file that it belongs into and what else is needed. TSIG keys
appear by name; their secrets belong into a separate file.`,
	})
	cmd.SuggestionsMinimumDistance = 2
	for _, t := range emit.Targets() {
		cmd.AddCommand(newEmitTarget(g, &t))
	}
	return cmd
}

// maxListed is how many zones a remark lists.
const maxListed = 4

// emitUses describes the roles in the help.
var emitUses = map[emit.Role]string{
	emit.Secondary: "as a secondary, which transfers the zones and serves them",
	emit.Resolver:  "as a resolver, which queries ptrd for names in the zones",
	emit.Updater:   "as a DHCP server, which writes PTR records by dynamic update",
}

func newEmitTarget(g *globals, t *emit.Target) *cobra.Command {
	var o emit.Options
	var servers []string
	var key string
	var resolver bool
	cmd := &cobra.Command{
		Use:   t.Name + " [ZONE|PREFIX|ADDRESS]...",
		Short: fmt.Sprintf("%s %s", t.Program, emitUses[t.Roles[0]]),
		Long: fmt.Sprintf(`%s prints the configuration of %s %s: for all zones, or for those
given by apex, by a prefix that contains them, or by an address in them.`, t.Name, t.Program, emitUses[t.Roles[0]]),
		Example: fmt.Sprintf(`  ptrd emit %[1]s
  ptrd emit %[1]s --server 192.0.2.53 10.0.0.0/8 2001:db8::/32`, t.Name),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := g.load()
			if err != nil {
				return err
			}
			if o.Role = t.Roles[0]; resolver {
				o.Role = emit.Resolver
			}
			r := emit.Request{Config: cfg, Zones: args, Servers: servers}
			if cmd.Flags().Changed("key") {
				r.Key = &key
			}
			closed, err := o.Resolve(r)
			var bad *emit.ArgumentError
			if errors.As(err, &bad) {
				return usagef("%v", bad)
			}
			if err != nil {
				return err
			}
			if len(closed) > 0 {
				what, where := "transfers", "transfer.allow"
				if o.Role == emit.Updater {
					what, where = "updates", "update"
				}
				remark(cmd, "%s: no entry allows %s of %s; add the address or the key of the other server to `%s`", t.Name, what, spelling.Some(closed, maxListed), where)
			}
			text, err := t.Text(o)
			if err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&servers, "server", nil, "`ADDRESS[:PORT]` of ptrd for the other server; may be repeated (default listen.dns)")
	if t.Roles[0] != emit.Resolver {
		f.StringVar(&key, "key", "", "`NAME` of the TSIG key of the other server; empty: none (default: the first key that the zone allows)")
	}
	if t.KeyFile != "" {
		f.StringVar(&o.KeyFile, "key-file", t.KeyFile, "`FILE` of the other server with the TSIG keys")
	}
	if t.HasFiles {
		f.StringVar(&o.Directory, "directory", t.Directory, "`DIRECTORY` of the other server for zone files (default: its own default)")
	}
	if t.HasLink {
		f.StringVar(&o.Link, "link", "", "print a drop-in for the network configuration of the `INTERFACE` to ptrd")
	}
	if slices.Contains(t.Roles, emit.Resolver) {
		f.BoolVar(&o.Unsigned, "unsigned", false, "no parent zone has DS records for the zones: a validating resolver accepts them unsigned")
		if len(t.Roles) > 1 {
			f.BoolVar(&resolver, "resolver", false, t.Program+" "+emitUses[emit.Resolver])
		}
	}
	return cmd
}
