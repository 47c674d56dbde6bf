package config

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/finding"
)

// Bounds of included files. A configuration is read by a person, who follows few steps.
const (
	maxIncludeDepth = 8
	maxIncluded     = 1000
)

// Directory selects the files in a directory whose names match a pattern.
type Directory struct {
	Path    string
	Pattern string // as in [filepath.Match]
}

// Matches reports whether a name is one of those selected: it matches the pattern and is not
// that of a file which an editor or a package manager leaves.
func (d Directory) Matches(name string) bool {
	ok, _ := filepath.Match(d.Pattern, name) // the pattern was checked
	return ok && !isLeftover(name)
}

// leftovers are the ends of names of files that are no data: editors and package managers write
// them next to the files that are.
var leftovers = [...]string{
	"~", "#", ".bak", ".dpkg-dist", ".dpkg-new", ".dpkg-old", ".dpkg-tmp", ".jnl", ".orig", ".rej",
	".rpmnew", ".rpmorig", ".rpmsave", ".swp", ".tmp", ".ucf-dist", ".ucf-new", ".ucf-old",
}

func isLeftover(name string) bool {
	return strings.HasPrefix(name, ".") || slices.ContainsFunc(leftovers[:], func(end string) bool { return strings.HasSuffix(name, end) })
}

// isPattern reports whether a path has characters that mean others.
func isPattern(path string) bool { return strings.ContainsAny(path, "*?[") }

// includedFiles gives access to the files that `include` names. The zero value has none.
type includedFiles struct {
	read func(path string) ([]byte, error)
	list func(Directory) ([]string, error) // paths, sorted
}

// inclusion is a file that is being read, and the one that includes it.
type inclusion struct {
	path string
	from *inclusion // nil: the main file
}

func (c *inclusion) depth() (n int) {
	for ; c != nil; c = c.from {
		n++
	}
	return n
}

// withIncluded returns the file and those that it includes.
func (v value) withIncluded(from *inclusion) (all values) {
	self := &inclusion{filepath.Clean(v.doc.file), from}
	all = values{v}
	for i := 0; v.isMapping() && i+1 < len(v.node.Content); i += 2 {
		if v.node.Content[i].Value != "include" {
			continue
		}
		value{v.doc, v.node.Content[i+1], "include"}.oneOrMore(func(v value) {
			for _, path := range v.includedPaths() {
				all = append(all, v.include(path, self)...)
			}
		})
	}
	return all
}

// includedPaths returns the paths that an item of `include` stands for.
func (v value) includedPaths() []string {
	path := v.filePath()
	switch {
	case path == "" || v.doc.files.read == nil:
		return nil
	case !isPattern(path):
		return []string{path}
	}
	dir, ok := v.directory(filepath.Dir(path), filepath.Base(path))
	if !ok {
		return nil
	}
	list, err := v.doc.files.list(dir)
	if err != nil {
		v.fail("%v", err)
	}
	return list
}

// directory checks a directory and a pattern of names in it.
func (v value) directory(path, pattern string) (d Directory, ok bool) {
	switch _, err := filepath.Match(pattern, ""); {
	case isPattern(path):
		v.fail("%q has a wildcard in the name of a directory, only the last part of a path can have one; name each directory", path)
	case err != nil || strings.ContainsRune(pattern, filepath.Separator):
		v.fail("%q is not a pattern of file names; write it like *.zone: * stands for any characters, ? for one, [a-z] for one of these", pattern)
	default:
		return Directory{path, pattern}, true
	}
	return d, false
}

// include reads an included file, and those that it includes.
func (v value) include(path string, from *inclusion) values {
	for up := from; up != nil; up = up.from {
		if up.path == path {
			v.fail("%s includes itself; remove this line", path)
			return nil
		}
	}
	d := v.doc
	switch before, twice := d.included[path]; {
	case twice:
		v.fail("%s is included already (%v); remove one of the two", path, before)
		return nil
	case from.depth() > maxIncludeDepth:
		v.fail("%s would be included through %d files, at most %d are allowed; name it in the main file", path, from.depth(), maxIncludeDepth)
		return nil
	case len(d.included) == maxIncluded:
		v.fail("more than %d files are included; merge them, or name master files by `zones_from`", maxIncluded)
		return nil
	case d.included == nil:
		d.included = map[string]finding.Position{}
	}
	d.included[path] = v.pos()
	data, err := d.files.read(path)
	if err != nil {
		v.fail("%v", err)
		return nil
	}
	own := &document{reading: d.reading, file: path, dir: filepath.Dir(path)}
	top, ok := own.root(data)
	if !ok || top.node == nil {
		return nil
	}
	return top.withIncluded(from)
}
