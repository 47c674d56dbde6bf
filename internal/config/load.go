package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
	"gopkg.in/yaml.v3"
)

// maxFile bounds the file in octets, and all files of a configuration together. The YAML tree needs about thirty times the memory of
// its text; 16 MiB are about 400,000 PTR records. Larger zones belong in master files,
// which are read record by record. With a larger bound, a wrong path (an image, a log)
// could exhaust memory on a reload.
const maxFile = 16 << 20

const tooLarge = "the file is larger than 16 MiB; move records to master files and name them with `file`"

// maxValues bounds the values in the files. Each needs about 800 octets of memory while it
// is read, whatever the length of its text: 16 MiB of `[x,x,…` would need 6 GB. A file of
// the maximum size with nothing but short PTR records has fewer values.
const maxValues = 2_000_000

const tooMany = "the file has more than 2000000 values; move records to master files and name them with `file`"

// countValues returns an upper bound of the number of values.
func countValues(data []byte) (n int) {
	after := func(i int) bool { return i+1 == len(data) || data[i+1] <= ' ' }
	for i, c := range data {
		switch c {
		case ',', '\n', '[', '{':
			n++
		case '-':
			if after(i) {
				n++
			}
		case ':': // not those of addresses
			if after(i) || i > 0 && (data[i-1] == '"' || data[i-1] == '\'') {
				n++
			}
		}
	}
	return n
}

// Load reads the configuration at path and the files with secrets that it names. Errors
// in the file are returned as [Errors].
func Load(path string) (*Config, error) {
	return (&Loader{Path: path}).load(nil)
}

// ParseFile reads the configuration at path and the files that it includes, but not those with
// secrets, nor those of `zones_from`: enough for a program that only needs its settings.
func ParseFile(path string) (*Config, error) {
	cfg, err := (&Loader{Path: path}).parse()
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// ReadFile returns the text of the configuration at path without parsing it.
func ReadFile(path string) ([]byte, error) { return readFile(nil, path, maxFile) }

// readFile returns the content of a file of at most limit octets.
func readFile(t *infile.Task, path string, limit int64) ([]byte, error) {
	data, err := t.ReadFile(path, limit)
	var pe *fs.PathError
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, infile.ErrTooLarge):
		return nil, fmt.Errorf("%s: %w: at most %d octets are read; name the right one", path, infile.ErrTooLarge, limit)
	case errors.As(err, &pe):
		err = pe.Err
	}
	remedy := credentialRemedy(path, err)
	switch {
	case remedy != "":
	case errors.Is(err, fs.ErrNotExist):
		remedy = "; correct the path or create the file"
	case errors.Is(err, fs.ErrPermission):
		remedy = "; make it readable for the user that ptrd runs as"
	}
	return nil, fmt.Errorf("%s: the file cannot be read: %w%s", path, err, remedy)
}

// Parse reads a configuration from memory and opens no file: it has nothing of the files that
// `include` and `zones_from` name. name is the path of the file that data came from: it appears
// in positions, and relative paths are relative to its directory. The error is [Errors].
func Parse(name string, data []byte) (*Config, error) {
	return parse(name, data, includedFiles{})
}

// parse is Parse with the files that a configuration includes.
func parse(name string, data []byte, files includedFiles) (*Config, error) {
	cfg, err := parseAll(name, data, files)
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// parseAll is parse, but returns a configuration together with the errors, with the zones that have
// none; nil if they are not known.
func parseAll(name string, data []byte, files includedFiles) (*Config, error) {
	d := &document{reading: &reading{files: files, broken: map[finding.Position]bool{}}, file: name, dir: filepath.Dir(name)}
	cfg := d.parse(data)
	var errs Errors
	for _, f := range d.findings.Sorted() {
		if f.Severity == finding.Error {
			errs = append(errs, f)
		} else if cfg != nil {
			cfg.Warnings = append(cfg.Warnings, f)
		}
	}
	if errs == nil {
		return cfg, nil
	}
	if cfg != nil {
		cfg.Zones = slices.DeleteFunc(cfg.Zones, func(z Zone) bool { return d.broken[z.Pos] || d.isFaulty })
	}
	return cfg, errs
}

func (d *document) parse(data []byte) *Config {
	top, ok := d.root(data)
	if !ok {
		return nil
	}
	if top.node == nil {
		d.report(finding.Position{File: d.file}, "", "the file is empty; it needs at least `zones`")
		return nil
	}
	before := d.errors()
	all := top.withIncluded(nil)
	if d.errors() > before {
		return nil // what they lack may be in a file that cannot be read
	}
	return all.config()
}

// root returns the value that is the file, without a node if the file is empty; ok is false
// after an error.
func (d *document) root(data []byte) (v value, ok bool) {
	before := d.errors()
	root := d.tree(data)
	if root != nil {
		d.checkPlain(root)
	}
	return value{d, root, ""}, d.errors() == before
}

// tree returns the root of the only document of the file; nil if the file is empty, or after
// reporting an error.
func (d *document) tree(data []byte) *yaml.Node {
	fail := func(line, col int, format string, args ...any) *yaml.Node {
		d.report(finding.Position{File: d.file, Line: line, Col: col}, "", format, args...)
		return nil
	}
	count := countValues(data)
	d.octets, d.values = d.octets+len(data), d.values+count
	switch {
	case len(data) > maxFile:
		return fail(0, 0, "%s", tooLarge)
	case count > maxValues:
		return fail(0, 0, "%s", tooMany)
	case d.octets > maxFile || d.values > maxValues:
		return fail(0, 0, "the file and those read before it have more than 16 MiB or 2000000 values; move records to master files and name them with `file`")
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	d.lines = strings.SplitAfter(string(data), "\n")
	if last := len(d.lines) - 1; d.lines[last] == "" {
		d.lines = d.lines[:last]
	}
	if !utf8.Valid(data) {
		for i, line := range d.lines {
			if !utf8.ValidString(line) {
				return fail(i+1, validPrefix(line)+1, "the text is not UTF-8; save the file as UTF-8 text")
			}
		}
	}
	text := &lineReader{lines: d.lines}
	dec := yaml.NewDecoder(text)
	var doc, next yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF) || err == nil && isEmpty(&doc):
		return nil
	case err != nil:
		return d.syntax(err, text.line)
	}
	switch err := dec.Decode(&next); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return d.syntax(err, text.line)
	default:
		p := d.position(&next)
		return fail(p.Line, p.Col, "a second YAML document begins here, one is allowed; remove the line `---` that separates them")
	}
	return doc.Content[0]
}

