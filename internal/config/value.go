package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rule"
	"github.com/ptrd/ptrd/zone/spelling"
	"gopkg.in/yaml.v3"
)

// document is a file being read.
type document struct {
	*reading
	file  string
	dir   string   // relative paths are relative to it
	lines []string // each with its line end, to count columns in octets as other tools do

	columns map[int]columns // by line, of lines with a position that was needed
}

// reading is what the files of one configuration have in common while they are read: what the
// values in one may name in another, and the findings so far.
type reading struct {
	files    includedFiles
	included map[string]finding.Position // files by path, and where they are included
	octets   int                         // of all files
	values   int                         // at most so many are in them
	sources  string                      // directory of files with zone data; empty: that of the file that names them
	keys     map[string]bool             // the names of `keys`, in lower case
	acls     map[string]*acl
	findings finding.List
	broken   map[finding.Position]bool // items of `zones` that have errors
	isFaulty bool                      // `defaults` has errors
	hosts    []hostValue               // of the item being read, whose `checks` may follow
	steps    int                       // of work that must stay linear in the size of the files, for tests
}

// columns converts characters of a line to octets without reading the line from its
// start each time.
type columns struct {
	isASCII bool
	offsets []int // of each columnStep-th character
}

const columnStep = 64

func newColumns(line string) (c columns) {
	runes := 0
	for i := range line {
		if runes%columnStep == 0 {
			c.offsets = append(c.offsets, i)
		}
		runes++
	}
	if c.isASCII = runes == len(line); c.isASCII {
		c.offsets = nil
	}
	return c
}

// octet returns the octet of a line where a character begins, both counted from 1.
func (d *document) octet(line, character int) int {
	text := d.lines[line-1]
	if len(text) < columnStep {
		d.steps++
		return octetOf(text, character)
	}
	c, ok := d.columns[line]
	if !ok {
		if d.columns == nil {
			d.columns = map[int]columns{}
		}
		c = newColumns(text)
		d.columns[line] = c
		d.steps += len(text) / columnStep
	}
	d.steps++
	if c.isASCII {
		return min(character, len(text)+1)
	}
	i := min((character-1)/columnStep, len(c.offsets)-1)
	return c.offsets[i] + octetOf(text[c.offsets[i]:], character-i*columnStep)
}

func octetOf(text string, character int) int {
	octets := 0
	for n := 1; n < character && octets < len(text); n++ {
		_, size := utf8.DecodeRuneInString(text[octets:])
		octets += size
	}
	return octets + 1
}

// value is one node of the document with its key path. Its methods read the node as one
// kind of value; if it does not fit, they report it in the document and return the zero
// value.
type value struct {
	doc  *document
	node *yaml.Node
	path string
}

func (v value) pos() finding.Position { return v.doc.position(v.node) }

func (d *document) position(n *yaml.Node) finding.Position {
	col := n.Column
	if n.Line-1 < len(d.lines) && n.Line > 0 {
		col = d.octet(n.Line, max(n.Column, 1))
	}
	return finding.Position{File: d.file, Line: n.Line, Col: col}
}

// fail reports an error in the value.
func (v value) fail(format string, args ...any) { v.doc.report(v.pos(), v.path, format, args...) }

func (d *reading) report(pos finding.Position, path, format string, args ...any) {
	d.findings.Add(errorAt(pos, path, format, args...))
}

// errors returns the number of errors so far.
func (d *reading) errors() int { return d.findings.Count(finding.Error) }

// warn reports a breach of a rule in the value, with the severity that c has for it.
func (v value) warn(c *rule.Checks, name, format string, args ...any) {
	f := errorAt(v.pos(), v.path, format, args...)
	f.Severity, f.Rule = finding.Warning, name
	switch {
	case !f.Apply(c):
	case f.Severity == finding.Error:
		v.fail(format, args...)
	default:
		v.doc.findings.Add(f)
	}
}

// field is a key that a mapping may have, with the function that reads its value.
type field struct {
	key  string
	read func(value)
}

// mapping reads a mapping with fixed keys in the order of fields, not of the file, so that
// a field may depend on the ones before it. A null value counts as an empty mapping.
func (v value) mapping(fields ...field) {
	var room [fewKeys]value
	found := append(room[:0], make([]value, len(fields))...)
	v.pairs(func(key string, k, child value) {
		if v.path == "" {
			child.path = key
		} else {
			child.path = v.path + "." + key
		}
		k.path = child.path
		for i := range fields {
			if fields[i].key == key {
				found[i] = child
				return
			}
		}
		k.path = v.path
		k.unknownKey(key, fields)
	})
	for i := range fields {
		if found[i].node != nil {
			fields[i].read(found[i])
		}
	}
}

// entries reads a mapping whose keys are data. Each key comes as a value of its
// own, with the path of its entry.
func (v value) entries(read func(key, child value)) {
	v.pairs(func(key string, k, child value) {
		k.path = fmt.Sprintf("%s[%q]", v.path, key)
		child.path = k.path
		read(k, child)
	})
}

