package zonefile

import (
	"bytes"
	"io"
	"path/filepath"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/rule"
	"github.com/ptrd/ptrd/zone/source"
)

// Options control how a master file is read.
type Options struct {
	// Origin is what relative names start at until the first $ORIGIN: the apex
	// of the zone. It must be set.
	Origin dname.Name

	// Root is the directory that $INCLUDE is confined to: what is included lies
	// in it once all symbolic links are followed. Empty: the directory of the
	// file. Read allows no $INCLUDE without it.
	Root string

	// Size is how many octets the text has, as far as the caller knows; zero: unknown.
	// It decides about room, not about what is read.
	Size int64

	// DefaultTTL, in seconds, counts like a $TTL in front of the first line, if
	// HasDefaultTTL is set. Set it only if it was configured for this
	// zone or the file has no SOA: without it the SOA's MINIMUM serves, as in
	// BIND.
	DefaultTTL    uint32
	HasDefaultTTL bool

	// FallbackTTL, in seconds, is what records get that have no TTL, no $TTL and
	// no SOA before them, if HasFallbackTTL is set. Otherwise they take the last
	// TTL given (RFC 1035 §5.1) or, without one, are an error.
	FallbackTTL    uint32
	HasFallbackTTL bool

	// GenerateLimit is how many records $GENERATE may make in all; zero means
	// DefaultGenerateLimit.
	GenerateLimit int

	// Table numbers the files for the tags of records and findings. It must be
	// set.
	Table *source.Table

	// Apexes are the zones that the file feeds. Nil: Origin alone. They serve
	// the warnings only; records at other names are handed on like all others.
	Apexes []dname.Name

	// Checks are the severities that were chosen for rules.
	Checks rule.Checks

	// Tap, if set, is handed each file as it is opened for reading, included
	// ones too, and returns what to read instead: the same octets. So a caller sees
	// what was really read.
	Tap func(path string, r io.Reader) io.Reader

	// Task opens files. Nil: they are opened without a time limit.
	Task *infile.Task

	// Room is memory that one call after the other may use; nil: new memory.
	Room *Room

	// For tests: oneRoad has no line read as a simple one, window is how many octets
	// the lexer starts with in place of windowSize.
	oneRoad bool
	window  int
}

// Room is the memory of a call that reads a file, to be used for the next one. The zero
// value is ready. One call at a time may use it.
type Room struct {
	parser parser
	first  frameRoom
}

// DefaultGenerateLimit admits a /16 written as one $GENERATE and is small enough
// that a slip of the pen (0-4000000000) costs milliseconds.
const DefaultGenerateLimit = 1 << 16

// Result is what became of a file, apart from its records.
type Result struct {
	// Files are the paths that were read or looked for, the file itself first:
	// a change of any of them asks for another Load.
	Files []string
	// HasSOA reports whether an SOA record was among the records.
	HasSOA bool
	// Records is the number of records emitted.
	Records int
	// Findings are as finding.List limits them, sorted by position; a file's own before
	// those of the files it includes.
	Findings []finding.Finding
	// Errors and Warnings count the findings, those that are not listed as well.
	Errors, Warnings int
}

// OK reports whether the file can be used: there is no error, though perhaps
// warnings.
func (r *Result) OK() bool { return r.Errors == 0 }

// Load reads the master file at path and hands each record to emit, in the
// order of the file. A record and all its slices are valid only until emit
// returns ([zone.Builder.Add] copies). A faulty line is a finding and gives no
// record; the others are emitted all the same, so a caller that collects them
// drops them unless the Result is OK. The file is read through a window and not
// kept in memory. A file without any record, included ones too, is an error.
func Load(path string, o Options, emit func(zone.Record)) *Result {
	if o.Root == "" {
		o.Root = filepath.Dir(path)
	}
	p := newParser(o, emit)
	p.res.Files = append(p.res.Files, path)
	f, err := o.Task.Open(path, maxFile)
	if err != nil {
		p.fs.Add(o.Table.Add(path).Unreadable(err))
		return p.finish()
	}
	defer f.Close()
	p.o.Size = f.Size
	p.file(path, f, o.Origin)
	return p.finish()
}

// maxFile is the largest file that is opened, in octets.
const maxFile = 4 << 30

// Read is Load for text from r; name is the name of the file in positions.
func Read(name string, r io.Reader, o Options, emit func(zone.Record)) *Result {
	p := newParser(o, emit)
	p.res.Files = append(p.res.Files, name)
	p.file(name, r, o.Origin)
	return p.finish()
}

// ReadBytes is Read for text in memory.
func ReadBytes(name string, text []byte, o Options, emit func(zone.Record)) *Result {
	return Read(name, bytes.NewReader(text), o, emit)
}
