package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/handover"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/spf13/cobra"
)

// handoverFlags are the flags of handover.
type handoverFlags struct {
	handover.Request
	ask askFlags

	servers       []string
	offline, wait bool
	timeout       time.Duration
}

func newHandover(g *globals) *cobra.Command {
	h := handoverFlags{Request: handover.Request{Now: time.Now}}
	var keys []string
	for _, o := range handover.Owners() {
		keys = append(keys, o.Key)
	}
	cmd := &cobra.Command{
		Use:   "handover ZONE|PREFIX",
		Short: "Print what the owner of the addresses needs to delegate a zone",
		Long: `handover prints what the owner of the addresses, a registry or a provider, needs to
delegate the zones of a prefix to your name servers: NS records, glue, DS records of signed
zones, and for IPv4 prefixes longer than /24 the CNAME records. With --for it prints an
object, a form or a mail.

Before that, it makes the tests that the owner makes on all servers, which need not be
delegated to yet, and prints on standard error what would be refused, by whom, and the
remedy; then what the zone above already has, and what is still different. --offline leaves
the tests out.

The name servers are those given by --ns, otherwise those of the configuration, which can
also have a name for the zone of a prefix.

Exit codes: 0 nothing would be refused; 1 something would be refused, or an error; 2 wrong
command line.`,
		Example: `  ptrd handover 203.0.113.0/24
  ptrd handover 203.0.113.64/26 --ns ns1.example.com --ns ns2.example.net --for isp
  ptrd handover 2001:db8:77::/48 --for ripe`,
		Args:              exactly(1, "a zone or a prefix"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := h.read(g, cmd, args[0]); err != nil {
				return err
			}
			r, err := handover.Make(cmd.Context(), &h.Request)
			if err != nil {
				return err
			}
			if !g.json {
				if err := r.Report(cmd.ErrOrStderr()); err != nil {
					return err
				}
			}
			return g.show(cmd, r)
		},
	}
	g.addJSON(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&h.servers, "ns", nil, "`NAME[=ADDRESS,...]` of a name server, with its addresses if its name is in the zone; may be repeated (default: those of the configuration)")
	f.StringSliceVar(&h.For, "for", nil, "print the document for `OWNER`: "+strings.Join(keys, ", ")+"; may be repeated")
	f.BoolVar(&h.offline, "offline", false, "do not test the servers")
	f.BoolVar(&h.wait, "wait", false, "wait until all servers have the same serial as the running server")
	f.DurationVar(&h.timeout, "timeout", 5*time.Minute, "`TIME` to wait for the servers")
	h.ask.add(cmd)
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(keys, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

// read fills in the Request.
func (h *handoverFlags) read(g *globals, cmd *cobra.Command, what string) (err error) {
	h.Input = what
	if h.Servers, err = nameServers(h.servers); err != nil {
		return err
	}
	if err := checkOwners(h.For); err != nil {
		return err
	}
	if h.Config, err = g.loadIfAny(); err != nil {
		return err
	}
	if !h.offline {
		o, err := h.ask.options()
		if err != nil {
			return err
		}
		h.Source = func() handover.Source { return handover.NewSource(o) }
	}
	if h.wait {
		h.Wait = h.timeout
		h.Serial = func(z *handover.Zone) uint32 { return g.servedSerial(cmd, z.Apex) }
		h.Progress = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), text) }
	}
	return nil
}

// servedSerial returns the serial of a zone in the running server, or 0.
func (g *globals) servedSerial(cmd *cobra.Command, apex dname.Name) uint32 {
	var s daemon.Status
	if err := g.call(cmd, "status", nil, &s); err != nil {
		return 0 // another host runs the primary
	}
	for _, z := range s.Zones {
		if z.Zone == apex.String() {
			return uint32(z.Serial)
		}
	}
	return 0
}

// nameServers reads the values of --ns.
func nameServers(values []string) (list []config.NameServer, err error) {
	for _, s := range values {
		ns, err := namedHost("--ns", s, naming.ServerNames)
		if err != nil {
			return nil, err
		}
		list = append(list, ns)
	}
	return list, nil
}

// checkOwners checks the values of --for.
func checkOwners(keys []string) error {
	for _, key := range keys {
		if _, err := handover.OwnerOf(key); err != nil {
			return usagef("--for: %v", err)
		}
	}
	return nil
}

// namedHost reads a value NAME[=ADDRESS,...] of a flag; remedy is for an address in place of the name.
func namedHost(flag, s, remedy string) (config.NameServer, error) {
	host, err := naming.ParseHost(s, remedy)
	if err != nil {
		return host, usagef("%s %v", flag, err)
	}
	return host, nil
}
