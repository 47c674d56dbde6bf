// Command ptrd is an authoritative DNS server for reverse zones and other zones.
//
// Each subcommand has its own file, which reads flags, calls the packages that do the work,
// and prints the result. main.go has what they share, client.go the requests to the running
// server, output.go the output as text and JSON, zonearg.go arguments that name a zone. A
// new subcommand is a new file, a line in newRoot, a script in testdata/script, and a line in
// docs/commands.md.
//
// Errors and remarks on standard error begin with `ptrd: `. Findings begin with their position or
// severity.
//
// The exit code is 0 for success, 1 for an error, 2 for a wrong command line, and 3 if nothing is wrong and
// something is not known.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitError = 1 // in the configuration, a zone or the server
	exitUsage = 2 // wrong command line

	exitNotKnown = 3 // nothing is wrong, and something is not known
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run runs the command and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(withTimes(args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	var exit *exitStatus
	var findings config.Errors
	var broken *daemon.NoDataError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &findings):
		for _, f := range findings {
			fmt.Fprintln(stderr, f.Report())
		}
		return exitError
	case errors.As(err, &broken):
		for _, f := range broken.Errors {
			fmt.Fprintln(stderr, f.Report())
		}
	}
	fmt.Fprintf(stderr, "ptrd: %v\n", err)
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitError
}

// withTimes returns the arguments of a command line with times such as -2h, which are no flags,
// in another form.
func withTimes(args []string) []string {
	args = slices.Clone(args)
	for i := slices.Index(args, "at") + 1; i > 0 && i < len(args); i++ {
		if a := args[i]; len(a) > 1 && a[0] == '-' && a[1] >= '0' && a[1] <= '9' {
			args[i] = a[1:] + " ago"
		}
	}
	return args
}

// usageError is an error in the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// exitStatus is the exit code of a command that has printed all that there is to say.
type exitStatus struct{ code int }

func (e *exitStatus) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// globals are the flags that every subcommand has.
type globals struct {
	config string // path of the configuration; empty: one of the default paths
	state  string // state directory of the running server; empty: that of the configuration
	json   bool   // of the subcommand that runs

	sources bool           // do not ask the running server
	loaded  *config.Config // by load
	built   *daemon.Served // by orSources
}

func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:   "ptrd",
		Short: "Authoritative DNS server for reverse zones",
		Long: `ptrd serves reverse zones (in-addr.arpa and ip6.arpa) and other zones.

Without --config, the configuration is ./config.yaml if it exists, otherwise
/etc/ptrd/config.yaml.

Exit codes: 0 success, possibly with warnings; 1 an error in the configuration, a zone or
the server; 2 a wrong command line.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	group(root)
	root.Version = versions()
	root.SetVersionTemplate("{{.Version}}")
	root.Flags().Bool("version", false, "print the version, as `ptrd version` does") // without -v
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v; see `%s --help`", err, cmd.CommandPath())
	})
	root.SuggestionsMinimumDistance = 2
	root.PersistentFlags().StringVarP(&g.config, "config", "c", "", "the configuration `FILE` (default ./config.yaml, or /etc/ptrd/config.yaml)")
	root.PersistentFlags().StringVar(&g.state, "state-dir", "", "the state directory `DIR` of the running server (default: as in the configuration)")
	_ = root.MarkPersistentFlagDirname("state-dir")              // the flag exists
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml") // the flag exists
	root.AddCommand(
		newInit(g),
		newServe(g),
		newCheck(g),
		newReload(g),
		newStatus(g),
		newHealth(g),
		newNotify(g),
		newRefresh(g),
		newRetransfer(g),
		newName(g),
		newHandover(g),
		newPlan(g),
		newExplain(g),
		newTrace(g),
		newDoctor(g),
		newAudit(g),
		newDump(g),
		newLog(g),
		newAt(g),
		newQueryLog(g),
		newDiff(g),
		newRollback(g),
		newRecover(g),
		newBackup(g),
		newRestore(g),
		newEmit(g),
		newImport(g),
		newExport(g),
		newLab(g),
		newBench(),
		newKey(),
		newVersion(),
	)
	// By default, an unknown shell and an unknown command to describe are no errors.
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "completion":
			group(c)
		case "help":
			c.RunE, c.Run = func(_ *cobra.Command, args []string) error {
				of, rest, err := root.Find(args)
				if err != nil || len(rest) > 0 {
					return noSuchSubcommand(of, rest)
				}
				of.InitDefaultHelpFlag() // which the text lists
				return of.Help()
			}, nil
		}
	}
	return root
}

// group completes a command that has only subcommands. Without one, the command line is wrong,
// and the help lists them.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = noSuchSubcommand
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cmd.SetOut(cmd.ErrOrStderr())
		if err := cmd.Help(); err != nil {
			return err
		}
		return &exitStatus{exitUsage}
	}
	return cmd
}

// noSuchSubcommand returns an error for arguments of a command that has only subcommands.
func noSuchSubcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	text := fmt.Sprintf("there is no subcommand %q", args[0])
	if s := cmd.SuggestionsFor(args[0]); len(s) > 0 {
		return usagef("%s; did you mean `%s %s`?", text, cmd.CommandPath(), s[0])
	}
	return usagef("%s; `%s --help` lists them", text, cmd.CommandPath())
}

// exactly accepts n arguments, described by what.
func exactly(n int, what string) cobra.PositionalArgs { return between(n, n, what) }

// between accepts least to most arguments, described by what.
func between(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		path := cmd.CommandPath()
		switch {
		case len(args) >= least && len(args) <= most:
			return nil
		case most == 0:
			return usagef("%s has no arguments, %q was given; see `%s --help`", path, args[0], path)
		}
		return usagef("%s needs %s, %s given; see `%s --help`", path, what, spelling.Number(len(args), "argument"), path)
	}
}
