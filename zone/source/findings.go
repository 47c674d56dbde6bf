package source

import (
	"slices"

	"github.com/ptrd/ptrd/zone"
)

// MaxFindings is how many findings of each severity [Findings] keeps; the others
// are counted. Nobody reads more, and a file of the wrong kind would give one a
// line.
const MaxFindings = 100

// Findings collects what is wrong with one source. The zero value is empty.
type Findings struct {
	Errors, Warnings int // all of them, those that were not kept as well
	errors, warnings []zone.Finding
}

// Add takes a finding, with a copy of its owner.
func (fs *Findings) Add(f zone.Finding) {
	list, count := &fs.warnings, &fs.Warnings
	if f.Severity == zone.Error {
		list, count = &fs.errors, &fs.Errors
	}
	if *count++; *count <= MaxFindings {
		f.Owner = f.Owner.Clone()
		*list = append(*list, f)
	}
}

// LastError returns the error added last, to add to its text; nil if it was not
// kept.
func (fs *Findings) LastError() *zone.Finding {
	if fs.Errors == 0 || fs.Errors > MaxFindings {
		return nil
	}
	return &fs.errors[len(fs.errors)-1]
}

// Sorted returns the findings that were kept, by position.
func (fs *Findings) Sorted() []zone.Finding {
	list := slices.Concat(fs.errors, fs.warnings)
	slices.SortStableFunc(list, func(a, b zone.Finding) int {
		switch {
		case a.Tag < b.Tag:
			return -1
		case a.Tag > b.Tag:
			return 1
		}
		return 0
	})
	return list
}
