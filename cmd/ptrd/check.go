package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"slices"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/privilege"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/spf13/cobra"
)

// checked is the result of `check`.
type checked struct {
	OK       bool              `json:"ok"` // no errors
	Errors   int               `json:"errors"`
	Warnings int               `json:"warnings"`
	Zones    int               `json:"zones"`
	Findings []finding.Finding `json:"findings"`

	// Changes are those of zones with the records of ranges, where a server runs.
	Changes []daemon.PlannedZone `json:"changes,omitempty"`

	isStrict bool // warnings are errors
}

func newCheck(g *globals) *cobra.Command {
	var origin string
	var strict bool
	cmd := &cobra.Command{
		Use:   "check [--origin ORIGIN FILE]",
		Short: "Check the configuration and its zones, or one master file",
		Long: `check reads the configuration and all files that it names, as serve does, and prints
all errors and warnings. If a server runs with the same state directory, check also prints
what the configuration would change of zones with the records of ranges (synth_transfer:
materialize), and how secondaries receive it. With --origin it checks one master file as the
zone of that name.

Exit codes: 0 no errors, and no warnings with --strict; 1 errors; 2 wrong command line.`,
		Example: `  ptrd check
  ptrd check -c new.yaml --strict
  ptrd check --origin 203.0.113.0/24 db.203.0.113`,
		Args: func(cmd *cobra.Command, args []string) error {
			if origin == "" {
				if len(args) > 0 {
					return usagef("check of the master file %s needs the name of its zone: check --origin ORIGIN %[1]s", args[0])
				}
				return nil
			}
			return exactly(1, "a master file")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			r := checked{Findings: []finding.Finding{}, isStrict: strict}
			if origin != "" {
				apex, err := g.apex(origin)
				if err != nil {
					return fmt.Errorf("--origin: %w", err)
				}
				_, list := assemble.CheckFile(apex, args[0], 0)
				r.Zones, r.Findings = 1, append(r.Findings, list...)
			} else if err := r.config(cmd, g); err != nil {
				return err
			}
			return r.show(cmd, g)
		},
	}
	g.addJSON(cmd)
	cmd.Flags().BoolVar(&strict, "strict", false, "exit with 1 for warnings too")
	cmd.Flags().StringVar(&origin, "origin", "", "the `ORIGIN` that names in the master file are relative to: its zone, by name or prefix")
	_ = cmd.RegisterFlagCompletionFunc("origin", g.completeZone) // the flag is there: it was made above
	return cmd
}

// config checks the configuration and its zones.
func (r *checked) config(cmd *cobra.Command, g *globals) error {
	path, err := g.path()
	if err != nil {
		return err
	}
	loader := config.Loader{Path: path}
	cfg, list, err := loader.Examine(cmd.Context())
	if err != nil {
		return err
	}
	r.Findings = append(r.Findings, list...)
	if cfg == nil {
		return nil
	}
	if list, err = assemble.Check(cmd.Context(), cfg); err != nil {
		return err
	}
	for i := range cfg.Zones {
		r.Zones += len(cfg.Zones[i].Apexes)
	}
	r.Findings = append(append(r.Findings, unreadable(cfg, loader.Files)...), list...) // not nil
	if errs, _ := finding.Count(r.Findings); errs == 0 {
		r.Changes = planned(cmd, cfg, path)
	}
	return nil
}

// planned returns what the configuration would change of zones with the records of their ranges on the
// running server; none if no server runs, or if it cannot read the configuration.
func planned(cmd *cobra.Command, cfg *config.Config, path string) (list []daemon.PlannedZone) {
	var answer bytes.Buffer
	path, err := filepath.Abs(path)
	if err != nil || control.Call(cmd.Context(), control.Path(cfg.StateDir), daemon.VerbPreview, url.Values{"config": {path}}, &answer) != nil ||
		json.Unmarshal(answer.Bytes(), &list) != nil {
		return nil
	}
	return list
}

// unreadable returns a warning for each file that root can read, and the user that the server
// becomes cannot.
func unreadable(cfg *config.Config, read []string) (list []finding.Finding) {
	if cfg.User == "" || !privilege.IsRoot() {
		return nil
	}
	warn := func(p finding.Position, format string, args ...any) {
		list = append(list, finding.Finding{Position: p, Rule: "unreadable", Text: "user: " + fmt.Sprintf(format, args...)})
	}
	account, err := privilege.Lookup(cfg.User)
	if err != nil {
		warn(finding.Position{File: cfg.File}, "%v", err)
		return list
	}
	files := cfg.Sources(read)
	paths := make([]string, len(files))
	for i := range files {
		paths[i] = files[i].Path
	}
	closed, err := privilege.Unreadable(account, paths)
	if err != nil {
		warn(finding.Position{File: cfg.File}, "%v", err)
	}
	for _, f := range files {
		if slices.Contains(closed, f.Path) {
			warn(f.Pos, "%q, which the server becomes, cannot read %s; give this user the right, as with `chgrp GROUP FILE` and `chmod g+r FILE`", cfg.User, f.Path)
		}
	}
	return list
}

// show counts and prints the findings.
func (r *checked) show(cmd *cobra.Command, g *globals) error {
	r.Errors, r.Warnings = finding.Count(r.Findings)
	r.OK = r.Errors == 0
	return g.show(cmd, r)
}

// IsWrong reports whether there are errors, or warnings that count as such.
func (r *checked) IsWrong() bool { return !r.OK || r.isStrict && r.Warnings > 0 }

// Print writes the findings and how many there are.
func (r *checked) Print(w io.Writer) error {
	for _, f := range r.Findings {
		if _, err := fmt.Fprintln(w, f.Report()); err != nil {
			return err
		}
	}
	for _, c := range r.Changes {
		if _, err := fmt.Fprintln(w, c); err != nil {
			return err
		}
	}
	summary := spelling.Number(r.Errors, "error") + ", " + spelling.Number(r.Warnings, "warning")
	if r.Errors+r.Warnings == 0 {
		summary = "ok, " + spelling.Number(r.Zones, "zone")
	}
	_, err := fmt.Fprintln(w, summary)
	return err
}
