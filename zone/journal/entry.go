package journal

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/ptrd/ptrd/zone"
)

// Entry is what is known of a zone when it was last published.
type Entry struct {
	Serial   zone.Serial // that was served
	Digest   zone.Digest // of the content that was served with it
	Gone     bool        // the zone is no longer served
	Verbatim bool        // the serial was the source's, not ours

	// Declared is the serial that the zone's own source stated; Serial may be
	// later. It means nothing unless HasDeclared.
	Declared    zone.Serial
	HasDeclared bool

	Sequence uint64 // number of changes so far, the first is 1
}

const (
	entryLen = 4 + 1 + 4 + 16 + 4 + 8

	flagGone     = 1
	flagVerbatim = 2
	flagDeclared = 4
)

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func (e Entry) encode() []byte {
	var flags byte
	if e.Gone {
		flags |= flagGone
	}
	if e.Verbatim {
		flags |= flagVerbatim
	}
	if e.HasDeclared {
		flags |= flagDeclared
	}
	b := make([]byte, 4, entryLen)
	b = append(b, flags)
	b = binary.BigEndian.AppendUint32(b, uint32(e.Serial))
	b = append(b, e.Digest[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(e.Declared))
	b = binary.BigEndian.AppendUint64(b, e.Sequence)
	binary.BigEndian.PutUint32(b, crc(b[4:]))
	return b
}

// decode reads an entry; ok is false where b is damaged.
func decode(b []byte) (e Entry, ok bool) {
	if len(b) < entryLen || binary.BigEndian.Uint32(b) != crc(b[4:]) {
		return Entry{}, false
	}
	e.Gone = b[4]&flagGone != 0
	e.Verbatim = b[4]&flagVerbatim != 0
	e.HasDeclared = b[4]&flagDeclared != 0
	e.Serial = zone.Serial(binary.BigEndian.Uint32(b[5:]))
	copy(e.Digest[:], b[9:])
	e.Declared = zone.Serial(binary.BigEndian.Uint32(b[25:]))
	e.Sequence = binary.BigEndian.Uint64(b[29:])
	return e, true
}
