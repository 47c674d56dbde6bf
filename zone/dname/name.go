// Package dname holds domain names as octets and the arithmetic between
// reverse names and addresses or prefixes.
//
// A [Name] is the wire form of RFC 1035 §3.1 without compression: labels of a
// length octet and up to 63 octets each, ended by the root's zero octet, at
// most 255 octets in all. Case is kept as given and never matters for
// comparison (RFC 4343). The package knows nothing of zones or messages.
package dname

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Limits of RFC 1035 §2.3.4.
const (
	MaxWire   = 255 // octets of a name in wire form, the root octet included
	MaxLabel  = 63  // octets of one label
	MaxLabels = 127 // labels of a name, the root not counted
)

// Name is a domain name in uncompressed wire form, its final root octet
// included. A Name is immutable; a function that returns one in a
// buffer documents how long it stays valid. The zero value (nil) is no name.
type Name []byte

// Root returns the name of the DNS root.
func Root() Name { return Name{0} }

// SyntaxError is the position of the first fault in a presentation form.
type SyntaxError struct {
	Offset int    // octets from the start of the text
	Reason string // the rule that was broken, lower case
}

func (e *SyntaxError) Error() string { return e.Reason }

// Parse reads the presentation form of an absolute name (RFC 1035 §5.1: `\X`
// and `\DDD` are understood); the final dot may be missing. The error is a
// *SyntaxError.
func Parse(s string) (Name, error) {
	if s == "@" {
		return Name("\x01@\x00"), nil
	}
	return ParseIn(s, Root())
}

// ParseIn reads a name as a master file has it (RFC 1035 §5.1): `@` is the
// origin, a name without a final dot is relative to it. The error is a
// *SyntaxError.
func ParseIn(s string, origin Name) (Name, error) {
	n, _, bad := AppendText(make(Name, 0, len(s)+2), []byte(s), origin)
	if bad != nil {
		return nil, bad
	}
	return n, nil
}

// MustParse is Parse for names known to be valid; it panics on others.
func MustParse(s string) Name {
	n, err := Parse(s)
	if err != nil {
		panic(fmt.Sprintf("dname: %q: %v", s, err))
	}
	return n
}

// FromWire returns the uncompressed name at the start of b, as a view of b, or
// nil if there is none: a compression pointer, a label type other than 00, a
// name over 255 octets, or b too short.
func FromWire(b []byte) Name {
	i := 0
	// Four labels of one octet at a time, which names below ip6.arpa begin with.
	for i+8 <= len(b) && i < MaxWire && binary.LittleEndian.Uint64(b[i:])&singleMask == singles {
		i += 8
	}
	for i < len(b) && i < MaxWire {
		l := int(b[i])
		if l == 0 {
			return Name(b[: i+1 : i+1])
		}
		if l > MaxLabel {
			return nil
		}
		i += 1 + l
	}
	return nil
}

// Lower returns the ASCII lower case of c (RFC 4343 §3).
func Lower(c byte) byte {
	if c-'A' < 26 {
		return c | 0x20
	}
	return c
}

// AppendLower appends the name in lower case to dst and returns the result.
// Length octets are below 'A' and so keep their value.
func (n Name) AppendLower(dst []byte) Name {
	for _, c := range n {
		dst = append(dst, Lower(c))
	}
	return dst
}

// Key returns the lower-case wire form as a string, for use as a map key:
// equal names have equal keys.
func (n Name) Key() string { return string(n.AppendLower(make([]byte, 0, MaxWire))) }

// Clone returns a copy that shares nothing with n.
func (n Name) Clone() Name { return bytes.Clone(n) }

// Equal reports whether the names are the same without regard to case.
func (n Name) Equal(m Name) bool {
	if len(n) != len(m) {
		return false
	}
	if string(n) == string(m) { // mostly, and many octets at a time
		return true
	}
	for i, c := range n {
		if c != m[i] && Lower(c) != Lower(m[i]) {
			return false
		}
	}
	return true
}

// Labels returns the number of labels, the root not counted.
func (n Name) Labels() int {
	c := 0
	for i := 0; n[i] != 0; i += 1 + int(n[i]) {
		c++
	}
	return c
}

