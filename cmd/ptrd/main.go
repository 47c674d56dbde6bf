// Command ptrd serves reverse zones, and any other, with authority.
//
// Each file of this package is one subcommand. They read flags, call the rooms
// that do the work, and print; what a zone means is decided elsewhere. The exit
// code is 0 for success, 1 where something is wrong with what was asked about,
// and 2 where the command line itself is wrong.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFault = 1 // the config, a zone, the server
	exitUsage = 2 // the command line
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	var quiet *silentError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "ptrd: %v\n", err)
		return exitUsage
	case errors.As(err, &quiet):
		return exitFault
	}
	var problems config.Errors
	if errors.As(err, &problems) {
		for _, f := range daemon.FromConfig(problems) {
			fmt.Fprintln(stderr, f)
		}
		return exitFault
	}
	fmt.Fprintln(stderr, err)
	return exitFault
}

// usageError says that the command line is wrong.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// silentError says that all was told already and only the exit code is missing.
type silentError struct{}

func (*silentError) Error() string { return "told already" }

// globals are the flags that every subcommand has.
type globals struct {
	config string // as given; empty: looked for
	state  string // the state directory of the running server, as given; empty: as the configuration says
}

func newRoot() *cobra.Command {
	g := &globals{}
	root := &cobra.Command{
		Use:   "ptrd",
		Short: "Authoritative DNS server for reverse zones",
		Long: `ptrd serves reverse zones (in-addr.arpa and ip6.arpa), and any other, from one
YAML file.

Without --config, the file is ./config.yaml if there is one, else
/etc/ptrd/config.yaml.

Exit codes: 0 all is well, or there are only warnings; 1 something is wrong with
the config, a zone or the server; 2 the command line is wrong.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noSuchSubcommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%v; see `%s --help`", err, cmd.CommandPath())
	})
	root.SuggestionsMinimumDistance = 2
	root.PersistentFlags().StringVar(&g.config, "config", "", "the configuration `FILE` (default ./config.yaml, else /etc/ptrd/config.yaml)")
	root.PersistentFlags().StringVar(&g.state, "state-dir", "", "the state directory `DIR` of the running server, for commands that ask it (default: as in the configuration)")
	_ = root.MarkPersistentFlagDirname("state-dir")              // the flag is there: it was made above
	_ = root.MarkPersistentFlagFilename("config", "yaml", "yml") // the flag is there: it was made above
	root.AddCommand(
		newServe(g),
		newCheck(g),
		newReload(g),
		newStatus(g),
		newRefresh(g),
		newRetransfer(g),
		newName(g),
		newExplain(g),
		newDump(g),
		newLog(g),
		newDiff(g),
		newRollback(g),
		newRecover(g),
		newBackup(g),
		newRestore(g),
		newEmit(g),
		newBench(),
		newKey(),
		newVersion(),
	)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" { // else a shell that it does not know is no error
			c.Args, c.RunE = noSuchSubcommand, root.RunE
		}
	}
	return root
}

// noSuchSubcommand refuses arguments of a command that has only subcommands.
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

// exactly takes n arguments, called by what.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		if n == 0 {
			return usagef("%s takes no argument, %q was given; see `%s --help`", cmd.CommandPath(), args[0], cmd.CommandPath())
		}
		return usagef("%s takes one argument, %s, and %d were given; see `%s --help`", cmd.CommandPath(), what, len(args), cmd.CommandPath())
	}
}

// between takes least to most arguments, called by what.
func between(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || len(args) > most {
			return usagef("%s takes %s, and %d arguments were given; see `%s --help`", cmd.CommandPath(), what, len(args), cmd.CommandPath())
		}
		return nil
	}
}
