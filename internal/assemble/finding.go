package assemble

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// Finding is one problem with a zone or its sources, and its position.
type Finding struct {
	zone.Finding
	Pos  source.Position // zero: none; without a line: the file as a whole
	Apex dname.Name      // of the zone; nil: every zone of the item, or no zone
}

// String returns `file:line:col: type at owner: text`.
func (f Finding) String() string {
	if f.Pos == (source.Position{}) {
		return f.Finding.String()
	}
	return f.Pos.String() + ": " + f.Finding.String()
}

// maxFindings is how many findings of one severity are listed for one file; the others are counted.
// An operator fixes the first ones before reading more than a hundred.
const maxFindings = 100

// findings collects the findings about the sources of one item.
type findings struct {
	list    []Finding
	errors  int // number of errors
	ofZones int // of them, those about a single zone of the item
}

func (fs *findings) add(f Finding) {
	if f.Severity == zone.Error {
		fs.errors++
		if f.Apex != nil {
			fs.ofZones++
		}
	}
	fs.list = append(fs.list, f)
}

// report adds a finding that is not about a single record.
func (fs *findings) report(s zone.Severity, code string, pos source.Position, format string, args ...any) {
	fs.add(Finding{Finding: zone.Finding{Severity: s, Code: code, Text: fmt.Sprintf(format, args...)}, Pos: pos})
}

// hasErrors reports whether any finding is an Error.
func hasErrors(list []Finding) bool {
	return slices.ContainsFunc(list, func(f Finding) bool { return f.Severity == zone.Error })
}

// sortFindings sorts findings by file and position.
func sortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
}

// limitFindings returns the findings sorted and without duplicates. Of each file and severity it
// returns at most maxFindings, and after them the number of the others.
func limitFindings(list []Finding) (out []Finding) {
	type group struct {
		file string
		zone.Severity
	}
	sortFindings(list)
	seen := map[string]bool{}
	counts := map[group]int{}
	for i, f := range list {
		if text := f.String(); !seen[text] {
			seen[text] = true
			g := group{f.Pos.File, f.Severity}
			if counts[g]++; counts[g] <= maxFindings {
				out = append(out, f)
			}
		}
		if i+1 < len(list) && list[i+1].Pos.File == f.Pos.File {
			continue
		}
		for _, s := range []zone.Severity{zone.Error, zone.Warning} { // at the end of a file
			if n := counts[group{f.Pos.File, s}] - maxFindings; n > 0 {
				more := zone.Finding{Severity: s, Code: "more", Text: fmt.Sprintf("%d more %ss", n, s)}
				out = append(out, Finding{Finding: more, Pos: source.Position{File: f.Pos.File}})
			}
		}
	}
	return out
}
