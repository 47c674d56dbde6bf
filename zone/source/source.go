// Package source records where data come from: it turns positions in files into
// the opaque tags that package zone carries along, and back.
package source

import (
	"sync"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/finding"
)

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
	colBits, lineBits = 16, finding.FileShift - 16
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
func (t *Table) Position(tag zone.Tag) (p finding.Position, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	id := tag >> (colBits + lineBits)
	if id == 0 || int(id) > len(t.files) {
		return finding.Position{}, false
	}
	return finding.Position{File: t.files[id-1], Line: int(tag >> colBits & maxLine), Col: int(tag & maxCol)}, true
}

// Locate returns the finding with the position that its tag was made from.
func (t *Table) Locate(f finding.Finding) finding.Finding {
	if p, ok := t.Position(f.Tag); ok {
		f.Position = p
	}
	return f
}
