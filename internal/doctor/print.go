package doctor

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// cells are how the matrix shows states.
var cells = map[State]string{OK: "ok", Wrong: "WRONG", NotKnown: "?", Skipped: "-"}

// Print writes the matrix, what is not known, and the first fault with its remedy.
func (r *Report) Print(to io.Writer) error {
	b := bufio.NewWriter(to)
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "ADDRESS")
	for _, c := range checks {
		fmt.Fprintf(t, "\t%s", strings.ToUpper(strings.ReplaceAll(c.name, " ", "-")))
	}
	fmt.Fprintln(t)
	for _, row := range r.Rows {
		fmt.Fprint(t, row.Address)
		for _, v := range row.Verdicts {
			fmt.Fprintf(t, "\t%s", cells[v.State])
		}
		fmt.Fprintln(t)
	}
	t.Flush() // to a buffer, which reports errors at its end
	of, reasons := r.notKnown()
	for _, reason := range reasons {
		fmt.Fprintf(b, "\nNot known (%s): %s\n", strings.Join(of[reason], ", "), reason)
	}
	if !r.IsWrong() && !r.IsNotKnown() {
		fmt.Fprintln(b, "\nNothing to fix.")
	}
	steps := r.Steps
	if !r.all && len(steps) > 1 {
		steps = steps[:1]
	}
	for i, s := range steps {
		title := "Fix first"
		switch {
		case s.Level == Info:
			title = "Not required"
		case i > 0:
			title = "Then"
		}
		s.print(b, title)
	}
	if n := len(r.Steps) - len(steps); n > 0 {
		fmt.Fprintf(b, "\nAfter that: %d more, which --plan shows in their order.\n", n)
	}
	if len(r.Missing) > 0 {
		fmt.Fprintf(b, "\nNot examined: %s.\n", strings.Join(r.Missing, "; "))
	}
	return b.Flush()
}

// Status returns the result as monitoring plugins print it: a line, and the exit code.
func (r *Report) Status() (line string, code int) {
	switch first := r.First(); {
	case r.IsWrong() && first.Level == Must:
		return fmt.Sprintf("DOCTOR CRITICAL - %s: %s; %s", join(first.Addresses), first.Seen, first.Remedy), 2
	case r.IsNotKnown():
		_, reasons := r.notKnown()
		return "DOCTOR UNKNOWN - " + reasons[0], 3
	case r.IsWrong():
		return fmt.Sprintf("DOCTOR WARNING - %s: %s; %s", join(first.Addresses), first.Seen, first.Remedy), 1
	}
	return "DOCTOR OK - nothing to fix", 0
}

// notKnown returns the checks whose results are not known, by the reason, and the reasons in the
// order of the checks.
func (r *Report) notKnown() (of map[string][]string, reasons []string) {
	of = map[string][]string{}
	for _, row := range r.Rows {
		for _, v := range row.Verdicts {
			if v.State == NotKnown {
				reasons = appendNew(reasons, v.Seen)
				of[v.Seen] = appendNew(of[v.Seen], v.Check)
			}
		}
	}
	return of, reasons
}

// print writes a step.
func (s *Step) print(b *bufio.Writer, title string) {
	addresses := join(s.Addresses)
	fmt.Fprintf(b, "\n%s: %s (%s, %s)\n  for:     %s\n  remedy:  %s\n  by whom: %s\n", title, s.Seen, s.Check, s.Level, addresses, s.Remedy, s.Owner.Who)
	if s.Owner.Position.File != "" {
		fmt.Fprintf(b, "  where:   %v\n", s.Owner.Position)
	}
	for _, reply := range s.Replies {
		fmt.Fprintf(b, "  a receiving server may reply: %s\n", reply)
	}
	if s.Mail != "" {
		fmt.Fprintf(b, "  mail:\n    %s\n", strings.ReplaceAll(strings.TrimSpace(s.Mail), "\n", "\n    "))
	}
}