// IsRoot reports whether n is the root.
func (n Name) IsRoot() bool { return len(n) == 1 }

// Label returns the first (leftmost) label without its length octet, as a view
// of n; it is empty for the root.
func (n Name) Label() []byte { return n[1 : 1+int(n[0])] }

// Parent returns n without its first label, as a view of n. The root's parent
// is the root.
func (n Name) Parent() Name { return n[int(n[0])+min(1, int(n[0])):] }

// Suffix returns the last k labels of n, as a view of n. It panics if n has
// fewer.
func (n Name) Suffix(k int) Name {
	for drop := n.Labels() - k; drop != 0; drop-- {
		if drop < 0 {
			panic("dname: Suffix asks for more labels than the name has")
		}
		n = n.Parent()
	}
	return n
}

// IsAtOrBelow reports whether n is ancestor itself or a name below it.
func (n Name) IsAtOrBelow(ancestor Name) bool {
	d := len(n) - len(ancestor)
	i := 0
	for i < d {
		i += 1 + int(n[i])
	}
	return i == d && n[i:].Equal(ancestor)
}

// IsWildcard reports whether the first label is `*` (RFC 4592 §2.1.1).
func (n Name) IsWildcard() bool { return len(n) > 2 && n[0] == 1 && n[1] == '*' }

// Prepend returns the name with one more label in front. The error names which
// limit of RFC 1035 §2.3.4 would be broken.
func (n Name) Prepend(label []byte) (Name, error) {
	switch {
	case len(label) == 0:
		return nil, &SyntaxError{0, "empty label"}
	case len(label) > MaxLabel:
		return nil, &SyntaxError{0, "label longer than 63 octets"}
	case len(label)+1+len(n) > MaxWire:
		return nil, &SyntaxError{0, "name longer than 255 octets"}
	}
	m := make(Name, 0, len(n)+1+len(label))
	m = append(m, byte(len(label)))
	m = append(m, label...)
	return append(m, n...), nil
}

// Compare orders names canonically (RFC 4034 §6.1): by label from the root
// down, octets in lower case, an absent label first. It returns -1, 0 or +1.
func Compare(a, b Name) int {
	var ao, bo [MaxLabels + 1]uint8
	an, bn := Offsets(a, &ao), Offsets(b, &bo)
	for an > 0 && bn > 0 {
		an--
		bn--
		if c := CompareLabels(a[ao[an]:].Label(), b[bo[bn]:].Label()); c != 0 {
			return c
		}
	}
	switch {
	case an > 0:
		return 1
	case bn > 0:
		return -1
	}
	return 0
}

// CompareLabels orders two labels canonically (RFC 4034 §6.1).
func CompareLabels(a, b []byte) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if x, y := Lower(a[i]), Lower(b[i]); x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	switch {
	case len(a) < len(b):
		return -1
	case len(a) > len(b):
		return 1
	}
	return 0
}

// Eight octets that are four labels of one octet, and which of them tell.
const (
	singles    = 0x0001_0001_0001_0001
	singleMask = 0x00ff_00ff_00ff_00ff
)

// Offsets fills o with where the labels of n begin, the first (leftmost) label
// first, and returns how many there are; the root is not one of them.
func Offsets(n Name, o *[MaxLabels + 1]uint8) int {
	c, i := 0, 0
	// Four labels of one octet at a time, which names below ip6.arpa begin with.
	for i+8 <= len(n) && binary.LittleEndian.Uint64(n[i:])&singleMask == singles {
		binary.LittleEndian.PutUint32(o[c:], 0x06040200+uint32(i)*0x01010101)
		c += 4
		i += 8
	}
	for ; n[i] != 0; i += 1 + int(n[i]) {
		o[c] = uint8(i)
		c++
	}
	return c
}

// IsHostLabel reports whether a label may be in the name of a host (RFC 952, RFC 1123 §2.1).
func IsHostLabel(label []byte) bool {
	for _, c := range label {
		if !nameText[c] {
			return false
		}
	}
	return len(label) > 0 && label[0] != '-' && label[len(label)-1] != '-'
}
