// Package source records where data come from: it turns positions in files into
// the opaque tags that package zone carries along, and back.
package source

import (
	"fmt"
	"sync"

	"github.com/ptrd/ptrd/zone"
)

// Position is a place in a file. Line and Col count from 1, Col in octets; zero
// means unknown.
type Position struct {
	File      string
	Line, Col int
}

// String returns `file:line:col`, without the parts that are unknown.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Col == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}

// Table numbers files. The zero value is ready; all methods may be called at the
// same time.
type Table struct {
	mu    sync.RWMutex
	files []string
	ids   map[string]File
}

// File is a file's number in its Table.
type File uint32

// A tag is file number (20 bits), line (28 bits), column (16 bits), from the
// most significant bit on, so that tags of a file sort by position. Larger lines
// and columns are stored as the largest.
const (
	colBits, lineBits = 16, 28
	maxCol, maxLine   = 1<<colBits - 1, 1<<lineBits - 1
)

// Add returns the number of a file, the same for the same name.
func (t *Table) Add(name string) File {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id, ok := t.ids[name]; ok {
		return id
	}
	if t.ids == nil {
		t.ids = map[string]File{}
	}
	t.files = append(t.files, name)
	id := File(len(t.files))
	t.ids[name] = id
	return id
}

// Tag returns the tag of a position in the file.
func (f File) Tag(line, col int) zone.Tag {
	return zone.Tag(f)<<(colBits+lineBits) | zone.Tag(min(line, maxLine))<<colBits | zone.Tag(min(col, maxCol))
}

// Position returns the position that a tag was made from; ok is false for the
// zero tag and for one that is not of this table.
func (t *Table) Position(tag zone.Tag) (p Position, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	id := tag >> (colBits + lineBits)
	if id == 0 || int(id) > len(t.files) {
		return Position{}, false
	}
	return Position{t.files[id-1], int(tag >> colBits & maxLine), int(tag & maxCol)}, true
}

// Format returns a finding with its position in front: `file:line:col: text`.
func (t *Table) Format(f zone.Finding) string {
	if p, ok := t.Position(f.Tag); ok {
		return p.String() + ": " + f.String()
	}
	return f.String()
}
