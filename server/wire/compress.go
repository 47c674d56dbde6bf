package wire

import (
	"math/rand/v2"

	"github.com/ptrd/ptrd/zone/dname"
)

// names has the positions of labels in a message, so that a later name can end in a pointer to
// them (RFC 1035 §4.1.4).
//
// It is a tree of labels in a hash table: an entry means that the label at offset label precedes
// the name at offset parent; 0 is the root. A name is looked up from its last label to the
// first, until a label is not found, so that a name that shares nothing costs one probe. The
// labels of the question are not in the table; [Writer] compares with them directly, because
// most names end in labels of the question or share nothing.
type names struct {
	slots [nameSlots]nameSlot
	used  [nameMax]uint16 // filled slots in the order of filling
	n     int             // of used
	// The first name, which is added to the table only when there is a second one: most
	// answers have one PTR and do not need the table.
	pending, pendingLen uint16
}

type nameSlot struct {
	label  uint16 // offset in the message; 0: the slot is free
	parent uint16
}

// The table has room for the labels of an answer of several times 1,232 octets. When three quarters
// are filled, further names are compressed, but not added: in a large answer over TCP, longer
// probes would cost more than the saved octets.
const (
	nameSlotBits = 9
	nameSlots    = 1 << nameSlotBits
	nameMax      = nameSlots / 4 * 3
)

// maxPointer is the first offset that a compression pointer cannot express.
const maxPointer = 1 << 14

// labelKey is a secret of this process: labels may come from an attacker, who could choose them so
// that all have the same slot. It is never changed. The output does not depend on it.
var labelKey = [2]uint64{rand.Uint64(), rand.Uint64() | 1}

func slotOf(parent int, label []byte) int {
	h := labelKey[0] ^ uint64(parent)<<8 ^ uint64(len(label))
	for _, c := range label {
		h = (h ^ uint64(dname.Lower(c))) * labelKey[1]
	}
	return int(h >> (64 - nameSlotBits)) // the upper bits depend on all of it
}

// find returns the offset of a label that precedes the name at parent; 0 if there is none. With
// fold, case is ignored.
func (t *names) find(msg []byte, parent int, label []byte, fold bool) int {
	for i := slotOf(parent, label); ; i = (i + 1) & (nameSlots - 1) {
		s := t.slots[i]
		if s.label == 0 {
			return 0
		}
		if int(s.parent) == parent && sameLabel(msg[s.label:], label, fold) {
			return int(s.label)
		}
	}
}

// sameLabel reports whether the label that begins with its length octet at the
// start of b is label.
func sameLabel(b, label []byte, fold bool) bool {
	if int(b[0]) != len(label) {
		return false
	}
	b = b[1 : 1+len(label)]
	for i, c := range label {
		if c != b[i] && !(fold && dname.Lower(c) == dname.Lower(b[i])) {
			return false
		}
	}
	return true
}

// add adds the label at offset at, which precedes the name at parent, if there is room for it and
// a pointer can express its offset.
func (t *names) add(msg []byte, parent, at int) {
	if t.n == nameMax || at >= maxPointer || parent >= maxPointer {
		return
	}
	i := slotOf(parent, msg[at+1:at+1+int(msg[at])])
	for t.slots[i].label != 0 {
		i = (i + 1) & (nameSlots - 1)
	}
	t.slots[i] = nameSlot{label: uint16(at), parent: uint16(parent)}
	t.used[t.n] = uint16(i)
	t.n++
}

// truncate removes all entries but the first n, in the opposite order of adding, which restores
// every chain of probes.
func (t *names) truncate(n int) {
	for t.n > n {
		t.n--
		t.slots[t.used[t.n]] = nameSlot{}
	}
}

// sharedWithQuestion returns how many octets of n precede the longest name that ends both n and the
// question's name q, and the offset of that name in q; at is negative if they share only the
// root.
func sharedWithQuestion(n, q dname.Name, fold bool) (front, at int) {
	same := 1 // octets that are equal at the end of both: the root octet
	for same < len(n) && same < len(q) {
		a, b := n[len(n)-1-same], q[len(q)-1-same]
		if a != b && !(fold && dname.Lower(a) == dname.Lower(b)) {
			break
		}
		same++
	}
	if same == 1 {
		return len(n) - 1, -1
	}
	// The shared name begins at the first label of n that lies in the equal
	// octets and begins a label in q as well.
	shift := len(q) - len(n)
	j := 0
	for i := 0; i < len(n)-1; i += 1 + int(n[i]) {
		if i < len(n)-same {
			continue
		}
		for j < i+shift {
			j += 1 + int(q[j])
		}
		if j == i+shift {
			return i, j
		}
	}
	return len(n) - 1, -1
}
