package main

import (
	"encoding/json"
	"io"

	"github.com/spf13/cobra"
)

// addJSON gives a subcommand its --json flag.
func addJSON(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "json", false, "print JSON for programs")
}

// printJSON writes v as indented JSON with a final newline. Names and texts keep
// their `<`, `>` and `&`.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
