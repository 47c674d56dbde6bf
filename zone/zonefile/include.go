package zonefile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	// maxDepth is how deep $INCLUDE may be nested; nobody needs more than two or
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
// $TTL stays in force, as in BIND.
func (p *parser) include(f *frame, args []token) *fault {
	t := &args[0]
	origin := f.origin
	if len(args) > 1 {
		o, form, bad := appendName(nil, args[1].text, f.origin)
		if bad != nil {
			return args[1].at(bad.offset, "bad-name", "origin %s of $INCLUDE: %s", quote(args[1].text), bad.text)
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
	path, resolved, problem := p.locate(f, string(t.text))
	if problem != "" {
		return t.at(0, "include", "%s", problem)
	}
	for up := f; up != nil; up = up.parent {
		if up.resolved == "" {
			up.resolved, _ = resolve(up.name)
		}
		if up.resolved == resolved {
			return t.at(0, "include", "%s includes itself (%s); remove one of the $INCLUDE lines", path, circle(f, up, path))
		}
	}
	file, err := openIn(p.o.Root, resolved)
	if err != nil {
		return t.at(0, "include", "cannot open %s: %s", path, plainError(err))
	}
	defer file.Close()
	child := p.newFrame(path, file, sizeOf(file), origin)
	child.parent, child.resolved, child.originLine = f, resolved, f.originLine
	child.keepOwner(f.owner.name)
	child.ownerIsBad, child.afterOrigin = f.ownerIsBad, f.afterOrigin
	p.run(child)
	return nil
}

// locate looks for the file that an $INCLUDE in f names and notes each path it
// tries in the Result, so that a file that appears later is seen. problem says
// why there is none to read.
func (p *parser) locate(f *frame, name string) (path, resolved, problem string) {
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
		resolved, err := resolve(path)
		if err != nil {
			if firstErr == nil {
				firstErr = err
			}
			continue
		}
		if !p.inRoot(resolved) {
			return "", "", fmt.Sprintf("%s lies outside %s, which $INCLUDE is confined to; move the file there", path, p.o.Root)
		}
		switch info, err := os.Stat(resolved); {
		case err != nil:
			return "", "", fmt.Sprintf("cannot read %s: %s", path, plainError(err))
		case !info.Mode().IsRegular():
			return "", "", fmt.Sprintf("%s is not a regular file", path)
		}
		return path, resolved, ""
	}
	return "", "", fmt.Sprintf("cannot read %s: %s; mend the path or create the file", strings.Join(tries, " or "), plainError(firstErr))
}

// resolve returns the absolute path without symbolic links.
func resolve(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func (p *parser) inRoot(resolved string) bool {
	_, ok := within(p.o.Root, resolved)
	return ok
}

// within returns resolved as a path relative to root, all links of root
// followed; ok is false if it is not below root.
func within(root, resolved string) (rel string, ok bool) {
	root, err := resolve(root)
	if err != nil {
		return "", false
	}
	rel, err = filepath.Rel(root, resolved)
	return rel, err == nil && filepath.IsLocal(rel)
}

// openIn opens a file without symbolic links in its path, through a handle on
// the directory, so that a link put there meanwhile leads nowhere else.
func openIn(dir, resolved string) (*os.File, error) {
	rel, ok := within(dir, resolved)
	if !ok {
		return nil, os.ErrPermission
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Open(rel)
}

// circle shows the way from file up, which is included again as path by f.
func circle(f, up *frame, path string) string {
	way := path
	for ; f != up; f = f.parent {
		way = f.name + " → " + way
	}
	return up.name + " → " + way
}
