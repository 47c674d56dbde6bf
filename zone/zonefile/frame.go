package zonefile

import (
	"io"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// frame is a file being read; an included one has its parent.
type frame struct {
	parent   *frame
	name     string // shown in positions
	resolved string // path without symbolic links, to see cycles; empty: not looked for yet, or there is none
	id       source.File
	lex      *lexer

	origin      dname.Name
	originLine  int    // of the $ORIGIN that set it; 0: none did
	undotted    *token // its name, if that lacks the final dot; nil: it has one
	place       place
	owner       *ownerName // the last one
	spare       *ownerName // where the next is read
	ownerIsBad  bool       // its text was no name: records that inherit it are read, not emitted
	afterOrigin bool       // no owner has been given since the last $ORIGIN
}

// ownerName is an owner name, what is known of it, and room for it.
type ownerName struct {
	name    dname.Name       // nil: none yet
	address dname.AddressKey // that it is the whole name of; zero: unknown, or none
	room    nameRoom
}

// frameRoom is the memory of a frame.
type frameRoom struct {
	frame
	lexer
	owners [2]ownerName
}

// newFrame returns a frame, in room, for the text of that size (0: unknown) from r, which
// starts at origin without an owner name.
func (p *parser) newFrame(room *frameRoom, name string, r io.Reader, size int64, origin dname.Name) *frame {
	room.lexer.init(p.tap(name, r), p.window(size))
	for i := range room.owners {
		o := &room.owners[i]
		o.name, o.address = nil, dname.AddressKey{}
	}
	f := &room.frame
	*f = frame{name: name, id: p.o.Table.Add(name), lex: &room.lexer, owner: &room.owners[0], spare: &room.owners[1]}
	f.setOrigin(origin, 0)
	return f
}

func (f *frame) setOrigin(origin dname.Name, line int) {
	f.origin, f.originLine, f.undotted = origin, line, nil
	f.place = placeOf(origin)
}

// loseOwner notes that the last owner is in a line with an error. Records that inherit it are read,
// and not emitted.
func (f *frame) loseOwner() {
	f.copyOwner(f.origin)
	f.ownerIsBad = true
}

// swapOwner makes what is in spare the last owner.
func (f *frame) swapOwner() { f.owner, f.spare = f.spare, f.owner }

// copyOwner makes a copy of name the last owner; nil for none.
func (f *frame) copyOwner(name dname.Name) {
	f.spare.name, f.spare.address = nil, dname.AddressKey{}
	if name != nil {
		f.spare.name = append(f.spare.room[:0], name...)
	}
	f.swapOwner()
}
