package source

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/rule"
)

// MaxFindings is how many findings of each severity [Findings] keeps; the others
// are counted. More would not be read, and a file of the wrong kind would give one a
// line.
const MaxFindings = 100

// Findings collects what is wrong with one source. The zero value is empty.
type Findings struct {
	Checks           rule.Checks // severities that were chosen
	Errors, Warnings int         // all of them, those that were not kept as well
	errors, warnings []finding.Finding
}

// Add takes a finding, with a copy of its owner.
func (fs *Findings) Add(f finding.Finding) {
	if !f.Apply(&fs.Checks) {
		return
	}
	list, count := &fs.warnings, &fs.Warnings
	if f.Severity == finding.Error {
		list, count = &fs.errors, &fs.Errors
	}
	if *count++; *count <= MaxFindings {
		f.Owner = f.Owner.Clone()
		*list = append(*list, f)
	}
}

// LastError returns the error added last, to add to its text; nil if it was not
// kept.
func (fs *Findings) LastError() *finding.Finding {
	if fs.Errors == 0 || fs.Errors > MaxFindings {
		return nil
	}
	return &fs.errors[len(fs.errors)-1]
}

// Sorted returns the findings that were kept, by position.
func (fs *Findings) Sorted() []finding.Finding {
	list := slices.Concat(fs.errors, fs.warnings)
	slices.SortStableFunc(list, func(a, b finding.Finding) int { return cmp.Compare(a.Tag, b.Tag) })
	return list
}

// Unreadable returns the finding about a file that cannot be opened or read.
func (f File) Unreadable(err error) finding.Finding {
	remedy := "see that it is a regular file"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remedy = "correct the path or create the file"
	case errors.Is(err, fs.ErrPermission):
		remedy = "make it readable for the user that ptrd runs as"
	case errors.Is(err, infile.ErrHung):
		remedy = "make it available again"
	}
	return finding.Finding{
		Severity: finding.Error, Rule: "unreadable-file", Tag: f.Tag(0, 0),
		Text: "cannot read the file: " + PlainError(err) + "; " + remedy,
	}
}

// PlainError returns the text of an error of the operating system without the path that
// it repeats.
func PlainError(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return err.Error()
}
