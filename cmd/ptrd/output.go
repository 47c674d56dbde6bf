package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// printer is a result that can be printed as text; it is also encoded as JSON.
type printer interface{ Print(io.Writer) error }

// addJSON adds the flag --json to a subcommand.
func addJSON(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "json", false, "print JSON for programs")
}

func (g *globals) addJSON(cmd *cobra.Command) { addJSON(cmd, &g.json) }

// show prints the result of a subcommand, and returns the exit status for it: exitError if it IsWrong, or
// else exitNotKnown if it IsNotKnown.
func (g *globals) show(cmd *cobra.Command, p printer) error { return show(cmd, g.json, p) }

func show(cmd *cobra.Command, asJSON bool, p printer) (err error) {
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), p)
	} else {
		err = p.Print(cmd.OutOrStdout())
	}
	if err != nil {
		return err
	}
	if r, ok := p.(interface{ IsWrong() bool }); ok && r.IsWrong() {
		return &exitStatus{exitError}
	}
	if r, ok := p.(interface{ IsNotKnown() bool }); ok && r.IsNotKnown() {
		return &exitStatus{exitNotKnown}
	}
	return nil
}

// printJSON writes v as indented JSON with a final newline. `<`, `>` and `&` are not
// escaped.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// remark writes a line to standard error that is not the result.
func remark(cmd *cobra.Command, format string, args ...any) {
	fmt.Fprintf(cmd.ErrOrStderr(), "ptrd: "+format+"\n", args...)
}
