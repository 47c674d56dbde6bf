package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/source"
)

// Finding is one error or warning about the configuration file.
type Finding struct {
	Pos     source.Position
	KeyPath string // `zones[3].file`; empty: the whole file
	Text    string // the value seen, the values allowed; the remedy
}

// String returns `file:line:col: key.path: text`.
func (f Finding) String() string {
	if f.KeyPath == "" {
		return f.Pos.String() + ": " + f.Text
	}
	return f.Pos.String() + ": " + f.KeyPath + ": " + f.Text
}

// Errors are the findings of a file, sorted by position. It is the error type of
// [Parse].
type Errors []Finding

// maxShown bounds the findings in the text of an error: an operator fixes the first ones
// before reading on.
const maxShown = 100

// Error returns one line for each of the first maxShown findings.
func (e Errors) Error() string {
	var b strings.Builder
	for i, f := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == maxShown {
			fmt.Fprintf(&b, "%s: %d more errors", f.Pos.File, len(e)-i)
			break
		}
		b.WriteString(f.String())
	}
	return b.String()
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
}
