package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone/finding"
)

// errorAt returns the error at a place of the file: the key path, such as `zones[3].file`
// (empty: the whole file), and the value seen, the values allowed, the remedy.
func errorAt(pos finding.Position, path, format string, args ...any) finding.Finding {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	return finding.Finding{Severity: finding.Error, Position: pos, Rule: "config", Text: text}
}

// Errors are the findings of a file, sorted by position. It is the error type of
// [Parse].
type Errors []finding.Finding

// Error returns one line for each of the findings.
func (e Errors) Error() string {
	var b strings.Builder
	for i, f := range e {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// FindingsOf returns the findings in an error of [Load]: those of the file, or the error
// as one.
func FindingsOf(err error) []finding.Finding {
	var list Errors
	if errors.As(err, &list) {
		return list
	}
	return []finding.Finding{{Severity: finding.Error, Rule: "config", Text: err.Error()}}
}
