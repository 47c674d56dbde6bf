package journal

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// A block is some steps that follow each other, or one event that is none, under
// the number of the first. Package doc has the layout.
const (
	blockSteps = 0
	blockBegan = 1 // the history restarts with content that no changeset leads to
	blockEnded = 2 // the zone went
	blockPart  = 3 // more of the block before

	// blockKeyed is set in the kind where the checksum covers the key.
	blockKeyed = 0x80

	blockHeader = 4 + 1 + 8 + 8
	partHeader  = 4 + 1
	keyLen      = 4 + 8 + 4
)

const (
	// blockTarget is the size at which no more steps join a block: two that are a
	// little larger fill a page of the database, which has 4 KiB. What every block
	// has once, some 120 octets of key, header and SOA, is 7 % of it. The last block
	// is read and written again with each change, which a larger one would make
	// dearer.
	blockTarget = 1800
	// blockMost is the size above which a block, then of one step, is written in
	// parts: the database looks for that much free room in one piece.
	blockMost = 128 << 10
)

// blockKey returns the key of a part of a block.
func blockKey(id uint32, sequence uint64, part uint32) []byte {
	b := make([]byte, 0, keyLen)
	b = binary.BigEndian.AppendUint32(b, id)
	b = binary.BigEndian.AppendUint64(b, sequence)
	return binary.BigEndian.AppendUint32(b, part)
}

func splitKey(k []byte) (id uint32, sequence uint64, part uint32) {
	if len(k) != keyLen {
		return 0, 0, 0
	}
	return binary.BigEndian.Uint32(k), binary.BigEndian.Uint64(k[4:]), binary.BigEndian.Uint32(k[12:])
}

// put is one key and its new value.
type put struct{ key, value []byte }

// blockWriter makes the blocks of new steps of one zone.
type blockWriter struct {
	id    uint32
	coder stepCoder
	sum   uint64 // extended serial
	next  uint64 // sequence number of the next step
	first uint64 // sequence number of the block
	block []byte // being written; nil: none
	old   int    // octets that the block and its key had before
	puts  []put
	added int // octets more than before
	pause func()
}

// begin begins a block of the given kind.
func (w *blockWriter) begin(kind byte, at int64) {
	w.flush()
	w.first, w.old = w.next, 0
	b := make([]byte, 4, 512)
	b = append(b, kind|blockKeyed)
	b = binary.BigEndian.AppendUint64(b, w.sum)
	w.block = binary.BigEndian.AppendUint64(b, uint64(at))
	w.coder = stepCoder{recordCoder: recordCoder{apex: w.coder.apex}, serial: zone.Serial(uint32(w.sum)), at: at}
}

// resume goes on with the last block of the zone, if it is one of steps that may
// grow.
func (w *blockWriter) resume(b *block) {
	if b == nil || b.kind != blockSteps || len(b.parts) > 0 || len(b.value) >= blockTarget {
		return
	}
	r := b.steps(w.coder.apex)
	for r.next() {
		r.records()
	}
	if r.err != nil {
		return // reading it returns an error; the new block does not depend on it
	}
	w.coder = r.coder
	w.coder.owner, w.coder.slab = nil, nil
	w.first = b.sequence
	w.block = append(make([]byte, 0, 2*blockTarget), b.value...)
	w.block[4] |= blockKeyed
	w.old = len(w.block) + keyLen
}

// step appends a step.
func (w *blockWriter) step(s *zone.Step) error {
	if len(w.block) >= blockTarget {
		w.flush()
	}
	for {
		fresh := w.block == nil
		if fresh {
			w.begin(blockSteps, s.At)
		}
		before, coder := len(w.block), w.coder
		b, err := w.coder.append(w.block, s, w.pause)
		if err != nil {
			return err
		}
		w.block = b
		if len(b) <= blockMost || fresh {
			break
		}
		w.block, w.coder = b[:before], coder // large steps have blocks of their own
		w.flush()
	}
	w.count(s.Changeset.To)
	return nil
}

// event writes a block of an event: content with so many records begins, or the
// zone goes.
func (w *blockWriter) event(kind byte, to zone.Serial, at int64, source string, records int) {
	w.begin(kind, at)
	w.block = binary.BigEndian.AppendUint32(w.block, uint32(to))
	w.block = binary.AppendUvarint(w.block, uint64(records))
	w.block = append(w.block, source...)
	w.count(to)
	w.flush()
}

func (w *blockWriter) count(to zone.Serial) {
	w.sum += uint64(uint32(to) - uint32(w.sum))
	w.next++
}

// flush ends the block.
func (w *blockWriter) flush() {
	b := w.block
	if b == nil {
		return
	}
	w.added -= w.old
	for part := uint32(0); len(b) > 0; part++ {
		value := b[:min(len(b), blockMost)]
		b = b[len(value):]
		if part > 0 {
			value = append([]byte{0, 0, 0, 0, blockPart | blockKeyed}, value...)
		}
		key := blockKey(w.id, w.first, part)
		binary.BigEndian.PutUint32(value, keyedSum(bucketChanges, key, value[4:]))
		w.puts = append(w.puts, put{key, value})
		w.added += keyLen + len(value)
	}
	w.block = nil
}

