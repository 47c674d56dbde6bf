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
	Kept     bool        // the content has no source but the journal, see [Journal.Restore]

	// Declared is the serial that the zone's own source stated; Serial may be
	// later. It means nothing unless HasDeclared.
	Declared    zone.Serial
	HasDeclared bool

	Sequence uint64 // number of changes so far, the first is 1

	Records int // that the content has; 0: not known, as it was kept by an older ptrd
}

// state is an entry with what the journal itself needs to know.
type state struct {
	Entry
	id    uint32 // of the zone in the other buckets; 0: none yet
	notes uint32 // how many there are, so that a lost one is noticed
	history
	content contentFile
}

// history describes which changes of a zone are stored.
type history struct {
	first  uint64 // sequence number of the oldest; one after the last: none
	epoch  uint32 // how often the serial wrapped around: the upper half of [state.extended]
	octets uint64 // that the changes take
	since  uint64 // octets of the changes since the content file
	oldest int64  // when the oldest was made, in Unix milliseconds
	at     int64  // when the last was made
}

// contentFile identifies the file with the content of a kept zone. The zero value: none.
type contentFile struct {
	sequence uint64 // number of the last change that is in it
	serial   zone.Serial
	digest   zone.Digest
	octets   uint64 // of the file
}

// extended is the serial as a number that only grows: counted on where the serial
// wraps around, so that the order of changes can be searched by it.
func (s *state) extended() uint64 { return uint64(s.epoch)<<32 | uint64(s.Serial) }

// dropContent makes the zone one whose content is not kept. Its Digest stays.
func (s *state) dropContent() { s.Kept, s.content, s.since = false, contentFile{}, 0 }

const (
	entryLen   = 4 + 1 + 4 + 16 + 4 + 8 // of format 1
	historyLen = 4 + 8 + 4 + 8 + 8 + 8 + 8
	countLen   = 4
	recordsLen = 4
	contentLen = 8 + 4 + 16 + 8

	flagGone     = 1
	flagVerbatim = 2
	flagDeclared = 4
	flagKept     = 8
	flagKeyed    = 16 // the checksum covers the key, and there is a number of notes
	flagRecords  = 32 // behind that there is the number of records
)

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// keyedSum returns the checksum of a value in a bucket under a key: an octet that
// changes in the key is damage as well, and so is a value that lies in another bucket.
func keyedSum(bucket string, key, value []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(uint32(bucket[0]), table, key), table, value)
}

// encode returns the entry that has the key.
func (s *state) encode(key []byte) []byte {
	flags := byte(flagKeyed | flagRecords)
	for _, f := range []struct {
		set  bool
		flag byte
	}{{s.Gone, flagGone}, {s.Verbatim, flagVerbatim}, {s.HasDeclared, flagDeclared}, {s.Kept, flagKept}} {
		if f.set {
			flags |= f.flag
		}
	}
	be := binary.BigEndian
	b := make([]byte, 4, entryLen+historyLen+countLen+recordsLen+contentLen)
	b = append(b, flags)
	b = be.AppendUint32(b, uint32(s.Serial))
	b = append(b, s.Digest[:]...)
	b = be.AppendUint32(b, uint32(s.Declared))
	b = be.AppendUint64(b, s.Sequence)
	b = be.AppendUint32(b, s.id)
	b = be.AppendUint64(b, s.first)
	b = be.AppendUint32(b, s.epoch)
	b = be.AppendUint64(b, s.octets)
	b = be.AppendUint64(b, s.since)
	b = be.AppendUint64(b, uint64(s.oldest))
	b = be.AppendUint64(b, uint64(s.at))
	b = be.AppendUint32(b, s.notes)
	b = be.AppendUint32(b, uint32(s.Records))
	if s.content != (contentFile{}) {
		b = be.AppendUint64(b, s.content.sequence)
		b = be.AppendUint32(b, uint32(s.content.serial))
		b = append(b, s.content.digest[:]...)
		b = be.AppendUint64(b, s.content.octets)
	}
	be.PutUint32(b, keyedSum(bucketZones, key, b[4:]))
	return b
}

// decode reads the entry that has the key; ok is false where one of them is damaged.
func decode(key, b []byte) (s state, ok bool) {
	be := binary.BigEndian
	if len(b) < entryLen {
		return state{}, false
	}
	isKeyed, hasRecords := b[4]&flagKeyed != 0, b[4]&flagRecords != 0
	if sum := be.Uint32(b); isKeyed && sum != keyedSum(bucketZones, key, b[4:]) || !isKeyed && sum != crc(b[4:]) {
		return state{}, false
	}
	s.Gone = b[4]&flagGone != 0
	s.Verbatim = b[4]&flagVerbatim != 0
	s.HasDeclared = b[4]&flagDeclared != 0
	s.Kept = b[4]&flagKept != 0
	s.Serial = zone.Serial(be.Uint32(b[5:]))
	copy(s.Digest[:], b[9:])
	s.Declared = zone.Serial(be.Uint32(b[25:]))
	s.Sequence = be.Uint64(b[29:])
	if b = b[entryLen:]; len(b) < historyLen {
		s.first = s.Sequence + 1
		return s, true
	}
	s.id = be.Uint32(b)
	s.history = history{
		first: be.Uint64(b[4:]), epoch: be.Uint32(b[12:]), octets: be.Uint64(b[16:]), since: be.Uint64(b[24:]),
		oldest: int64(be.Uint64(b[32:])), at: int64(be.Uint64(b[40:])),
	}
	b = b[historyLen:]
	if isKeyed && len(b) >= countLen {
		s.notes = be.Uint32(b)
		b = b[countLen:]
	}
	if hasRecords && len(b) >= recordsLen {
		s.Records = int(be.Uint32(b))
		b = b[recordsLen:]
	}
	if len(b) >= contentLen {
		s.content = contentFile{sequence: be.Uint64(b), serial: zone.Serial(be.Uint32(b[8:])), octets: be.Uint64(b[28:])}
		copy(s.content.digest[:], b[12:])
	}
	return s, true
}
