package wire

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Section is a section of a message that holds records.
type Section uint8

// The sections.
const (
	Answer Section = iota
	Authority
	Additional
)

// Writer writes a message to the caller's buffer. It has about 4 KB and should be reused with
// Reset. It is not safe for concurrent use.
type Writer struct {
	buf      []byte // the caller's, cut to the limit
	n        int    // octets written
	reserved int    // octets at the end that Record leaves free
	counts   [3]uint16
	question dname.Name // at HeaderLen; empty: none
	opt      int        // offset of the RDLENGTH of the OPT record; 0: none yet
	names    names
	labels   [dname.MaxLabels + 1]uint8 // of the name being written
	joined   [joinedLen]byte            // RDATA that came in two pieces
}

// joinedLen is the longest RDATA with compressible names (SOA: two names and
// five words).
const joinedLen = 2*dname.MaxWire + 20

// Reset begins a message of at most limit octets in buf, which is at least a
// header long. The first n octets of buf are kept: the header, which [Writer.Finish]
// fills in, and the question with the name question, or only the header if
// question is empty.
func (w *Writer) Reset(buf []byte, limit, n int, question dname.Name) {
	w.buf = buf[:min(limit, len(buf))]
	w.n = n
	w.reserved = 0
	w.counts = [3]uint16{}
	w.question = question
	w.opt = 0
	w.names.truncate(0)
	w.names.pending = 0
}

// Len returns the number of octets written.
func (w *Writer) Len() int { return w.n }

// Room returns the number of octets that are free for records.
func (w *Writer) Room() int { return len(w.buf) - w.reserved - w.n }

// Reserve reserves n octets at the end of the message, instead of those reserved before.
func (w *Writer) Reserve(n int) { w.reserved = n }

// Mark is a position in a message for Rollback.
type Mark struct {
	n, names int
	counts   [3]uint16
	pending  uint16
}

// Mark returns the current position.
func (w *Writer) Mark() Mark {
	return Mark{n: w.n, names: w.names.n, counts: w.counts, pending: w.names.pending}
}

// Rollback removes what was written since Mark. An [Owner] that was written since then must not be
// used again.
func (w *Writer) Rollback(m Mark) {
	w.n = m.n
	w.counts = m.counts
	w.names.truncate(m.names)
	w.names.pending = m.pending
}

// Owner is the owner name of the records of an RRset. The name is written once;
// later records point to it.
type Owner struct {
	Name dname.Name
	at   int // offset of the name in the message; 0: not written yet
}

// Record appends a record to a section. RDATA is head followed by tail, names in
// it not compressed; the names of the types of RFC 1035 are written compressed,
// in the case given. If the record does not fit, nothing is written and Record
// returns false.
func (w *Writer) Record(s Section, o *Owner, t rr.Type, c rr.Class, ttl uint32, head, tail []byte) bool {
	m := w.Mark()
	if !w.owner(o) || w.Room() < 10 {
		w.Rollback(m)
		return false
	}
	p := w.n
	fixed := w.buf[p : p+10]
	binary.BigEndian.PutUint16(fixed, uint16(t))
	binary.BigEndian.PutUint16(fixed[2:], uint16(c))
	binary.BigEndian.PutUint32(fixed[4:], ttl)
	w.n = p + 10
	if !w.rdata(rr.NamesIn(t), head, tail) {
		w.Rollback(m)
		return false
	}
	if o.at == 0 && len(o.Name) > 1 {
		o.at = w.target(m.n)
	}
	binary.BigEndian.PutUint16(fixed[8:], uint16(w.n-p-10))
	w.counts[s]++
	return true
}

func (w *Writer) owner(o *Owner) bool {
	if o.at != 0 && o.at < maxPointer {
		return w.pointer(o.at)
	}
	// Most owner names are views of the question's name, or of its end.
	q := w.question
	if d := len(q) - len(o.Name); d >= 0 && len(o.Name) > 1 && &q[d] == &o.Name[0] {
		o.at = HeaderLen + d
		return w.pointer(o.at)
	}
	return w.name(o.Name, true)
}