// block is one that was read. Its octets are valid until the transaction ends.
type block struct {
	id       uint32
	sequence uint64 // of its first step
	value    []byte
	kind     byte
	extended uint64 // serial that the first step leads from
	at       int64
	parts    [][]byte // what follows value
}

// blockAt returns the last block of the zone that begins at or before the number;
// nil if there is none.
func blockAt(c *bolt.Cursor, id uint32, sequence uint64) (*block, error) {
	key := blockKey(id, sequence, 0)
	k, v := c.Seek(key)
	if k == nil {
		k, v = c.Last()
	}
	if string(k) != string(key) {
		if k != nil && string(k) > string(key) {
			k, v = c.Prev()
		}
		of, first, part := splitKey(k)
		if k == nil || of != id {
			return nil, nil
		}
		if part > 0 {
			k, v = c.Seek(blockKey(id, first, 0))
		}
	}
	return readBlock(c, k, v)
}

// readBlock returns the block whose first part the cursor is at, with that part's
// key and value. The cursor moves on.
func readBlock(c *bolt.Cursor, k, v []byte) (*block, error) {
	id, sequence, part := splitKey(k)
	bad := func() (*block, error) {
		return nil, fmt.Errorf("change %d of zone number %d", sequence, id)
	}
	b, ok := newBlock(k, v)
	if !ok || part != 0 {
		return bad()
	}
	if len(v) < blockMost {
		return b, nil
	}
	for n := uint32(1); ; n++ {
		k, v := c.Next()
		if of, seq, part := splitKey(k); k == nil || of != id || seq != sequence || part != n {
			return b, nil
		}
		if kind, ok := blockKind(k, v); !ok || kind != blockPart {
			return bad()
		}
		b.parts = append(b.parts, v[partHeader:])
	}
}

// newBlock returns the block whose first part a key and value are; ok is false where they
// are damaged or another part.
func newBlock(k, v []byte) (b *block, ok bool) {
	kind, ok := blockKind(k, v)
	if !ok || kind == blockPart {
		return nil, false
	}
	id, sequence, _ := splitKey(k)
	return &block{id: id, sequence: sequence, value: v, kind: kind, extended: binary.BigEndian.Uint64(v[5:]), at: blockTime(v)}, true
}

// blockKind returns the kind of a block, or of a part of one; ok is false where it is
// damaged.
func blockKind(k, v []byte) (kind byte, ok bool) {
	if len(k) != keyLen || len(v) < partHeader || len(v) > 2*blockMost {
		return 0, false
	}
	sum := binary.BigEndian.Uint32(v)
	if kind = v[4] &^ blockKeyed; kind == v[4] && sum != crc(v[4:]) || kind != v[4] && sum != keyedSum(bucketChanges, k, v[4:]) {
		return 0, false
	}
	return kind, kind <= blockPart && (kind == blockPart || len(v) >= blockHeader)
}

// blockTime returns when the first step of the block was made.
func blockTime(v []byte) int64 { return int64(binary.BigEndian.Uint64(v[13:])) }

// event returns the content of an event block.
func (b *block) event() (to zone.Serial, records int, source string, ok bool) {
	r := reader{b: b.value[blockHeader:]}
	serial := r.octets(4)
	n := r.uvarint()
	if r.bad {
		return 0, 0, "", false
	}
	return zone.Serial(binary.BigEndian.Uint32(serial)), int(n), string(r.b), true
}

// stepReader walks the steps of a block.
type stepReader struct {
	coder    stepCoder
	r        reader
	sequence uint64 // of the step
	head     stepHead
	pending  bool // the records of the step were not read yet
	err      error
	block    *block
}

// steps returns a reader of the steps, which is before the first.
func (b *block) steps(apex dname.Name) *stepReader {
	octets := b.value[blockHeader:]
	if len(b.parts) > 0 {
		octets = append([]byte(nil), octets...)
		for _, p := range b.parts {
			octets = append(octets, p...)
		}
	}
	return &stepReader{
		coder:    stepCoder{recordCoder: recordCoder{apex: apex}, serial: zone.Serial(uint32(b.extended)), at: b.at},
		r:        reader{b: octets},
		sequence: b.sequence - 1,
		block:    b,
	}
}

// next goes to the next step; false means that there is none, or err.
func (s *stepReader) next() bool {
	if s.pending {
		s.records()
	}
	if s.err != nil || len(s.r.b) == 0 {
		return false
	}
	s.head = s.coder.readHead(&s.r)
	s.sequence++
	s.pending = true
	return !s.failed()
}

// records returns the changeset of the step; nil means err.
func (s *stepReader) records() *zone.Changeset {
	set := s.coder.readRecords(&s.r, &s.head)
	s.pending = false
	if s.failed() {
		return nil
	}
	return set
}

func (s *stepReader) failed() bool {
	if s.r.bad && s.err == nil {
		s.err = fmt.Errorf("change %d of zone number %d: %w", s.sequence, s.block.id, errDamaged)
	}
	return s.err != nil
}
