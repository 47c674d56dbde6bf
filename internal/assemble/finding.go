package assemble

import (
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rule"
)

// maxFindings is how many findings of one severity are listed for one file; the others are counted.
// An operator fixes the first ones before reading more than a hundred.
const maxFindings = 100

// findings collects the findings about the sources of one item.
type findings struct {
	checks  rule.Checks // severities that were chosen
	list    []finding.Finding
	errors  int // number of errors
	ofZones int // of them, those about a single zone of the item
}

// sameTarget are the rules whose findings say more exactly why a target is not the name of a host.
var sameTarget = [...]string{"missing-dot", "address-as-target", "reverse-target", "template-mark"}

func (fs *findings) add(f finding.Finding) {
	if !f.Apply(&fs.checks) {
		return
	}
	if f.Rule == "ptr-target" && slices.ContainsFunc(fs.list, func(g finding.Finding) bool {
		return f.File == g.File && f.Line == g.Line && slices.Contains(sameTarget[:], g.Rule)
	}) {
		return
	}
	if f.Severity == finding.Error {
		fs.errors++
		if f.Zone != nil {
			fs.ofZones++
		}
	}
	fs.list = append(fs.list, f)
}

// report adds a finding that is not about a single record.
func (fs *findings) report(s finding.Severity, rule string, pos finding.Position, format string, args ...any) {
	fs.add(finding.Finding{Severity: s, Position: pos, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

// hasErrors reports whether any finding is an Error.
func hasErrors(list []finding.Finding) bool {
	return slices.ContainsFunc(list, func(f finding.Finding) bool { return f.Severity == finding.Error })
}

// limitFindings returns the findings sorted and without duplicates. Of each file and severity it
// returns at most maxFindings, and after them the number of the others.
func limitFindings(list []finding.Finding) (out []finding.Finding) {
	type group struct {
		file string
		finding.Severity
	}
	finding.Sort(list)
	seen := map[string]bool{}
	counts := map[group]int{}
	for i, f := range list {
		if text := f.String(); !seen[text] {
			seen[text] = true
			g := group{f.File, f.Severity}
			if counts[g]++; counts[g] <= maxFindings {
				out = append(out, f)
			}
		}
		if i+1 < len(list) && list[i+1].File == f.File {
			continue
		}
		for _, s := range []finding.Severity{finding.Error, finding.Warning} { // at the end of a file
			if n := counts[group{f.File, s}] - maxFindings; n > 0 {
				out = append(out, finding.Finding{Severity: s, Position: finding.Position{File: f.File}, Rule: "more", Text: fmt.Sprintf("%d more %ss", n, s)})
			}
		}
	}
	return out
}
