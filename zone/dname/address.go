package dname

import (
	"encoding/binary"
	"math/bits"
)

// AddressKey is an address as the path to its reverse name: its nibbles, the
// highest one on top of Hi. An IPv4 address fills the upper half of Hi.
type AddressKey struct {
	Hi, Lo uint64
	Family Family // InAddr or IP6
}

// Ends of the reverse names of whole addresses.
const (
	inAddrEnd  = len(inAddrArpa)
	ip6Labels  = 2 * 32 // octets of 32 nibble labels
	ip6NameLen = ip6Labels + len(ip6Arpa)
)

// AddressRoom is how long the octets are that ReadAddress looks at.
const AddressRoom = 80

// ReadAddress reads the reverse name of a whole address, four octets below
// in-addr.arpa or 32 nibbles below ip6.arpa, in either case, from the start of b.
// It fills in k and returns the length of the name in octets; 0 if b begins with
// any other name. What lies behind the name does not matter, but has to be there:
// most questions of a reverse zone begin with such a name, and reading it without
// a look at the end of b takes half as long.
func ReadAddress(b *[AddressRoom]byte, k *AddressKey) int {
	le := binary.LittleEndian
	// \3ip6\4arpa\0 is 10 octets and \7in-addr\4arpa\0 is 14: two words each, which
	// overlap. A bit is set in the letters alone, so that only their case is lost.
	const (
		first6, firstLetters6 = 0x70_72_61_04_36_70_69_03, 0x20_20_20_00_00_20_20_00 // \3ip6\4arp
		last6, lastLetters6   = 0x00_61_70_72_61_04_36_70, 0x00_20_20_20_20_00_00_20 // p6\4arpa\0
		first4, firstLetters4 = 0x72_64_64_61_2d_6e_69_07, 0x20_20_20_20_00_20_20_00 // \7in-addr
		last4, lastLetters4   = 0x00_61_70_72_61_04_72_64, 0x00_20_20_20_20_00_20_20 // dr\4arpa\0
	)
	if b[0] == 1 && le.Uint64(b[ip6Labels:])|firstLetters6 == first6 && le.Uint64(b[ip6Labels+2:])|lastLetters6 == last6 {
		lo, wrong := readNibbles((*[32]byte)(b[:]))
		hi, wrong2 := readNibbles((*[32]byte)(b[32:]))
		if wrong|wrong2 != 0 {
			return 0
		}
		*k = AddressKey{Hi: hi, Lo: lo, Family: IP6}
		return ip6NameLen
	}
	var addr uint32
	i := 0
	for range 4 {
		// A length and up to three digits, the octets of w from the lowest on.
		// Written out, they are one load without a look at the end of b.
		j := i & 15
		w := uint32(b[j]) | uint32(b[j+1])<<8 | uint32(b[j+2])<<16 | uint32(b[j+3])<<24
		n := w & 0xff
		if n-1 > 2 {
			return 0
		}
		// The digits, the hundreds lowest, and 0 where there are none. How many there
		// are cannot be predicted by a branch.
		left := 8 * (3 - n) & 31
		d := (w>>8<<left - 0x30_30_30<<left) & 0xff_ff_ff
		ordered := bits.ReverseBytes32(d) >> 8
		if (d|(d+0x76_76_76))&0x80_80_80 != 0 || ordered > 0x02_05_05 || w&0xff00 == '0'<<8 && n > 1 {
			return 0
		}
		c := d * (100<<16 | 10<<8 | 1) >> 16 & 0xff
		i += 1 + int(n)
		addr = addr>>8 | c<<24 // the last octet comes first
	}
	if le.Uint64(b[i&31:])|firstLetters4 != first4 || le.Uint64(b[i&31+6:])|lastLetters4 != last4 {
		return 0
	}
	*k = AddressKey{Hi: uint64(addr) << 32, Family: InAddr}
	return i + inAddrEnd
}

// readNibbles reads 16 nibble labels, each its length and a hexadecimal digit, of
// which the first is the lowest nibble. wrong is not 0 if one is anything else.
func readNibbles(b *[32]byte) (n, wrong uint64) {
	const lengths = 0x00ff_00ff_00ff_00ff
	le := binary.LittleEndian
	bad := byte(0)
	for i := 0; i < len(b); i += 8 {
		wrong |= le.Uint64(b[i:])&lengths ^ lengths&0x0101_0101_0101_0101
		p, q, r, s := nibbles[b[i+1]], nibbles[b[i+3]], nibbles[b[i+5]], nibbles[b[i+7]]
		bad |= p | q | r | s
		n = n>>16 | uint64(p|q<<4)<<48 | uint64(r|s<<4)<<56
	}
	return n, wrong | uint64(bad&0xf0)
}

// Address is ReadAddress for a name by itself.
func (n Name) Address(k *AddressKey) bool {
	var b [AddressRoom]byte
	return len(n) > 0 && copy(b[:], n) == len(n) && ReadAddress(&b, k) == len(n)
}
