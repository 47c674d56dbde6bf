package zonefile

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/ptrd/ptrd/zone/dname"
)

// Names of simple lines, eight octets at a time.

// slack is how many octets behind the end of a text, of any value, the functions
// of this file may read.
const slack = 8

// maxNameText is more text than a name without escapes can have, in whole blocks
// of 64 octets.
const maxNameText = 320

// nameRoom has room for a name in wire form and for what is written before its
// end is seen.
type nameRoom [maxNameText + 1 + slack]byte

// Octets side by side: an octet below 0x80 plus (0x80 - c) has its highest bit set
// if it is c or more, and carries nothing into the next.
const (
	each  = 0x0101010101010101
	highs = 0x80 * each
)

// nameOctets looks at eight octets of text, the first the lowest. Of each octet's
// highest bit, stop has those of octets that are no letter, digit, hyphen, slash or dot,
// dots those of the dots before the first stop.
func nameOctets(w uint64) (stop, dots uint64) {
	x := w &^ highs
	folded := x | 0x20*each // upper case becomes lower case, and nothing else a letter
	letter := (folded + (0x80-'a')*each) &^ (folded + (0x80-'z'-1)*each)
	other := (x + (0x80-'-')*each) &^ (x + (0x80-'9'-1)*each) // - . / 0 to 9
	stop = (^(letter | other) | w) & highs
	dots = ^((x ^ '.'*each) + 0x7f*each) & highs
	return stop, dots & (stop - 1) &^ stop
}

// gather makes eight bits of the highest bits of eight octets, the lowest first.
func gather(m uint64) uint64 { return (m >> 7) * 0x0102040810204080 >> 56 }

// scanName reads the longest start of text that consists of letters, digits,
// hyphens, slashes (RFC 2317 §4) and dots as a name. It returns its length; 0 if
// that is no name. It may be one of more than 255 octets. The wire form is in
// room and one octet longer; that of a relative name lacks the root's octet.
func scanName(room *nameRoom, text []byte) (n int, absolute bool) {
	label := 0 // where in room its length octet is, and in text its first
	for more := true; more; {
		var dots uint64
		block := n
		for shift := 0; shift < 64; shift += 8 {
			if n > maxNameText-8 {
				return 0, false
			}
			w := binary.LittleEndian.Uint64(text[n:])
			binary.LittleEndian.PutUint64(room[n+1:], w)
			stop, d := nameOctets(w)
			dots |= gather(d) << shift
			if stop != 0 {
				n += bits.TrailingZeros64(stop) >> 3
				more = false
				break
			}
			n += 8
		}
		for ; dots != 0; dots &= dots - 1 {
			dot := block + bits.TrailingZeros64(dots)
			if uint(dot-label-1) >= dname.MaxLabel {
				return 0, false
			}
			room[label] = byte(dot - label)
			label = dot + 1
		}
	}
	if n == 0 || n-label > dname.MaxLabel {
		return 0, false
	}
	room[label] = byte(n - label)
	return n, n == label
}

// scanNibbles reports whether text starts with count labels of one octet, at least
// one, with dots between them, and writes their wire form to room. It does not look
// at the octets: [dname.Name.Address] reports whether they are nibbles.
func scanNibbles(room *nameRoom, text []byte, count int) bool {
	const (
		pairs  = 0x0001000100010001 // a nibble's octet and its dot's
		nibble = 0xff * pairs
	)
	octets := 2 * count // with the one behind the last label, which may be anything
	wrong := uint64(0)
	for i := 0; i < octets; i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		binary.LittleEndian.PutUint64(room[i:], w&nibble<<8|pairs)
		dots := (w ^ '.'*pairs<<8) &^ nibble
		if rest := octets - i; rest <= 8 {
			dots &= ^uint64(0) >> (72 - 8*rest)
		}
		wrong |= dots
	}
	return wrong == 0
}

// scanIP6 is scanNibbles for an absolute name with as many labels as that of an
// IPv6 address. It returns its length, the wire form being one octet longer; 0 if
// text starts with something else.
func scanIP6(room *nameRoom, text []byte) int {
	const (
		front = 2 * 32
		n     = front + len("ip6.arpa.")
	)
	if len(text) < n+slack || text[front-1] != '.' || !scanNibbles(room, text, 32) || !bytes.EqualFold(text[front:n], []byte("ip6.arpa.")) {
		return 0
	}
	copy(room[front+1:], text[front:n])
	room[front], room[front+4], room[n] = 3, 4, 0
	return n
}
