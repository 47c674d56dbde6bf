package rr

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone/dname"
)

// Key returns an RRset's key for maps and databases: its owner name in lower case, in wire form, and its
// type.
func Key(owner dname.Name, t Type) string {
	return string(binary.BigEndian.AppendUint16([]byte(owner.Key()), uint16(t)))
}

// CutKey returns the owner name and type in a string that begins with a Key, and what follows it; ok
// is false if it does not.
func CutKey(s string) (owner dname.Name, t Type, rest string, ok bool) {
	b := []byte(s)
	owner = dname.FromWire(b)
	if owner == nil || len(b) < len(owner)+2 {
		return nil, 0, "", false
	}
	return owner, Type(binary.BigEndian.Uint16(b[len(owner):])), s[len(owner)+2:], true
}
