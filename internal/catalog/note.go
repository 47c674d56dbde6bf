package catalog

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// NotePrefix is the start of the keys of a claim's notes in the journal.
const NotePrefix = "catalog/"

// The keys of a claim's notes: the name of the catalog that lists the zone, followed by the
// zone's label there; and its groups.
const (
	OwnerNote  = NotePrefix + "owner"
	groupsNote = NotePrefix + "groups"
)

// Notes returns the notes from which ReadClaim makes the claim again.
func (c *Claim) Notes() []zone.Note {
	groups := []byte{}
	for _, g := range c.Groups {
		groups = append(binary.BigEndian.AppendUint16(groups, uint16(len(g))), g...) // it was in a TXT record
	}
	return []zone.Note{
		{Key: groupsNote, Value: groups},
		{Key: OwnerNote, Value: append([]byte(c.Catalog), c.Label...)},
	}
}

// ReadClaim returns the claim of the zone at apex from its notes; nil: no catalog lists it.
// hasGroups is false if an older ptrd wrote the notes, which did not store groups.
func ReadClaim(apex dname.Name, notes []zone.Note) (c *Claim, hasGroups bool) {
	var groups []string
	for _, n := range notes {
		switch n.Key {
		case OwnerNote:
			if name := dname.FromWire(n.Value); name != nil {
				c = &Claim{Owner: Owner{Catalog: name.Key(), Label: string(n.Value[len(name):])}, Apex: apex}
			}
		case groupsNote:
			b := n.Value
			for len(b) >= 2 {
				n := min(2+int(binary.BigEndian.Uint16(b)), len(b))
				groups = append(groups, string(b[2:n]))
				b = b[n:]
			}
			hasGroups = true
		}
	}
	if c != nil {
		c.Groups = groups
	}
	return c, hasGroups
}
