package main

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"os"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
	"github.com/spf13/cobra"
)

func newImport(g *globals) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "import PROGRAM",
		Short: "Make a zone of what another program has",
		Long:  "import reads the zones of another program, and prints them as master files or has the\nrunning server serve them.",
	})
	batches, isHosted := false, false
	route53 := &cobra.Command{
		Use:   "route53 FILE...",
		Short: "Make a hosted zone of one of Route 53, or print it as a master file",
		Long: `route53 reads the JSON of ` + "`aws route53 list-resource-record-sets`" + `, one file a page or one with
all of them (- is standard input), and prints a master file. With --batches it prints change
batches instead, one a line, as ` + "`ptrd export route53`" + ` does.

With --hosted the running server makes a hosted zone of it, in one step: after an error there is
nothing of it. The zone has SOA and NS of its own, as one that a client creates.

What cannot be imported is listed as a warning: aliases of other zones, and record sets with
routing policies. An alias of a name in the zone becomes the records that it has; in a hosted zone,
it stays an alias.`,
		Example: `  aws route53 list-resource-record-sets --hosted-zone-id Z123 | ptrd import route53 - >zone
  ptrd import route53 --hosted page1.json page2.json`,
		Args: between(1, 1<<20, "a file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var pages []string
			for _, path := range args {
				b, err := readInput(cmd, path)
				if err != nil {
					return err
				}
				pages = append(pages, string(b))
			}
			if isHosted {
				var made daemon.Imported
				if err := g.call(cmd, daemon.VerbImport, url.Values{"page": pages}, &made); err != nil {
					return err
				}
				warn(cmd, made.Left)
				return g.show(cmd, &made)
			}
			return printListing(cmd, pages, batches)
		},
	}
	route53.Flags().BoolVar(&batches, "batches", false, "print change batches")
	route53.Flags().BoolVar(&isHosted, "hosted", false, "have the running server make a hosted zone")
	route53.MarkFlagsMutuallyExclusive("batches", "hosted")
	g.addJSON(route53)
	cmd.AddCommand(route53)
	return cmd
}

// printListing prints a hosted zone of Route 53 as a master file, or as change batches.
func printListing(cmd *cobra.Command, pages []string, batches bool) error {
	l, err := hosted.ReadListing(pages)
	if err != nil {
		return err
	}
	records := l.Records()
	b := zone.NewBuilder(records[0].Owner)
	var text []byte
	for _, r := range records {
		b.Add(r)
		text = append(zonefile.AppendRecord(text, r), '\n')
	}
	z, findings := b.Build()
	for _, f := range findings {
		fmt.Fprintln(cmd.ErrOrStderr(), f.Report())
	}
	if errs, _ := finding.Count(findings); errs > 0 {
		return &exitStatus{exitError}
	}
	if batches {
		return export(cmd, z, l.Left)
	}
	warn(cmd, l.Left)
	_, err = cmd.OutOrStdout().Write(text)
	return err
}

func newExport(g *globals) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "export PROGRAM",
		Short: "Print a zone for another program",
		Long:  "export prints a zone in the form that another program reads.",
	})
	cmd.AddCommand(&cobra.Command{
		Use:   "route53 ZONE|ADDRESS|PREFIX",
		Short: "Print change batches that make the records of a zone in Route 53",
		Long: `route53 prints change batches in JSON, one a line, each within the limits of Route 53: 1000
records and 32,000 characters of values, which UPSERT counts twice. SOA and NS of the apex are
left out, because a hosted zone has its own. What Route 53 does not accept is listed as a
warning.

The zone is that of the running server; without one, it is built from its sources.`,
		Example: `  ptrd export route53 113.0.203.in-addr.arpa | while read -r batch; do
    aws route53 change-resource-record-sets --hosted-zone-id Z123 --change-batch "$batch"
  done`,
		Args:              exactly(1, "a zone, an address or a prefix"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			var text bytes.Buffer
			if err := g.dump(cmd, &daemon.DumpQuery{What: args[0], IsWhole: true}, &text); err != nil {
				return err
			}
			owner, _, _ := bytes.Cut(text.Bytes(), []byte(" ")) // the records of the apex are first
			apex, err := dname.Parse(string(owner))
			if err != nil {
				return err
			}
			b := zone.NewBuilder(apex)
			zonefile.ReadBytes(apex.String(), text.Bytes(), zonefile.Options{Origin: apex, Table: new(source.Table)}, b.Add)
			z, findings := b.Build()
			if z == nil {
				return fmt.Errorf("zone %v: %v", apex, findings)
			}
			return export(cmd, z, nil)
		},
	})
	return cmd
}

// export prints change batches, and warns of what was left out.
func export(cmd *cobra.Command, z *zone.Zone, left []string) error {
	batches, more, err := hosted.Export(z)
	if err != nil {
		return err
	}
	warn(cmd, append(left, more...))
	for _, b := range batches {
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", b); err != nil {
			return err
		}
	}
	return nil
}

func warn(cmd *cobra.Command, left []string) {
	for _, text := range left {
		remark(cmd, "left out: %s", text)
	}
}

// readInput returns the content of a file, or standard input for -.
func readInput(cmd *cobra.Command, path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(cmd.InOrStdin())
	}
	return os.ReadFile(path)
}
