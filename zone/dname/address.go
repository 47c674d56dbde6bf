package dname

import "encoding/binary"

// AddressKey is an address as the path to its reverse name: its nibbles, the
// highest one on top of Hi. An IPv4 address fills the upper half of Hi.
type AddressKey struct {
	Hi, Lo uint64
	Family Family // InAddr or IP6
}

// Ends of the reverse names of whole addresses.
const (
	inAddrEnd  = len(inAddrArpa)
	ip6End     = len(ip6Arpa)
	ip6Labels  = 2 * 32 // octets of 32 nibble labels
	ip6NameLen = ip6Labels + ip6End
)

// ReadAddress reads the reverse name of a whole address, four octets below
// in-addr.arpa or 32 nibbles below ip6.arpa, in either case, from the start of b.
// It fills in k and returns the length of the name in octets; 0 if b begins with
// any other name.
//
// It is what most questions of a reverse zone begin with, and is read without a
// table, eight octets at a time.
func ReadAddress(b []byte, k *AddressKey) int {
	if len(b) >= ip6NameLen && b[0] == 1 {
		if n := readAddress6((*[ip6NameLen]byte)(b), k); n != 0 {
			return n
		}
	}
	return readAddress4(b, k)
}

func readAddress4(b []byte, k *AddressKey) int {
	var addr uint32
	i := 0
	for range 4 {
		if len(b)-i < 4 {
			return 0
		}
		// A length and up to three digits, the octets of w from the lowest on.
		w := binary.LittleEndian.Uint32(b[i:])
		n := w & 0xff
		c := w>>8&0xff - '0'
		if c > 9 || n-1 > 2 {
			return 0
		}
		if n > 1 {
			d := w>>16&0xff - '0'
			if c == 0 || d > 9 {
				return 0
			}
			c = c*10 + d
			if n > 2 {
				e := w>>24 - '0'
				if c = c*10 + e; e > 9 || c > 255 {
					return 0
				}
			}
		}
		i += 1 + int(n)
		addr = addr>>8 | c<<24 // the last octet comes first
	}
	// \7in-addr\4arpa\0 is 14 octets: two words that overlap. A bit is set in the
	// letters alone, so that only their case is lost.
	if len(b)-i < inAddrEnd {
		return 0
	}
	end := (*[inAddrEnd]byte)(b[i:])
	const (
		first, firstLetters = 0x72_64_64_61_2d_6e_69_07, 0x20_20_20_20_00_20_20_00 // \7in-addr
		last, lastLetters   = 0x00_61_70_72_61_04_72_64, 0x00_20_20_20_20_00_20_20 // dr\4arpa\0
	)
	le := binary.LittleEndian
	if le.Uint64(end[:])|firstLetters != first || le.Uint64(end[6:])|lastLetters != last {
		return 0
	}
	*k = AddressKey{Hi: uint64(addr) << 32, Family: InAddr}
	return i + inAddrEnd
}

func readAddress6(b *[ip6NameLen]byte, k *AddressKey) int {
	const (
		first, firstLetters = 0x70_72_61_04_36_70_69_03, 0x20_20_20_00_00_20_20_00 // \3ip6\4arp
		last, lastLetters   = 0x00_61_70_72_61_04_36_70, 0x00_20_20_20_20_00_00_20 // p6\4arpa\0
	)
	le := binary.LittleEndian
	if le.Uint64(b[ip6Labels:])|firstLetters != first || le.Uint64(b[ip6Labels+2:])|lastLetters != last {
		return 0
	}
	lo, bad := uint64(0), uint64(0)
	for i := 0; i < 32; i += 8 {
		n, wrong := readNibbles(le.Uint64(b[i:]))
		lo |= n << (2 * i)
		bad |= wrong
	}
	hi := uint64(0)
	for i := 0; i < 32; i += 8 {
		n, wrong := readNibbles(le.Uint64(b[32+i:]))
		hi |= n << (2 * i)
		bad |= wrong
	}
	if bad != 0 {
		return 0
	}
	*k = AddressKey{Hi: hi, Lo: lo, Family: IP6}
	return ip6NameLen
}

// readNibbles reads four nibble labels, each its length and a hexadecimal digit,
// of which the first is the lowest nibble. wrong is not 0 if one is anything else.
//
// The digits lie in the upper octets of four lanes of 16 bits. Bit 6 tells the
// letters; what a lane should hold is made again from the nibble and compared.
func readNibbles(w uint64) (n, wrong uint64) {
	const each = 0x0001_0001_0001_0001
	d := w >> 8 & (0xff * each)
	letter := d >> 6 & each
	v := d&(0x0f*each) + letter*9
	again := v + 0x30*each + letter*0x27
	wrong = w&(0xff*each) ^ each
	wrong |= d | letter<<5 ^ again
	// 0 to 9 without the letters' bit, 10 to 15 with it.
	wrong |= v & (0x10 * each)
	wrong |= (v + 6*each ^ letter<<4) & (0x10 * each)
	return v * (1<<48 | 1<<36 | 1<<24 | 1<<12) >> 48, wrong
}
