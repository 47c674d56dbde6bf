package zone

import (
	"cmp"
	"encoding/binary"

	"github.com/ptrd/ptrd/zone/rr"
)

// entry is a record in a Builder's log: a view of
//
//	TTL 4, tag 8, number 8, type 2, octets of the RDATA 2, path, RDATA
type entry []byte

const entryHeader = 24

func appendEntry(dst []byte, k *key, r *Record, number uint64) entry {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, r.TTL)
	dst = le.AppendUint64(dst, uint64(r.Tag))
	dst = le.AppendUint64(dst, number)
	dst = le.AppendUint16(dst, uint16(r.Type))
	dst = le.AppendUint16(dst, uint16(len(r.Data)))
	dst = appendPath(dst, k.path())
	return append(dst, r.Data...)
}

func (e entry) ttl() uint32    { return binary.LittleEndian.Uint32(e) }
func (e entry) tag() Tag       { return Tag(binary.LittleEndian.Uint64(e[4:])) }
func (e entry) number() uint64 { return binary.LittleEndian.Uint64(e[12:]) }
func (e entry) typ() rr.Type   { return rr.Type(binary.LittleEndian.Uint16(e[20:])) }
func (e entry) path() path     { return readPath(e[entryHeader:]) }

func (e entry) data() []byte {
	o := entryHeader + pathHeader + len(e.path().octets)
	n := o + int(binary.LittleEndian.Uint16(e[22:]))
	return e[o:n:n]
}

// entryLog holds entries. They are found by offsets that ascend in the order they
// were added in.
type entryLog [][]byte

const (
	// As large as all before, so that a small zone has a small log.
	firstLog = 512
	logChunk = 1 << 20
)

func (l *entryLog) add(k *key, r *Record, number uint64) (at uint64) {
	n := entryHeader + pathHeader + (k.n+1)>>1 + len(r.Data)
	last := len(*l) - 1
	if last < 0 || len((*l)[last])+n > cap((*l)[last]) {
		last++
		*l = append(*l, make([]byte, 0, max(n, min(firstLog<<min(last, 20), logChunk))))
	}
	at = uint64(last)<<32 | uint64(len((*l)[last]))
	(*l)[last] = appendEntry((*l)[last], k, r, number)
	return at
}

// reset empties the log.
func (l *entryLog) reset() {
	if len(*l) > 0 {
		*l = append((*l)[:0], (*l)[0][:0])
	}
}

func (l entryLog) entry(at uint64) entry { return l[at>>32][uint32(at):] }

// entries are the records of one trie, each a pair of the beginning of its key
// ([key.order]) and where its entry is.
type entries struct {
	list  []pair
	mixed bool // not in order
}

// add returns how many octets of the log the record takes.
func (e *entries) add(l *entryLog, k *key, r *Record, number uint64) int {
	x := pair{k.order(), l.add(k, r, number)}
	if n := len(e.list); n > 0 && !e.mixed {
		e.mixed = compareEntries(*l, e.list[n-1], x) > 0
	}
	e.list = append(e.list, x)
	return entryHeader + pathHeader + (k.n+1)>>1 + len(r.Data)
}

func (e *entries) sort(l entryLog, pause *pauser) {
	if e.mixed {
		s := sorter{pause: pause, tie: func(x, y pair) int { return compareEntries(l, x, y) }}
		s.sort(e.list)
	}
}

// compareEntries orders entries by key, and equal keys as they were added.
func compareEntries(l entryLog, x, y pair) int {
	if x.first != y.first {
		return cmp.Compare(x.first, y.first)
	}
	if c := l.entry(x.second).path().compare(l.entry(y.second).path()); c != 0 {
		return c
	}
	return cmp.Compare(x.second, y.second)
}

// orderSymbols is how many symbols of a key fit in a pair's first, five bits each.
const orderSymbols = 12

// order returns the beginning of the key as a number that sorts as keys do: the
// end of the key first, then the nibbles, then the ordinary branch.
func (k *key) order() (o uint64) {
	const end, ordinary = 0, 17
	branch := k.ordinary
	for i, depth := 0, 0; i < orderSymbols; i++ {
		o <<= 5
		switch {
		case depth == branch:
			o |= ordinary
			branch = noOrdinary
		case depth >= k.n:
			o |= end
		default:
			o |= uint64(k.nibble(depth)) + 1
			depth++
		}
	}
	return o
}