func validPrefix(s string) int {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return i
		}
	}
	return len(s)
}

func isEmpty(doc *yaml.Node) bool {
	return len(doc.Content) == 0 || value{node: doc.Content[0]}.isNull()
}

// lineReader returns one line for each Read, so that the number of lines read is the
// position of the YAML parser when it stops with an error.
type lineReader struct {
	lines []string
	line  int // lines begun
	rest  string
}

func (r *lineReader) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.line == len(r.lines) {
			return 0, io.EOF
		}
		r.rest = r.lines[r.line]
		r.line++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

var (
	yamlError   = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?(?s:(.*))$`)
	yamlAnchor  = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
	yamlInBlock = regexp.MustCompile(`^did not find expected ('-' indicator|key)$`)
	yamlGrammar = regexp.MustCompile(`^did not find expected (node content|',' or '[]}]')$`)
)

// syntax reports an error of the YAML parser after it has read that many lines. The parser
// counts lines from 1 in errors of the scanner and from 0 in errors of the grammar, and
// for an error in a block it returns the first line of the block.
func (d *document) syntax(err error, read int) *yaml.Node {
	m := yamlError.FindStringSubmatch(err.Error())
	line, _ := strconv.Atoi(m[1])
	text := m[2]
	switch {
	case yamlInBlock.MatchString(text) || line == 0 && !yamlGrammar.MatchString(text):
		line = read
	case yamlGrammar.MatchString(text):
		line++
	}
	if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		for line > 1 && !strings.Contains(d.lines[line-1], "*"+m[1]) {
			line--
		}
	}
	line = max(1, min(line, len(d.lines)))
	for n := line; n <= max(line, min(read, len(d.lines))); n++ { // the parser may be a line behind
		s := d.lines[n-1]
		if i := strings.IndexByte(s, '\t'); i >= 0 && strings.TrimLeft(s[:i], " -") == "" {
			d.report(finding.Position{File: d.file, Line: n, Col: i + 1}, "", "the indentation has a tab, YAML allows spaces only; replace it by spaces")
			return nil
		}
	}
	d.report(finding.Position{File: d.file, Line: line}, "",
		"not YAML: %s; look at the indentation, brackets and quotes of this line and the one before (a text that begins with one of [ { * & ! %% @ ` or contains `: ` goes in quotes)", text)
	return nil
}

// checkPlain reports anchors, aliases, merge keys and tags: they make files harder to
// read, and a small file can expand to a large one. `defaults` serves for repeated
// settings.
func (d *document) checkPlain(n *yaml.Node) {
	v := value{doc: d, node: n}
	switch {
	case n.Kind == yaml.AliasNode:
		v.fail("the alias *%s is not supported; write the value out, or put it under `defaults`", n.Value)
		return
	case n.Anchor != "":
		v.fail("the anchor &%s is not supported; write the value out where it is needed, or put it under `defaults`", n.Anchor)
	case n.ShortTag() == "!!merge":
		v.fail("the merge key << is not supported; write the keys out, or put them under `defaults`")
	case n.Style&yaml.TaggedStyle != 0:
		v.fail("the tag %s is not supported; remove it", n.Tag)
	}
	for _, c := range n.Content {
		d.checkPlain(c)
	}
}
