package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/source"
)

// Problem is one thing wrong in the file, worded for the person who mends it.
type Problem struct {
	Pos     source.Position
	KeyPath string // `zones[3].file`; empty: the file as a whole
	Text    string // what was seen, what is allowed; what to do
}

// String returns `file:line:col: key.path: text`.
func (p Problem) String() string {
	if p.KeyPath == "" {
		return p.Pos.String() + ": " + p.Text
	}
	return p.Pos.String() + ": " + p.KeyPath + ": " + p.Text
}

// Errors are all the problems of a file, in order of their positions. It is the
// error type of [Parse].
type Errors []Problem

// maxShown bounds how many problems Error spells out: past a hundred, nobody
// reads on before mending the first ones.
const maxShown = 100

// Error returns a line for each problem, up to a hundred of them.
func (e Errors) Error() string {
	var b strings.Builder
	for i, p := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == maxShown {
			fmt.Fprintf(&b, "%s: %d more errors", p.Pos.File, len(e)-i)
			break
		}
		b.WriteString(p.String())
	}
	return b.String()
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
}
