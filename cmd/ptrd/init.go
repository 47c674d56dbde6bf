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

// initFlags are the flags of init.
type initFlags struct {
	starter.Request
	mail    string
	servers []string
	output  string
}

func newInit(g *globals) *cobra.Command {
	var i initFlags
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
			i.StateDir = g.state
			if err := i.read(args); err != nil {
				return err
			}
			path := i.output
			if path == "-" {
				path = ""
			}
			made, err := starter.Make(cmd.Context(), &i.Request, path)
			if err != nil {
				return err
			}
			if path == "" {
				fmt.Fprint(cmd.OutOrStdout(), made.Text)
				return made.Print(cmd.ErrOrStderr())
			}
			if err := writeNew(path, made.Text); err != nil {
				return err
			}
			return made.Print(cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&i.mail, "mail", "", "`NAME[=ADDRESS,...]` of the mail server, with its addresses (default: the first of each prefix)")
	f.StringArrayVar(&i.servers, "ns", nil, "`NAME[=ADDRESS,...]` of a name server; may be repeated")
	f.StringSliceVar(&i.Listen, "listen", nil, "`ADDRESS:PORT` to answer queries on; may be repeated (default: port 53 of all addresses)")
	f.StringVar(&i.output, "output", defaultConfigs()[0], "the `FILE` to write, or - for standard output")
	_ = cmd.MarkFlagFilename("output", "yaml", "yml") // the flag exists
	return cmd
}

// read fills in the Request.
func (i *initFlags) read(args []string) (err error) {
	for _, arg := range args {
		p, err := starter.ParsePrefix(arg)
		if err != nil {
			return usagef("%v", err)
		}
		if !slices.Contains(i.Prefixes, p) {
			i.Prefixes = append(i.Prefixes, p)
		}
	}
	if i.mail != "" {
		host, err := namedHost("--mail", i.mail, "write the name of the mail server, such as mail.example.com=203.0.113.25")
		if err != nil {
			return err
		}
		i.Mail, i.MailAddresses = host.Name, host.Addresses
	}
	if i.Servers, err = nameServers(i.servers); err != nil {
		return err
	}
	if i.Servers == nil {
		return usagef("the name servers of the zone are missing: give at least one by --ns, such as --ns ns1.example.com --ns ns2.example.net")
	}
	return nil
}

// writeNew writes a file that must not exist.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and is not overwritten; give another file by --output, or - to print the text", path)
	} else if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}