// target returns the offset of the name at p, or the one that it points to where
// it is nothing but a pointer.
func (w *Writer) target(p int) int {
	if w.buf[p] >= 0xc0 {
		return int(w.buf[p]&0x3f)<<8 | int(w.buf[p+1])
	}
	return p
}

func (w *Writer) rdata(in rr.Names, head, tail []byte) bool {
	if in.Count == 0 || len(head)+len(tail) > joinedLen {
		return w.octets(head) && w.octets(tail)
	}
	if len(tail) != 0 {
		n := copy(w.joined[:], head)
		n += copy(w.joined[n:], tail)
		head = w.joined[:n]
	}
	skip := int(in.Skip)
	if skip > len(head) || !w.octets(head[:skip]) {
		return false
	}
	head = head[skip:]
	for range in.Count {
		n := dname.FromWire(head)
		if n == nil {
			break // invalid for the type: written unchanged
		}
		if !w.name(n, false) {
			return false
		}
		head = head[len(n):]
	}
	return w.octets(head)
}

func (w *Writer) octets(b []byte) bool {
	if len(b) > w.Room() {
		return false
	}
	w.n += copy(w.buf[w.n:], b)
	return true
}

func (w *Writer) pointer(at int) bool {
	if w.Room() < 2 {
		return false
	}
	binary.BigEndian.PutUint16(w.buf[w.n:], uint16(0xc000|at))
	w.n += 2
	return true
}

// name appends n. Its end is replaced by a pointer to the longest name in the message that it
// ends with. Owner names are compared without regard to case: the labels that they share with
// the question have its case (RFC 4343 §4.1). Names in RDATA point only to equal octets, so
// that the target of a PTR keeps its case.
func (w *Writer) name(n dname.Name, fold bool) bool {
	front, at := len(n)-1, 0
	if len(w.question) > 1 {
		var j int
		if front, j = sharedWithQuestion(n, w.question, fold); j >= 0 {
			at = HeaderLen + j
		}
	}
	if w.names.n == 0 && w.names.pending == 0 {
		start := w.n
		if !w.literal(n, front, at) {
			return false
		}
		switch {
		case at == 0 && front > 0 && start < maxPointer:
			w.names.pending, w.names.pendingLen = uint16(start), uint16(len(n))
		case at != 0:
			w.remember(w.split(n[:front]), start, at)
		}
		return true
	}
	if p := int(w.names.pending); p != 0 {
		w.names.pending = 0
		w.remember(w.split(w.buf[p:p+int(w.names.pendingLen)-1]), p, 0)
	}
	shared := front
	k, front, at := w.known(n, front, at, fold)
	if fold && k > 0 && len(w.question) > 1 {
		// A name in RDATA may have these labels in the case of the zone, where the
		// question has another (0x20), and be the longer match.
		if exact, j := sharedWithQuestion(n, w.question, false); exact > shared {
			from := 0
			if j >= 0 {
				from = HeaderLen + j
			}
			if k2, front2, at2 := w.known(n, exact, from, true); front2 < front {
				k, front, at = k2, front2, at2
			}
		}
	}
	start := w.n
	if !w.literal(n, front, at) {
		return false
	}
	w.remember(k, start, at)
	return true
}

// known looks for the labels of n[:front], which precede the name at offset at, from the last one
// on. It returns how many are not in the message, where they end in n, and the offset of the
// name that follows them. w.labels has their offsets.
func (w *Writer) known(n dname.Name, front, at int, fold bool) (k, end, parent int) {
	k = w.split(n[:front])
	for k > 0 {
		found := w.names.find(w.buf, at, n[w.labels[k-1]+1:front], fold)
		if found == 0 {
			break
		}
		k--
		front, at = int(w.labels[k]), found
	}
	return k, front, at
}

