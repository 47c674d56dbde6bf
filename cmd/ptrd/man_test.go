package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// man is where `make man` has the pages written. A test writes them, so that this is no part of
// the program. cobra/doc reads the help as Markdown, which has other meanings for `*`, `_` and
// `<`, and writes switches as `--json[=false]`.
var man = flag.String("man", "", "write a manual page for each command to this directory")

// TestMan writes the help of each command as a manual page, and checks that it is whole. The
// pages have the date SOURCE_DATE_EPOCH.
func TestMan(t *testing.T) {
	dir := *man
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	date := time.Now()
	if s := os.Getenv("SOURCE_DATE_EPOCH"); s != "" {
		unix, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatalf("SOURCE_DATE_EPOCH: %v", err)
		}
		date = time.Unix(unix, 0)
	}
	for _, cmd := range withPages(newRoot()) {
		if cmd.Long == "" || !strings.HasSuffix(strings.TrimSpace(cmd.Long), ".") {
			t.Errorf("the description of %q has no end: %q", cmd.CommandPath(), cmd.Long)
		}
		if cmd.Example == "" && !cmd.HasSubCommands() {
			t.Errorf("%q has no example", cmd.CommandPath())
		}
		page := manPage(cmd, date.UTC())
		if err := os.WriteFile(filepath.Join(dir, pageName(cmd)+".1"), []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestManText(t *testing.T) {
	got := roff("`dump --x` prints *.\n.hidden\n\n  a\\b\n\n'c", true)
	want := ".PP\n\\fBdump \\-\\-x\\fR prints *.\n\\&.hidden\n.PP\n.EX\n  a\\eb\n.EE\n.PP\n\\&'c\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// withPages returns a command and those below it.
func withPages(cmd *cobra.Command) []*cobra.Command {
	list := []*cobra.Command{cmd}
	for _, c := range children(cmd) {
		list = append(list, withPages(c)...)
	}
	return list
}

// children returns the subcommands that have a page. That of `completion` is for all shells.
func children(cmd *cobra.Command) (list []*cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" && cmd.Name() != "completion" {
			list = append(list, c)
		}
	}
	return list
}

func reference(cmd *cobra.Command) string { return `\fB` + quoted(pageName(cmd)) + `\fR(1)` }

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manPage returns the manual page of a command in the language of man(7).
func manPage(cmd *cobra.Command, date time.Time) string {
	cmd.InitDefaultHelpFlag()
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 %s \"ptrd %s\" ptrd\n", strings.ToUpper(pageName(cmd)), date.Format(time.DateOnly), version())
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s", quoted(pageName(cmd)), roff(cmd.Short, false))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n\\fB%s\\fR%s", quoted(cmd.CommandPath()), quoted(strings.TrimPrefix(cmd.Use, cmd.Name())))
	if cmd.Use == cmd.Name() && cmd.HasAvailableSubCommands() {
		b.WriteString(" COMMAND")
	}
	b.WriteString(" [options]\n.SH DESCRIPTION\n" + roff(cmd.Long, true))
	var also []string
	if cmd.HasParent() {
		also = append(also, reference(cmd.Parent()))
	}
	for i, c := range children(cmd) {
		if i == 0 {
			b.WriteString(".SH COMMANDS\n")
		}
		b.WriteString(".TP\n" + reference(c) + "\n" + roff(c.Short, false))
		also = append(also, reference(c))
	}
	for _, options := range []struct {
		title string
		flags *pflag.FlagSet
	}{{"OPTIONS", cmd.LocalFlags()}, {"OPTIONS OF ALL COMMANDS", cmd.InheritedFlags()}} {
		if options.flags.HasAvailableFlags() {
			b.WriteString(".SH " + options.title + "\n")
		}
		options.flags.VisitAll(func(f *pflag.Flag) { b.WriteString(manFlag(f)) })
	}
	if cmd.Example != "" {
		b.WriteString(".SH EXAMPLES\n" + roff(cmd.Example, true))
	}
	if len(also) > 0 {
		b.WriteString(".SH SEE ALSO\n" + strings.Join(also, ",\n") + "\n")
	}
	return b.String()
}

// manFlag returns the paragraph of one option.
func manFlag(f *pflag.Flag) string {
	if f.Hidden {
		return ""
	}
	name, usage := pflag.UnquoteUsage(f)
	tag := `\fB` + quoted("--"+f.Name) + `\fR`
	if f.Shorthand != "" {
		tag = `\fB` + quoted("-"+f.Shorthand) + `\fR, ` + tag
	}
	if name != "" {
		tag += ` \fI` + quoted(name) + `\fR`
	}
	switch f.DefValue {
	case "", "0", "0s", "[]", "false":
	default:
		usage += " (default " + strings.Trim(f.DefValue, "[]") + ")"
	}
	return ".TP\n" + tag + "\n" + roff(usage, false)
}

var code = regexp.MustCompile("`([^`]*)`")

// roff returns a text of paragraphs, those that are indented as they are. If it has no
// paragraphs, there is none before it either.
func roff(text string, paragraphs bool) string {
	var b strings.Builder
	for _, p := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		asIs := strings.HasPrefix(p, " ")
		if paragraphs {
			b.WriteString(".PP\n")
		}
		if asIs {
			b.WriteString(".EX\n")
		}
		for line := range strings.Lines(p + "\n") {
			line = code.ReplaceAllString(quoted(line), `\fB$1\fR`)
			if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
				line = `\&` + line
			}
			b.WriteString(line)
		}
		if asIs {
			b.WriteString(".EE\n")
		}
	}
	return b.String()
}

// quoted returns a text without what has a meaning in man(7), but for the start of a line.
func quoted(text string) string { return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text) }
