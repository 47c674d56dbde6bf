package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/ptrd/ptrd/internal/starter"
	"github.com/spf13/cobra"
)

func newInit(g *globals) *cobra.Command {
	var q starter.Request
	var mail string
	var servers []string
	output := defaultConfigs()[0]
	cmd := &cobra.Command{
		Use:   "init PREFIX... --ns NAME[=ADDRESS,...]...",
		Short: "Write a first configuration",
		Long: `init writes a first configuration for prefixes or single addresses, and prints the steps
that lead from there to a delegation. It asks nothing and overwrites no file.

The first --ns is the server that uses the configuration; the others copy the zones from it,
if their addresses are given. 203.0.113.25/24 means the prefix 203.0.113.0/24 with the mail
server at 203.0.113.25.`,
		Example: `  ptrd init 203.0.113.0/24 2001:db8:77::/48 --mail mail.example.com=203.0.113.25,2001:db8:77::25 \
    --ns ns1.example.com=192.0.2.53 --ns ns2.example.net=198.51.100.53
  ptrd init 203.0.113.64/29 --ns ns1.example.com --output -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("%s needs a prefix or an address, none given; see `%[1]s --help`", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, arg := range args {
				p, err := starter.ParsePrefix(arg)
				if err != nil {
					return usagef("%v", err)
				}
				if !slices.Contains(q.Prefixes, p) {
					q.Prefixes = append(q.Prefixes, p)
				}
			}
			if mail != "" {
				host, err := namedHost("--mail", mail, "write the name of the mail server, such as mail.example.com=203.0.113.25")
				if err != nil {
					return err
				}
				q.Mail, q.MailAddresses = host.Name, host.Addresses
			}
			var err error
			if q.Servers, err = nameServers(servers); err != nil {
				return err
			}
			if q.Servers == nil {
				return usagef("the name servers of the zone are missing: give at least one by --ns, such as --ns ns1.example.com --ns ns2.example.net")
			}
			q.StateDir = g.state
			if output == "-" {
				s, err := starter.Make(cmd.Context(), &q, "")
				if err != nil {
					return err
				}
				fmt.Fprint(cmd.OutOrStdout(), s.Text)
				return s.Print(cmd.ErrOrStderr())
			}
			s, err := starter.Make(cmd.Context(), &q, output)
			if err != nil {
				return err
			}
			f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists and is not overwritten; give another file by --output, or - to print the text", output)
			} else if err != nil {
				return err
			}
			_, err = f.WriteString(s.Text)
			if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
				return err
			}
			return s.Print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&mail, "mail", "", "`NAME[=ADDRESS,...]` of the mail server, with its addresses (default: the first of each prefix)")
	f.StringArrayVar(&servers, "ns", nil, "`NAME[=ADDRESS,...]` of a name server; may be repeated")
	f.StringSliceVar(&q.Listen, "listen", nil, "`ADDRESS:PORT` to answer queries on; may be repeated (default: port 53 of all addresses)")
	f.StringVar(&output, "output", output, "the `FILE` to write, or - for standard output")
	_ = cmd.MarkFlagFilename("output", "yaml", "yml") // the flag exists
	return cmd
}