// pairs calls read for each key of a mapping and its value, both with the path of the
// mapping. It reports duplicate keys.
func (v value) pairs(read func(key string, k, child value)) {
	if v.isNull() {
		return
	}
	if v.node.Kind != yaml.MappingNode {
		v.fail("%s, must be a mapping (`key: value` lines, indented below the key)", v.describe())
		return
	}
	var first map[string]value // used for more than fewKeys keys
	if len(v.node.Content) > 2*fewKeys {
		first = make(map[string]value, len(v.node.Content)/2)
	}
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		k := value{v.doc, v.node.Content[i], v.path}
		if k.node.Kind != yaml.ScalarNode || k.isNull() {
			k.fail("%s as a key, must be a word or an address; put strings with special characters in quotes", k.describe())
			continue
		}
		was, twice := first[k.node.Value]
		for j := 0; first == nil && j < i && !twice; j += 2 {
			was.node = v.node.Content[j]
			twice = was.node.Kind == yaml.ScalarNode && was.node.Value == k.node.Value && !value{node: was.node}.isNull()
		}
		if twice {
			k.fail("key %q is in the mapping already (%v); remove one of the two", k.node.Value, v.doc.position(was.node))
			continue
		}
		if first != nil {
			first[k.node.Value] = k
		}
		read(k.node.Value, k, value{v.doc, v.node.Content[i+1], v.path})
	}
}

// fewKeys is the largest number of keys that are compared pairwise: no item of `zones` has
// more, and a map for each item would be slower.
const fewKeys = 24

// hints are messages for keys that other servers have, with - in place of _.
var hints = map[string]string{
	"serial":            "ptrd generates serials when content changes; remove the key",
	"serial-policy":     "ptrd generates serials when content changes; remove the key",
	"type":              "a zone with `secondary` is a secondary, all others are primaries; remove the key",
	"kind":              "a zone with `secondary` is a secondary, all others are primaries; remove the key",
	"masters":           hintPrimaries,
	"master":            hintPrimaries,
	"primaries":         hintPrimaries,
	"primary":           hintPrimaries,
	"request-xfr":       hintPrimaries,
	"allow-transfer":    hintTransfer,
	"allow-axfr":        hintTransfer,
	"provide-xfr":       hintTransfer,
	"also-notify":       hintNotify,
	"notify":            hintNotify,
	"allow-notify":      "the primaries of a secondary zone may notify; remove the key",
	"allow-update":      "write the clients that may send updates as `update: [192.0.2.53]`",
	"update-policy":     "write the clients that may send updates as `update: [{key: NAME, prefix: 192.0.2.0/24}]`",
	"allow-query":       "write the clients that may query as `access: {allow: [192.0.2.0/24]}`",
	"access-control":    "write the clients that may query as `access: {allow: [192.0.2.0/24]}`",
	"blackhole":         "write the clients that may not query as `access: {deny: [192.0.2.0/24]}`",
	"acl":               "write named lists of addresses as `acls: {office: [192.0.2.0/24]}`",
	"zonefile":          "write the master file as `file: PATH`",
	"zone-file":         "write the master file as `file: PATH`",
	"domain":            "write the name of a zone as `name: example.com`",
	"options":           "the keys of BIND's `options` are keys of the file itself here; see config.example.yaml",
	"listen-on":         hintListen,
	"listen-on-v6":      hintListen,
	"ip-address":        hintListen,
	"interface":         hintListen,
	"zonesdir":          "write the directory of master files as `directory: PATH`",
	"storage":           "write the directory of master files as `directory: PATH`",
	"database":          "write the directory for what ptrd stores as `state_dir: PATH`",
	"pidfile":           "ptrd has no file with its process number, service managers know it; remove the key",
	"pid-file":          "ptrd has no file with its process number, service managers know it; remove the key",
	"username":          "write the user to run as as `user: NAME`",
	"recursion":         hintResolver,
	"allow-recursion":   hintResolver,
	"forwarders":        hintResolver,
	"forward":           hintResolver,
	"forwarder":         hintResolver,
	"dnssec-validation": hintResolver,
	"dnssec-policy":     hintDNSSEC,
	"dnssec-signing":    hintDNSSEC,
	"auto-dnssec":       hintDNSSEC,
	"inline-signing":    hintDNSSEC,
	"key-directory":     hintDNSSEC,
	"zone-statistics":   "write `metrics: {per_zone: true}` to count queries by zone",
	"check-names":       "write how names of hosts are checked as `checks: {host-name: error}`",
	"view":              "ptrd has no views; run one server for each",
	"views":             "ptrd has no views; run one server for each",
	"match-clients":     "ptrd has no views; run one server for each",
	"version":           "write the answer to version.bind as `identity: {version: TEXT}`",
	"server-id":         "write the name of the server as `identity: {nsid: TEXT}`",
	"rate-limit":        "write `rate_limit`",
	"rrl-ratelimit":     "write `rate_limit: {responses_per_second: 200}`",
	"logging":           "write `log: {level: info}`",
	"verbosity":         "write `log: {level: debug}`",
	"max-journal-size":  "write `history: {max_size: 67108864}`",
	"default-ttl":       "write `ttl`",
	"ns":                "write the name servers as `nameservers: [ns1.example.com]`",
	"name-servers":      "write the name servers as `nameservers: [ns1.example.com]`",
	"email":             "write the mail address as `contact: hostmaster@example.com`",
	"rname":             "write the mail address as `contact: hostmaster@example.com`",
	"hostmaster":        "write the mail address as `contact: hostmaster@example.com`",
}

