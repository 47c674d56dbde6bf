package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/ptrd/ptrd/internal/plan"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/spf13/cobra"
)

// planFlags are the flags of plan.
type planFlags struct {
	plan.Options
	split, servers, only, children []string

	out, from string
	check     bool
}

func newPlan(g *globals) *cobra.Command {
	var p planFlags
	cmd := &cobra.Command{
		Use:   "plan PREFIX [--split PART]... | plan --check ZONE",
		Short: "Print both sides of a delegation, or look for gaps in a parent zone",
		Long: `plan divides a prefix into parts that other servers serve, and prints what the operator of
the prefix adds to its zones, and the zone of each part, as master files and as
configuration of ptrd. Without --split the prefix itself is delegated, by the zone above.

A PART is a length such as /28, which divides the whole prefix; or a prefix with name
servers, as 203.0.113.64/26=ns1.example.com,ns2.example.net; or a file with one part in a
line: the prefix, name servers (NAME or NAME=ADDRESS), any of style=, label=, dname= and
ds=, separated by commas or blanks, and the owner after #.

Parts of a /24 (RFC 2317) are named in a style: range (64-127), slash (64/26) or rfc4183
(64-26), or have a label; or each address becomes a zone (address). With --dname, parts of
any length are redirected to another zone. In a label or dname, {n} is the number of the
part, {first} and {last} are its last octets, {length} is its length.

With --check, plan looks for gaps in the delegations of a zone: of the running server, of
the configuration if none runs, or read --from a master file or by transfer. The zones of
the parts are compared with it as far as the same server has them, or --child names files.
The exit code is 1 if there are errors.`,
		Example: `  ptrd plan 203.0.113.0/24 --split /28 --style slash --ns ns1.example.com --ns ns2.example.net
  ptrd plan 203.0.113.0/24 --split customers.txt --out plan
  ptrd plan 2001:db8::/32 --split 2001:db8:100::/40=ns1.example.com,ns2.example.net
  ptrd plan --check 203.0.113.0/24 --from 113.0.203.zone`,
		Args:              exactly(1, "a prefix"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			if p.check {
				return g.checkParent(cmd, args[0], p.from, p.children)
			}
			return p.print(g, cmd, args[0])
		},
	}
	g.addJSON(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&p.split, "split", nil, "a `PART`: a length, a prefix with its name servers, or a file; may be repeated")
	f.StringArrayVar(&p.servers, "ns", nil, "`NAME[=ADDRESS,...]` of a name server, for parts without their own; may be repeated")
	f.StringVar(&p.Style, "style", "", "`STYLE` of the names of parts: "+strings.Join(plan.Styles, ", ")+" (default range)")
	f.StringVar(&p.Label, "label", "", "`LABEL` of the zones of parts, such as customer-{n}")
	f.StringVar(&p.DName, "dname", "", "the `ZONE` that parts are redirected to, such as {n}.rev.example.com")
	f.BoolVar(&p.Generate, "generate", false, "print the CNAMEs as $GENERATE, which NSD and Knot DNS do not support")
	f.StringSliceVar(&p.only, "print", nil, "print only these `KINDS`: "+strings.Join(plan.Kinds, ", "))
	f.StringVar(&p.from, "from", "", "what the parent zone has now, a master `FILE` or by AXFR from ADDRESS[:PORT]: its PTR records move into the zones of the parts")
	f.StringSliceVar(&p.For, "for", nil, "add the document for `OWNER` of the addresses, as handover prints it; may be repeated")
	f.BoolVar(&p.check, "check", false, "look for gaps in the delegations of a zone, given by name or prefix")
	f.StringArrayVar(&p.children, "child", nil, "with --check, `ZONE=FILE`: a zone below as a master file; may be repeated")
	f.StringVar(&p.out, "out", "", "write the texts as files into a new `DIRECTORY`")
	_ = cmd.RegisterFlagCompletionFunc("style", cobra.FixedCompletions(plan.Styles, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

// print makes the plan of a prefix, and prints it or writes its files.
func (p *planFlags) print(g *globals, cmd *cobra.Command, prefix string) (err error) {
	if p.Prefix, err = netip.ParsePrefix(prefix); err != nil {
		return usagef("%q is not a prefix such as 203.0.113.0/24", prefix)
	}
	if p.Servers, err = nameServers(p.servers); err != nil {
		return err
	}
	if err := p.Check(); err != nil {
		return usagef("%v", err)
	}
	if err := checkOwners(p.For); err != nil {
		return err
	}
	if p.from != "" {
		p.Today = func(apex dname.Name) ([]zone.Record, error) {
			c, err := readParent(cmd.Context(), apex, p.from)
			if err == nil {
				err = c.Error()
			}
			if err != nil {
				return nil, err
			}
			return c.Records, nil
		}
	}
	if p.Parts, err = plan.ReadParts(p.Prefix, p.split); err != nil {
		return err
	}
	made, err := plan.Make(cmd.Context(), p.Options)
	if err != nil {
		return err
	}
	if err := made.Only(p.only); err != nil {
		return usagef("--print: %v", err)
	}
	for _, n := range made.Notes {
		remark(cmd, "%s", n)
	}
	if p.out == "" {
		return g.show(cmd, made)
	}
	if err := made.Write(p.out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s in %s\n", spelling.Number(len(made.Files), "file"), p.out)
	return err
}

// readParent reads a zone from a master file, or by AXFR.
func readParent(ctx context.Context, apex dname.Name, from string) (*plan.Content, error) {
	if at, err := serverAddr("--from", from, portDNS); err == nil {
		return plan.Transfer(ctx, apex, at)
	}
	return plan.ReadFile(apex, from), nil
}
