package assemble

import (
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// findings collects the findings about the sources of one item.
type findings struct {
	finding.List
	ofZones int // errors about a single zone of the item
}

// sameTarget are the rules whose findings say more exactly why a target is not the name of a host, or
// has no address.
var sameTarget = [...]string{"missing-dot", "not-ascii", "address-as-target", "reverse-target", "template-mark"}

func (fs *findings) add(f finding.Finding) {
	if (f.Rule == "ptr-target" || f.Rule == "ns-without-address") && slices.ContainsFunc(fs.Listed(), func(g finding.Finding) bool {
		return f.File == g.File && f.Line == g.Line && slices.Contains(sameTarget[:], g.Rule)
	}) {
		return
	}
	before := fs.errors()
	fs.Add(f)
	if f.Zone != nil {
		fs.ofZones += fs.errors() - before
	}
}

// errors returns the number of errors.
func (fs *findings) errors() int { return fs.Count(finding.Error) }

// report adds a finding that is not about a single record.
func (fs *findings) report(s finding.Severity, rule string, pos finding.Position, format string, args ...any) {
	fs.add(finding.Finding{Severity: s, Position: pos, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

// warn adds a warning about a zone as a whole.
func (fs *findings) warn(rule string, apex dname.Name, pos finding.Position, format string, args ...any) {
	fs.add(finding.Finding{Severity: finding.Warning, Position: pos, Zone: apex, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

// hasErrors reports whether any finding is an Error.
func hasErrors(list []finding.Finding) bool {
	return slices.ContainsFunc(list, func(f finding.Finding) bool { return f.Severity == finding.Error })
}
