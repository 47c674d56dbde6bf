package synth

import (
	"encoding/binary"
	"math/bits"
	"strconv"

	"github.com/ptrd/ptrd/zone/dname"
)

// step is a step of writing the name of an address: a number, if it has one, and then text, up to
// 8 octets in all. If the number of digits is fixed, the text is in its place in the word. Where a
// label has no fixed length, its octet of length is a text octet 0 until the step at its end.
type step struct {
	text  uint64 // the first octet lowest, 0 above
	kind  stepKind
	size  uint8 // octets of text
	shift uint8 // from the end of 128 bits, of which an IPv4 address has the first 32
	count uint8 // digits of stepHex and stepPadded; the index in the list of pieces of stepPiece
}

type stepKind uint8

const (
	stepText   stepKind = iota
	stepEnd             // the length of the label that ends here, then text
	stepOctet           // 8 bits in decimal
	stepPadded          // 8 bits in decimal, with three digits
	stepGroup           // 16 bits in hexadecimal
	stepHex             // up to 8 digits in hexadecimal, with leading zeros
	stepPiece           // any other piece, and no text
)

// Room is the octets that [Template.Put] may write to: a name, and what lies behind it up to a
// whole word.
const Room = dname.MaxWire + 1 + 8

// program returns the steps of a template, and the pieces that stepPiece writes.
func (t *Template) program() (steps []step, pieces []piece) {
	text := func(s string) {
		for _, c := range []byte(s) {
			if n := len(steps) - 1; n < 0 || int(steps[n].size) == steps[n].room() {
				steps = append(steps, step{kind: stepText})
			}
			last := &steps[len(steps)-1]
			last.text |= uint64(c) << (8 * (last.count + last.size))
			last.size++
		}
	}
	left := 128 - t.prefix.Addr().BitLen() // by how many bits an address is shifted
	lengths, areFixed := t.lengths()
	for i, l := range t.labels {
		text(string([]byte{lengths[i]}))
		for i := range l {
			p := &l[i]
			s := step{shift: uint8(left + p.shift)}
			switch {
			case p.radix == 0:
				text(p.text)
				continue
			case p.radix == 10 && p.width == 8 && p.digits == 0:
				s.kind = stepOctet
			case p.radix == 10 && p.width == 8 && p.digits == 3:
				s.kind, s.count = stepPadded, 3
			case p.radix == 16 && p.width == 16 && p.digits == 0 && p.shift%16 == 0:
				s.kind = stepGroup
			case p.radix == 16 && p.width == 4*p.digits || p.radix == 16 && p.width == 4:
				// Eight digits a step at most, of one half of the bits.
				for end := left + p.shift + p.width; end > left+p.shift; end -= 4 * int(s.count) {
					from := max(left+p.shift, end-32, (end-1)&^63)
					s = step{kind: stepHex, shift: uint8(from), count: uint8((end - from) / 4)}
					steps = append(steps, s)
				}
				continue
			default:
				s = step{kind: stepPiece, count: uint8(len(pieces))}
				pieces = append(pieces, *p)
			}
			steps = append(steps, s)
		}
		if !areFixed {
			steps = append(steps, step{kind: stepEnd})
		}
	}
	text(string(t.base))
	return steps, pieces
}

// room returns how much text a step can have: with its number, it writes a word.
func (s *step) room() int {
	switch s.kind {
	case stepOctet:
		return 8 - 3
	case stepGroup:
		return 8 - 4
	case stepPadded, stepHex:
		return 8 - int(s.count)
	case stepPiece:
		return 0
	}
	return 8
}

// lengths returns the octets of the labels, 0 of all if that of one depends on the address.
func (t *Template) lengths() (list []byte, ok bool) {
	list = make([]byte, len(t.labels))
	for i, l := range t.labels {
		for j := range l {
			p := &l[j]
			size := p.digits
			if p.radix == 0 {
				size = len(p.text)
			} else if size == 0 && p.mostDigits() == 1 {
				size = 1
			} else if size == 0 {
				return make([]byte, len(t.labels)), false
			}
			list[i] += byte(size)
		}
	}
	return list, true
}

// Put writes the name of an address of the prefix to dst and returns its length. The address
// is left-aligned in 128 bits, as in [dname.AddressKey].
func (t *Template) Put(dst *[Room]byte, hi, lo uint64) int {
	words := [2]uint64{lo, hi}
	n, label := uint(0), uint(0)
	for i := range t.steps {
		s := &t.steps[i]
		v := words[s.shift>>6&1] >> (s.shift & 63)
		word, size := s.text, uint(0)
		switch s.kind {
		case stepEnd:
			dst[label&255] = byte(n - label - 1)
			label = n
		case stepOctet:
			d := decimals[v&255]
			size = uint(d >> 24)
			word = word<<(8*size&63) | uint64(d&0xff_ff_ff)
		case stepPadded:
			d := decimals[v&255]
			zeros := 24 - d>>24*8&31
			size = 3
			word |= uint64(d&0xff_ff_ff<<zeros | 0x30_30_30&(1<<zeros-1))
		case stepGroup:
			v &= 0xffff
			size = uint(bits.Len32(uint32(v)|1)+3) >> 2
			word = word<<(8*size&63) | hexDigits(uint32(v))>>((64-8*size)&63)
		case stepHex:
			// The text is in its place already. To shift it here, as for stepGroup, would be wrong for 8
			// digits: Go 1.26 compiles x<<(n&63) | y>>((64-n)&63) to one SHLD on amd64, which loses y
			// if n is 64.
			size = uint(s.count)
			word |= hexDigits(uint32(v)) >> ((64 - 8*size) & 63)
		case stepPiece:
			n += t.putPiece(dst[n&255:], &t.pieces[s.count], hi, lo)
		}
		binary.LittleEndian.PutUint64(dst[n&255:], word)
		n += size + uint(s.size)
	}
	return int(n)
}

// putPiece writes a piece and returns its length.
func (t *Template) putPiece(dst []byte, p *piece, hi, lo uint64) uint {
	n := number{hi, lo}.right(128 - t.prefix.Addr().BitLen())
	if p.permuted {
		n = t.permutation.apply(n.and(t.mask.not()))
	}
	return uint(len(p.append(dst[:0], n)))
}

// decimals are the numbers of an octet: the digits, the first lowest, and above how many they are.
var decimals = func() (list [256]uint32) {
	for i := range list {
		s := strconv.Itoa(i)
		for j := range s {
			list[i] |= uint32(s[j]) << (8 * j)
		}
		list[i] |= uint32(len(s)) << 24
	}
	return list
}()

// hexDigits returns the digits of 32 bits, the first lowest.
func hexDigits(n uint32) uint64 {
	const each = 0x01_01_01_01_01_01_01_01
	v := uint64(n)
	v = (v | v<<16) & 0x0000_ffff_0000_ffff
	v = (v | v<<8) & 0x00ff_00ff_00ff_00ff
	v = (v | v<<4) & (each * 0x0f)
	letters := (v + each*6) >> 4 & each
	return bits.ReverseBytes64(v + each*'0' + letters*('a'-10-'0'))
}
