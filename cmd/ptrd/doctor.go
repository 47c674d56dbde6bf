package main

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/doctor"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/spf13/cobra"
)

// exitNotKnown is the exit code of doctor if nothing is wrong and something is not known.
const exitNotKnown = 3

func newDoctor(g *globals) *cobra.Command {
	var ask askFlags
	var addresses []string
	var all, plugin bool
	var names [3]string
	q := doctor.Request{}
	cmd := &cobra.Command{
		Use:   "doctor --ip ADDRESS",
		Short: "Find out why mail from an address is rejected, and who can fix it",
		Long: `doctor examines the addresses that a mail server sends from: the delegation of the reverse
zone, the PTR record, whether its name leads back, the name in HELO, the MX records of the
domain, and SPF. It prints a row for each address, then the first fault to fix, with the
remedy, who can fix it, and what receiving servers may reply until then.

It works for any host, and needs no configuration. If the zone with the fault is in the
configuration, doctor shows the file and line.

What is not known, because servers do not answer, is shown as "?", and never as wrong.

Exit codes: 0 nothing to fix; 1 something to fix; 2 wrong command line; 3 nothing is known to
be wrong, but something that is required is not known. It takes at most a minute.`,
		Example: `  ptrd doctor --ip 203.0.113.25 --helo mail.example.com --domain example.com
  ptrd doctor --ip 203.0.113.25 --ip 2001:db8::25 --helo mail.example.com --plan
  ptrd doctor --ip 203.0.113.25 --domain example.com --mail-from bounce.example.com`,
		Args:              exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if q.Addresses, err = examined(addresses); err != nil {
				return err
			}
			for i, n := range []struct {
				flag string
				to   *dname.Name
			}{{"helo", &q.HELO}, {"domain", &q.Domain}, {"mail-from", &q.MailFrom}} {
				if names[i] == "" {
					continue
				}
				if *n.to, err = dname.Parse(names[i]); err != nil {
					return usagef("--%s %q is not a name: %v", n.flag, names[i], err)
				}
			}
			o, err := ask.options()
			if err != nil {
				return err
			}
			if path, err := g.path(); err == nil {
				cfg, err := config.Load(path)
				if err != nil {
					remark(cmd, "the places in the configuration cannot be shown, because it has errors:\n%v", err)
				} else {
					q.Position = positions(cmd, cfg)
				}
			}
			q.Client = delegation.New(o)
			r := doctor.Examine(cmd.Context(), &q)
			if plugin {
				line, code := r.Status()
				fmt.Fprintln(cmd.OutOrStdout(), line)
				if code != 0 {
					return &exitStatus{code}
				}
				return nil
			}
			if all {
				r.ShowAll()
			}
			if err := g.show(cmd, r); err != nil {
				return err
			}
			switch {
			case r.IsWrong():
				return &exitStatus{exitError}
			case r.IsNotKnown():
				return &exitStatus{exitNotKnown}
			}
			return nil
		},
	}
	g.addJSON(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&addresses, "ip", nil, "`ADDRESS` that mail is sent from; may be repeated, once for each uplink")
	f.StringVar(&names[0], "helo", "", "`NAME` that the mail server gives in HELO or EHLO")
	f.StringVar(&names[1], "domain", "", "`NAME` of the domain of the mail addresses")
	f.StringVar(&names[2], "mail-from", "", "`NAME` of the domain in MAIL FROM, if it is another one, as of a mail service")
	f.BoolVar(&all, "plan", false, "show all faults in the order in which to fix them, not only the first")
	f.BoolVar(&plugin, "check", false, "print one line, with the exit codes of monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN")
	cmd.MarkFlagsMutuallyExclusive("check", "plan", "json")
	ask.add(cmd)
	return cmd
}

// examined reads the values of --ip.
func examined(values []string) (out []netip.Addr, err error) {
	if len(values) == 0 {
		return nil, usagef("doctor needs the address that mail is sent from: --ip ADDRESS")
	}
	if len(values) > doctor.MaxAddresses {
		return nil, usagef("--ip is given %d times; at most %d addresses are examined at once", len(values), doctor.MaxAddresses)
	}
	for _, v := range values {
		a, err := netip.ParseAddr(v)
		if err != nil {
			return nil, usagef("--ip %q is not an address", v)
		}
		out = append(out, a)
	}
	return out, nil
}

// positions returns a function that finds zones and records in the configuration. It may be
// called concurrently.
func positions(cmd *cobra.Command, cfg *config.Config) func(zone, name dname.Name, t rr.Type) (finding.Position, bool) {
	var mu sync.Mutex
	return func(zone, name dname.Name, t rr.Type) (finding.Position, bool) {
		mu.Lock()
		defer mu.Unlock()
		for i := range cfg.Zones {
			z := &cfg.Zones[i]
			for _, apex := range z.Apexes {
				if !apex.Equal(zone) {
					continue
				}
				list, err := assemble.Explain(cmd.Context(), cfg, nil, name)
				if err != nil {
					return z.Pos, true // the sources have errors, which check shows
				}
				for _, o := range list {
					if o.Record.Type == t && o.Pos.File != "" {
						return o.Pos, true
					}
				}
				return z.Pos, true
			}
		}
		return finding.Position{}, false
	}
}