const (
	hintPrimaries = "write the primaries of a secondary zone as `secondary: {primaries: [\"192.0.2.53:53\"]}`"
	hintTransfer  = "write the clients that may transfer the zone as `transfer: {allow: [192.0.2.53]}`"
	hintNotify    = "write the servers to notify as `transfer: {notify: [\"192.0.2.53:53\"]}`"
	hintListen    = "write the addresses to listen on as `listen: {dns: [\"192.0.2.1:53\"]}`"
	hintResolver  = "ptrd is no resolver and looks nothing up for clients; remove the key"
	hintDNSSEC    = "ptrd does not sign zones; name a `file` that is signed, and remove the key"
)

func (v value) unknownKey(key string, fields []field) {
	other := strings.ToLower(strings.ReplaceAll(key, "_", "-"))
	hint := hints[other]
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.key
	}
	switch best := nearest(key, all); {
	case hint != "":
		v.fail("unknown key %q: %s", key, hint)
	case best != "":
		v.fail("unknown key %q; did you mean %q?", key, best)
	case len(other) > len("zones") && hints[nearest(other, slices.Sorted(maps.Keys(hints)))] != "":
		v.fail("unknown key %q: %s", key, hints[nearest(other, slices.Sorted(maps.Keys(hints)))])
	default:
		v.fail("unknown key %q; the keys allowed here are %s", key, strings.Join(all, ", "))
	}
}

// nearest returns the word of a list that is probably meant; empty: none differs in at most one
// of three characters, or in two of four or five, which may be swapped.
func nearest(word string, list []string) (best string) {
	distance := max(1, len(word)/3, min(2, len(word)/2)) + 1
	for _, w := range list {
		if d := spelling.Distance(strings.ToLower(word), strings.ToLower(w)); d < distance || d == distance && best != "" && w < best {
			best, distance = w, d
		}
	}
	return best
}

// list calls read for each item of a list. A null value counts as an empty list.
func (v value) list(read func(value)) {
	if v.isNull() {
		return
	}
	if v.node.Kind != yaml.SequenceNode {
		v.fail("%s, must be a list (`[a, b]`, or one `- item` a line)", v.describe())
		return
	}
	for i, n := range v.node.Content {
		read(value{v.doc, n, v.path + "[" + strconv.Itoa(i) + "]"})
	}
}

// each calls read for each item of a list, or once for a value that is not a list.
func (v value) each(read func(value)) {
	if v.node.Kind == yaml.SequenceNode {
		v.list(read)
	} else {
		read(v)
	}
}

// oneOrMore is each, but reports an empty list.
func (v value) oneOrMore(read func(value)) {
	if v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0 {
		v.fail("the list is empty, must have at least one item; remove the key if there is none")
	}
	v.each(read)
}

// scalar returns the text of a plain or quoted value of any YAML type.
func (v value) scalar() (string, bool) {
	switch {
	case v.isNull():
		v.fail("the value is missing; give one, or remove the key")
	case v.node.Kind != yaml.ScalarNode:
		v.fail("%s, must be a single value", v.describe())
	default:
		return v.node.Value, true
	}
	return "", false
}

// text reads a string, and reports numbers, booleans and dates.
func (v value) text() (string, bool) {
	s, ok := v.scalar()
	if ok && v.node.ShortTag() != "!!str" {
		v.fail("%s, must be a string; put it in quotes: %q", v.describe(), s)
		return "", false
	}
	return s, ok
}

func (v value) isNull() bool {
	return v.node.Kind == yaml.ScalarNode && v.node.ShortTag() == "!!null"
}

// describe returns the first part of a message about the kind of the value.
func (v value) describe() string {
	switch v.node.Kind {
	case yaml.MappingNode:
		return "a mapping was given"
	case yaml.SequenceNode:
		return "a list was given"
	}
	switch v.node.ShortTag() {
	case "!!null":
		return "nothing was given"
	case "!!int", "!!float":
		return fmt.Sprintf("the number %s was given", v.node.Value)
	case "!!bool":
		return fmt.Sprintf("the boolean %s was given", v.node.Value)
	case "!!timestamp":
		return fmt.Sprintf("the date %s was given", v.node.Value)
	}
	return fmt.Sprintf("the string %q was given", v.node.Value)
}

func (v value) isMapping() bool { return v.node.Kind == yaml.MappingNode }

// hasKey reports whether a mapping has the key, whatever its value.
func (v value) hasKey(key string) bool {
	for i := 0; i+1 < len(v.node.Content); i += 2 {
		if v.node.Content[i].Value == key {
			return true
		}
	}
	return false
}
