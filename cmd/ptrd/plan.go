package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/ptrd/ptrd/internal/handover"
	"github.com/ptrd/ptrd/internal/plan"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/spf13/cobra"
)

func newPlan(g *globals) *cobra.Command {
	var o plan.Options
	var split, servers, only []string
	var out, from string
	var check bool
	var children []string
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
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if check {
				return g.checkParent(cmd, args[0], from, children)
			}
			if o.Prefix, err = netip.ParsePrefix(args[0]); err != nil {
				return usagef("%q is not a prefix such as 203.0.113.0/24", args[0])
			}
			for _, s := range servers {
				ns, err := nameServer(s)
				if err != nil {
					return err
				}
				o.Servers = append(o.Servers, ns)
			}
			if err := o.Check(); err != nil {
				return usagef("%v", err)
			}
			for _, key := range o.For {
				if _, err := handover.OwnerOf(key); err != nil {
					return usagef("--for: %v", err)
				}
			}
			if from != "" {
				o.Today = func(apex dname.Name) ([]zone.Record, error) {
					c, err := readParent(cmd.Context(), apex, from)
					if err == nil {
						err = c.Error()
					}
					if err != nil {
						return nil, err
					}
					return c.Records, nil
				}
			}
			if o.Parts, err = plan.ReadParts(o.Prefix, split); err != nil {
				return err
			}
			p, err := plan.Make(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := p.Only(only); err != nil {
				return usagef("--print: %v", err)
			}
			for _, n := range p.Notes {
				remark(cmd, "%s", n)
			}
			if out == "" {
				return g.show(cmd, p)
			}
			if err := p.Write(out); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s in %s\n", spelling.Number(len(p.Files), "file"), out)
			return err
		},
	}
	g.addJSON(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&split, "split", nil, "a `PART`: a length, a prefix with its name servers, or a file; may be repeated")
	f.StringArrayVar(&servers, "ns", nil, "`NAME[=ADDRESS,...]` of a name server, for parts without their own; may be repeated")
	f.StringVar(&o.Style, "style", "", "`STYLE` of the names of parts: "+strings.Join(plan.Styles, ", ")+" (default range)")
	f.StringVar(&o.Label, "label", "", "`LABEL` of the zones of parts, such as customer-{n}")
	f.StringVar(&o.DName, "dname", "", "the `ZONE` that parts are redirected to, such as {n}.rev.example.com")
	f.BoolVar(&o.Generate, "generate", false, "print the CNAMEs as $GENERATE, which NSD and Knot DNS do not support")
	f.StringSliceVar(&only, "print", nil, "print only these `KINDS`: "+strings.Join(plan.Kinds, ", "))
	f.StringVar(&from, "from", "", "what the parent zone has now, a master `FILE` or by AXFR from ADDRESS[:PORT]: its PTR records move into the zones of the parts")
	f.StringSliceVar(&o.For, "for", nil, "add the document for `OWNER` of the addresses, as handover prints it; may be repeated")
	f.BoolVar(&check, "check", false, "look for gaps in the delegations of a zone, given by name or prefix")
	f.StringArrayVar(&children, "child", nil, "with --check, `ZONE=FILE`: a zone below as a master file; may be repeated")
	f.StringVar(&out, "out", "", "write the texts as files into a new `DIRECTORY`")
	_ = cmd.RegisterFlagCompletionFunc("style", cobra.FixedCompletions(plan.Styles, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

// readParent reads a zone from a master file, or by AXFR.
func readParent(ctx context.Context, apex dname.Name, from string) (*plan.Content, error) {
	if at, err := serverAddr("--from", from, portDNS); err == nil {
		return plan.Transfer(ctx, apex, at)
	}
	return plan.ReadFile(apex, from), nil
}
