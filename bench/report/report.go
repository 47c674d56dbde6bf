// Package report turns measured values into text: medians with their spread, Markdown
// tables, charts as SVG, and the parts of a document that are made by a program.
package report

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Summary is what a table says of several runs.
type Summary struct {
	N                int
	Median, Min, Max float64
}

// Summarize returns the Summary of values in any order; the zero Summary of none.
func Summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return Summary{N: n, Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}
}

// String returns the median and, where runs differ, the spread: `1.23 (1.20–1.31)`.
func (s Summary) String() string {
	switch {
	case s.N == 0:
		return "–"
	case s.Min == s.Max:
		return number(s.Median)
	}
	return number(s.Median) + " (" + number(s.Min) + "–" + number(s.Max) + ")"
}

// Scaled returns the Summary of all values times f.
func (s Summary) Scaled(f float64) Summary {
	s.Median, s.Min, s.Max = s.Median*f, s.Min*f, s.Max*f
	return s
}

// number returns three digits that count, without an exponent.
func number(f float64) string {
	a := max(f, -f)
	switch {
	case a >= 100 || a == 0:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// Table is a table in Markdown.
type Table struct {
	Head []string
	Rows [][]string
}

// Add appends a row; cells are printed as fmt.Sprint does.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	t.Rows = append(t.Rows, row)
}

// String returns the table with all columns but the first to the right.
func (t *Table) String() string {
	var b strings.Builder
	line := func(cells []string) {
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	line(t.Head)
	rule := make([]string, len(t.Head))
	for i := range rule {
		rule[i] = "---:"
	}
	rule[0] = "---"
	line(rule)
	for _, r := range t.Rows {
		line(r)
	}
	return b.String()
}

// Replace puts text between the lines `<!-- NAME: begin -->` and `<!-- NAME: end -->` of
// a file, in place of what is there. What stands outside is a person's.
func Replace(path, name, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+": begin -->\n", "<!-- "+name+": end -->\n"
	head, rest, ok := strings.Cut(string(old), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s: the lines %q and %q are not there, in this order; add them where the text belongs", path, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(path, []byte(head+begin+"\n"+strings.TrimSpace(text)+"\n\n"+end+tail), 0o644)
}

// Keys returns what f says of the items, each once, in the order of the first.
func Keys[T any, K cmp.Ordered](items []T, f func(T) K) []K {
	var keys []K
	for _, it := range items {
		if k := f(it); !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}
