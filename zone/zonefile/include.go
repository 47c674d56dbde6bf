package zonefile

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/source"
)

const (
	// maxDepth is how deep $INCLUDE may be nested; no file needs more than two or
	// three, and each level keeps a file open.
	maxDepth = 16
	// maxIncludes bounds all the $INCLUDEs of one Load: without it sixteen levels
	// of ten $INCLUDEs each would read 10^16 files.
	maxIncludes = 10_000
)

// include reads the file that an $INCLUDE names. Its path starts at the
// directory of the file that has the $INCLUDE or, if there is no such file, at
// Options.Root, which is where BIND's `directory` usually points. The included
// file starts with the includer's owner name and, unless the line gives one, its
// origin; both are the includer's own again afterwards (RFC 1035 §5.1), while a
// $TTL stays active, as in BIND.
func (p *parser) include(f *frame, args []token) *fault {
	t := &args[0]
	origin := f.origin
	if len(args) > 1 {
		o, form, bad := dname.AppendText(nil, args[1].text, f.origin)
		if bad != nil {
			return args[1].at(bad.Offset, "bad-name", "origin %s of $INCLUDE: %s", quote(args[1].text), bad.Reason)
		}
		p.lint.origin(p, f, &args[1], o, form)
		origin = o
	}
	if p.o.Root == "" {
		return t.at(0, "include", "$INCLUDE is not possible here: the text is not read from a file")
	}
	depth := 1
	for up := f; up != nil; up = up.parent {
		depth++
	}
	if depth > maxDepth {
		return t.at(0, "include", "$INCLUDE is nested more than %d deep; put the files together", maxDepth)
	}
	if p.includes++; p.includes > maxIncludes {
		return t.at(0, "include", "more than %d files are included; put them together", maxIncludes)
	}
	file, path, resolved, problem := p.locate(f, string(t.text))
	if problem != "" {
		return t.at(0, "include", "%s", problem)
	}
	defer file.Close()
	for up := f; up != nil; up = up.parent {
		if up.resolved == "" {
			up.resolved, _ = p.o.Task.EvalSymlinks(up.name)
		}
		if up.resolved == resolved {
			return t.at(0, "include", "%s includes itself (%s); remove one of the $INCLUDE lines", path, circle(f, up, path))
		}
	}
	if p.octets += file.Size; p.octets > maxFile {
		return t.at(0, "include", "the files of this zone have more than 4 GiB together; split the zone at an octet or nibble boundary")
	}
	child := p.newFrame(new(frameRoom), path, file, file.Size, origin)
	child.parent, child.resolved, child.originLine = f, resolved, f.originLine
	child.copyOwner(f.owner.name)
	child.ownerIsBad, child.afterOrigin = f.ownerIsBad, f.afterOrigin
	p.run(child)
	return nil
}

// locate opens the file that an $INCLUDE in f names and notes each path it
// tries in the Result, so that a file that appears later is seen. problem describes
// why there is none to read.
func (p *parser) locate(f *frame, name string) (file *infile.File, path, resolved, problem string) {
	tries := []string{filepath.Join(filepath.Dir(f.name), name)}
	if other := filepath.Join(p.o.Root, name); other != tries[0] {
		tries = append(tries, other)
	}
	if filepath.IsAbs(name) {
		tries = []string{filepath.Clean(name)}
	}
	var firstErr error
	for _, path := range tries {
		p.res.Files = append(p.res.Files, path)
		file, resolved, err := p.o.Task.OpenIn(p.o.Root, path, maxFile)
		switch {
		case err == nil:
			return file, path, resolved, ""
		case errors.Is(err, infile.ErrOutside):
			return nil, "", "", fmt.Sprintf("%s lies outside %s, which $INCLUDE is confined to; move the file there", path, p.o.Root)
		case errors.Is(err, infile.ErrNotRegular), errors.Is(err, infile.ErrDirectory):
			return nil, "", "", fmt.Sprintf("%s is not a regular file", path)
		case errors.Is(err, infile.ErrHung):
			return nil, "", "", fmt.Sprintf("cannot read %s: %s; make it available again", path, source.PlainError(err))
		case resolved != "":
			return nil, "", "", fmt.Sprintf("cannot read %s: %s", path, source.PlainError(err))
		case firstErr == nil:
			firstErr = err
		}
	}
	return nil, "", "", fmt.Sprintf("cannot read %s: %s; correct the path or create the file", strings.Join(tries, " or "), source.PlainError(firstErr))
}

// circle shows the way from file up, which is included again as path by f.
func circle(f, up *frame, path string) string {
	way := path
	for ; f != up; f = f.parent {
		way = f.name + " → " + way
	}
	return up.name + " → " + way
}