// literal appends the first front octets of n and then a pointer to at, or the
// root if at is 0.
func (w *Writer) literal(n dname.Name, front, at int) bool {
	if at == 0 {
		return w.octets(n)
	}
	return w.octets(n[:front]) && w.pointer(at)
}

// split fills w.labels with the offsets of the labels in front, octets of a name
// without its end, and returns their number.
func (w *Writer) split(front []byte) int {
	k := 0
	for i := 0; i < len(front); i += 1 + int(front[i]) {
		w.labels[k] = uint8(i)
		k++
	}
	return k
}

// remember adds the first k labels of w.labels, which belong to a name written at offset start, to
// the table; the name at offset parent (0: the root) follows them.
func (w *Writer) remember(k, start, parent int) {
	for k > 0 {
		k--
		at := start + int(w.labels[k])
		w.names.add(w.buf, parent, at)
		parent = at
	}
}

// OPT appends the OPT record, without options, in the octets that were reserved
// (RFC 6891 §6.1.2). It returns false if there is no room even there.
func (w *Writer) OPT(udpSize uint16, c RCode, flags uint16) bool {
	w.reserved = 0
	if w.Room() < OPTLen {
		return false
	}
	w.opt = w.n + 9
	w.n += PutOPT(w.buf[w.n:], udpSize, c, flags)
	w.counts[Additional]++
	return true
}

// PutOPT writes an OPT record without options to b, which has room for it, and
// returns its length.
func PutOPT(b []byte, udpSize uint16, c RCode, flags uint16) int {
	b = b[:OPTLen]
	b[0] = 0
	// The upper bits of the RCODE and the version that we speak, 0, are one word.
	binary.BigEndian.PutUint64(b[1:], uint64(rr.TypeOPT)<<48|uint64(udpSize)<<32|uint64(c>>4)<<24|uint64(flags))
	binary.BigEndian.PutUint16(b[9:], 0)
	return OPTLen
}

// Option appends an option to the OPT record written last, its data in two
// pieces; it returns false and writes nothing if the option does not fit.
func (w *Writer) Option(code uint16, head, tail []byte) bool {
	b := w.option(code, len(head)+len(tail))
	if b == nil {
		return false
	}
	copy(b[copy(b, head):], tail)
	return true
}

// EDE appends an extended DNS error, without its text if there is no room for that (RFC 8914 §3
// allows dropping the text).
func (w *Writer) EDE(info uint16, text string) bool {
	b := w.option(OptionEDE, 2+len(text))
	if b == nil {
		if b = w.option(OptionEDE, 2); b == nil {
			return false
		}
	}
	binary.BigEndian.PutUint16(b, info)
	copy(b[2:], text)
	return true
}

// Padding appends an option (RFC 7830) so that the length of the message, with the octets that
// will follow, is a multiple of block, or as long as it may be.
func (w *Writer) Padding(block, following int) bool {
	n := w.n + 4 + following
	n = (n+block-1)/block*block - n
	b := w.option(OptionPadding, min(n, max(w.Room()-4, 0)))
	clear(b)
	return b != nil
}

// option appends an option with n octets of data and returns the room for them;
// nil if they do not fit.
func (w *Writer) option(code uint16, n int) []byte {
	if w.opt == 0 || w.Room() < 4+n {
		return nil
	}
	b := w.buf[w.n : w.n+4+n]
	binary.BigEndian.PutUint16(b, code)
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	w.n += 4 + n
	binary.BigEndian.PutUint16(w.buf[w.opt:], uint16(w.n-w.opt-2))
	return b[4:]
}

// Finish writes the header with the counts of what was written and returns the
// length of the message.
func (w *Writer) Finish(id uint16, f Flags) int {
	h := Header{ID: id, Flags: f, Answers: w.counts[Answer], Authorities: w.counts[Authority], Additionals: w.counts[Additional]}
	if len(w.question) != 0 {
		h.Questions = 1
	}
	h.Put(w.buf)
	return w.n
}
