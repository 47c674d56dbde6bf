// Package finding has the errors and warnings that operators see: about zones, their sources
// and the configuration. Each names its rule, and is worded for the person who corrects it.
package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/rule"
)

// Severity grades a Finding.
type Severity uint8

// The severities: an Error keeps the zone from being served, a Warning does not.
const (
	Warning Severity = iota
	Error
)

func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// MarshalText returns the word for the severity.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Severity) UnmarshalText(b []byte) error {
	for *s = range Error + 1 {
		if s.String() == string(b) {
			return nil
		}
	}
	return fmt.Errorf("%q is not a severity", b)
}

// Tag is a source's own mark of where a record came from (a file and its line, a rule of
// the configuration). 0: no mark. Its 20 highest bits number the file.
type Tag uint64

// FileShift is how many bits of a Tag are below the number of its file.
const FileShift = 44

func (t Tag) file() Tag { return t >> FileShift }

// Position is a place in a file. Line and Col count from 1, Col in octets; zero
// means unknown.
type Position struct {
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	Col  int    `json:"col,omitempty"`
}

// String returns `file:line:col`, without the parts that are unknown.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Compare orders positions by file, line and column.
func (p Position) Compare(q Position) int {
	return cmp.Or(strings.Compare(p.File, q.File), cmp.Compare(p.Line, q.Line), cmp.Compare(p.Col, q.Col))
}

// Finding is one error or warning about zones, their sources or the configuration,
// worded for the person who corrects it. It is the only type of findings; its JSON
// form is what `ptrd check --json` prints.
type Finding struct {
	Severity Severity   `json:"severity"`
	Position            // zero: see Tag; without a line: the file as a whole
	Tag      Tag        `json:"-"`               // of the record that it is about, until its source replaces it by the Position; 0: none
	Zone     dname.Name `json:"zone,omitempty"`  // nil: several zones, or none
	Owner    dname.Name `json:"owner,omitempty"` // nil: the zone as a whole
	Type     rr.Type    `json:"type,omitempty"`  // 0: none in particular
	Rule     string     `json:"code,omitempty"`  // name of the rule in kebab-case, e.g. "cname-and-other-data"; it does not change
	Text     string     `json:"text"`            // the rule with the value seen, then the remedy
	More     int        `json:"more,omitempty"`  // not 0: it stands for so many of its rule and severity that are not listed
}

// String returns `file:line:col: type at owner: text`, without the parts that are
// unknown.
func (f Finding) String() string {
	return f.at() + f.what()
}

// Report returns the finding with its severity: `file:line:col: error: type at owner: text`.
func (f Finding) Report() string {
	return f.at() + f.Severity.String() + ": " + f.what()
}

func (f *Finding) at() string {
	if f.File == "" {
		return ""
	}
	return f.Position.String() + ": "
}

func (f *Finding) what() string {
	switch {
	case f.Owner == nil:
		return f.Text
	case f.Type == 0:
		return fmt.Sprintf("%v: %s", f.Owner, f.Text)
	}
	return fmt.Sprintf("%v at %v: %s", f.Type, f.Owner, f.Text)
}

// Apply gives the finding the severity that was chosen for its rule, any number of times. It returns
// false if the rule is off. An Error about what is a Warning elsewhere is no matter of choice.
func (f *Finding) Apply(c *rule.Checks) bool {
	r, ok := rule.Get(f.Rule)
	if !ok || f.Severity == Error && r.Severity == rule.Warn {
		return true
	}
	switch s, _ := c.Severity(f.Rule); s {
	case rule.Off:
		return false
	case rule.Error:
		f.Severity = Error
	default:
		f.Severity = Warning
	}
	return true
}

// Sort sorts findings by position. Those of one position keep their order.
func Sort(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int { return a.Compare(b.Position) })
}

// count returns how many findings it is.
func (f *Finding) count() int { return max(1, f.More) }

// Count returns the number of errors and of warnings, including those that are not listed.
func Count(list []Finding) (errs, warnings int) {
	for i := range list {
		if f := &list[i]; f.Severity == Error {
			errs += f.count()
		} else {
			warnings += f.count()
		}
	}
	return errs, warnings
}
