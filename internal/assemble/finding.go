package assemble

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// Finding is one thing wrong with a zone or its sources, and where.
type Finding struct {
	zone.Finding
	Pos  source.Position // zero: at no place in particular; without a line: the file as a whole
	Apex dname.Name      // of the zone; nil: every zone of the item, or no zone
}

// String returns `file:line:col: type at owner: text`.
func (f Finding) String() string {
	if f.Pos == (source.Position{}) {
		return f.Finding.String()
	}
	return f.Pos.String() + ": " + f.Finding.String()
}

// maxFindings is how many findings of one severity are listed for one file; the
// others are counted. Nobody reads past a hundred before mending the first ones.
const maxFindings = 100

// findings collects what is found about the sources of one item.
type findings struct {
	list    []Finding
	errors  int // in all
	ofZones int // those of them that concern one zone of the item alone
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

// report adds a finding of our own that is about no single record.
func (fs *findings) report(s zone.Severity, code string, pos source.Position, format string, args ...any) {
	fs.add(Finding{Finding: zone.Finding{Severity: s, Code: code, Text: fmt.Sprintf(format, args...)}, Pos: pos})
}

// hasErrors reports whether any finding is an Error.
func hasErrors(list []Finding) bool {
	return slices.ContainsFunc(list, func(f Finding) bool { return f.Severity == zone.Error })
}

// sortFindings puts findings in the order of files and of positions in them.
func sortFindings(list []Finding) {
	slices.SortStableFunc(list, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Col, b.Pos.Col))
	})
}

// curtail returns the sorted findings, each said once, and of each file and
// severity at most maxFindings, with the number of the others in their place.
func curtail(list []Finding) []Finding {
	type group struct {
		file string
		zone.Severity
	}
	sortFindings(list)
	seen := map[string]bool{}
	counts := map[group]int{}
	out := list[:0:0]
	for _, f := range list {
		if s := f.String(); seen[s] {
			continue
		} else {
			seen[s] = true
		}
		g := group{f.Pos.File, f.Severity}
		if counts[g]++; counts[g] <= maxFindings {
			out = append(out, f)
		}
	}
	for g, n := range counts {
		if n > maxFindings {
			out = append(out, Finding{
				Finding: zone.Finding{Severity: g.Severity, Code: "more", Text: fmt.Sprintf("%d more %ss", n-maxFindings, g.Severity)},
				Pos:     source.Position{File: g.file, Line: 1 << 30},
			})
		}
	}
	sortFindings(out)
	for i := range out {
		if out[i].Code == "more" {
			out[i].Pos.Line = 0
		}
	}
	return out
}
