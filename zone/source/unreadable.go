package source

import (
	"errors"
	"io/fs"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
)

// Unreadable returns the finding about a file that cannot be opened or read.
func (f File) Unreadable(err error) finding.Finding {
	remedy := "see that it is a regular file"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		remedy = "correct the path or create the file"
	case errors.Is(err, fs.ErrPermission):
		remedy = AccessRemedy(err)
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
