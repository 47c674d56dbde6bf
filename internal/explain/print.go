package explain

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the explanation as text.
func (e *Explanation) Print(out io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "question  %s %s", e.Name, e.Type)
	if e.Client != "" {
		fmt.Fprintf(&b, " from %s", e.Client)
	}
	if e.At != "" {
		fmt.Fprintf(&b, " at %s", e.At)
	}
	b.WriteString("\n\n")
	for i, s := range e.Steps {
		fmt.Fprintf(&b, "%d. %s", i+1, s.Name)
		switch {
		case s.Serial != nil:
			fmt.Fprintf(&b, ", in zone %s (serial %d)", s.Zone, *s.Serial)
		case s.Zone != "":
			fmt.Fprintf(&b, ", in zone %s", s.Zone)
		}
		fmt.Fprintf(&b, "\n   %s\n", s.What)
	}
	what := "not authoritative"
	if e.Authoritative {
		what = "authoritative"
	}
	fmt.Fprintf(&b, "\nanswer    %s, %s\n", e.RCode, what)
	for _, s := range []struct {
		name    string
		records []Record
	}{{"answer", e.Answer}, {"authority", e.Authority}, {"additional", e.Additional}, {"hidden by the answer", e.Hidden}} {
		for i, r := range s.records {
			if i == 0 && s.name != "answer" {
				fmt.Fprintf(&b, "%s\n", s.name)
			}
			fmt.Fprintf(&b, "  %s %d IN %s %s\n", r.Owner, r.TTL, r.Type, r.Data)
			for _, src := range r.Sources {
				fmt.Fprintf(&b, "    source: %v\n", src)
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// String returns `file:line:col, what`.
func (s Source) String() string {
	if s.File == "" {
		return s.What
	}
	return s.Position.String() + ", " + s.What
}
