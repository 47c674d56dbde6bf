package interop

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// randomType makes valid RDATA of one type, from the description in its RFC. It is
// independent of the table that ptrd reads and prints RDATA with.
type randomType struct {
	number uint16
	name   string
	bind   bool // BIND reads its text
	knot   bool // Knot reads its text
	append func(r *randomData)
}

// randomData is RDATA in the making.
type randomData struct {
	*rand.Rand
	b []byte
}

func (r *randomData) u8(v int)  { r.b = append(r.b, byte(v)) }
func (r *randomData) u16(v int) { r.b = binary.BigEndian.AppendUint16(r.b, uint16(v)) }
func (r *randomData) any8()     { r.u8(r.IntN(256)) }
func (r *randomData) any16()    { r.u16(r.IntN(65536)) }
func (r *randomData) any32()    { r.b = binary.BigEndian.AppendUint32(r.b, r.Uint32()) }

// number appends 16 bits, often a limit of the range.
func (r *randomData) number() {
	r.u16([]int{0, 1, 255, 256, 65535, r.IntN(65536), r.IntN(65536)}[r.IntN(7)])
}

// octets appends as many octets as its limits allow.
func (r *randomData) octets(least, most int) {
	for range least + r.IntN(most-least+1) {
		r.any8()
	}
}

func (r *randomData) of(text string, least, most int) {
	for range least + r.IntN(most-least+1) {
		r.b = append(r.b, text[r.IntN(len(text))])
	}
}

const (
	digits = "0123456789"
	lower  = "abcdefghijklmnopqrstuvwxyz"
)

// name appends a domain name: ordinary ones, and labels of any octets.
func (r *randomData) name() {
	start := len(r.b)
	for range r.IntN(5) {
		most := min(63, 240-(len(r.b)-start))
		if most < 1 {
			break
		}
		at := len(r.b)
		r.b = append(r.b, 0)
		switch r.IntN(8) {
		case 0:
			r.octets(1, most)
			for i, c := range r.b[at+1:] { // in lower case, which Knot makes of all names
				r.b[at+1+i] = asciiLower(c)
			}
		case 1:
			r.of(`."\;()@$ *_-/`+"\t\n\x00\x7f", 1, min(5, most))
		default:
			r.of(lower+digits+"-_", 1, min(12, most))
		}
		r.b[at] = byte(len(r.b) - at - 1)
	}
	r.u8(0)
}

func asciiLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// text appends a character-string (RFC 1035 §3.3) of printable or of any octets.
func (r *randomData) text(least, most int) {
	at := len(r.b)
	r.b = append(r.b, 0)
	switch r.IntN(3) {
	case 0:
		r.octets(least, most)
	case 1:
		r.of(`\"; ()@$`+"\x00\x7f\xff\n\t", least, min(most, max(least, 9)))
	default:
		r.of(lower+digits+` ,.:/=`, least, min(most, max(least, 30)))
	}
	r.b[at] = byte(len(r.b) - at - 1)
}

func (r *randomData) texts(most int) {
	for range 1 + r.IntN(most) {
		r.text(0, 255)
	}
}

// short appends a character-string from a set of octets.
func (r *randomData) short(set string, least, most int) {
	at := len(r.b)
	r.b = append(r.b, 0)
	r.of(set, least, most)
	r.b[at] = byte(len(r.b) - at - 1)
}

// types appends a type bitmap (RFC 4034 §4.1.2).
func (r *randomData) types(least int) {
	bits := map[int]bool{}
	for range least + r.IntN(6) {
		t := []int{1, 2, 6, 12, 15, 16, 28, 46, 47, 48, 257, 1 + r.IntN(40), 65280 + r.IntN(250), 1000 + r.IntN(20000)}[r.IntN(14)]
		bits[t] = true
	}
	for window := range 256 {
		block := make([]byte, 32)
		n := 0
		for bit := range 256 {
			if bits[window<<8|bit] {
				block[bit/8] |= 0x80 >> (bit % 8)
				n = bit/8 + 1
			}
		}
		if n > 0 {
			r.b = append(append(r.b, byte(window), byte(n)), block[:n]...)
		}
	}
}

// algorithm appends the number of a DNSSEC algorithm whose keys have no structure that BIND
// looks at.
func (r *randomData) algorithm() { r.u8([]int{3, 5, 7, 8, 10, 13, 14, 15, 16, 200, 123}[r.IntN(11)]) }

func (r *randomData) digest(lengths map[int]int) {
	kinds := make([]int, 0, len(lengths))
	for k := range lengths {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	k := kinds[r.IntN(len(kinds))]
	r.u8(k)
	if n := lengths[k]; n > 0 {
		r.octets(n, n)
	} else {
		r.octets(12, 70)
	}
}

func (r *randomData) ds() {
	r.any16()
	r.algorithm()
	r.digest(map[int]int{1: 20, 2: 32, 4: 48, 200: 0})
}

func (r *randomData) tlsa() {
	r.any8()
	r.any8()
	r.digest(map[int]int{0: 0, 1: 32, 2: 64, 255: 0})
}

func (r *randomData) key(flags int) {
	r.u16(flags)
	r.u8(3)
	r.algorithm()
	r.octets(1, 200)
}

func (r *randomData) signature() {
	r.u16([]int{1, 2, 6, 12, 48, 65280 + r.IntN(250), 257}[r.IntN(7)])
	r.algorithm()
	r.u8(128 + r.IntN(128)) // no fewer labels than the signer has, which BIND insists on
	r.any32()
	r.any32()
	r.any32()
	r.any16()
	r.name()
	r.octets(1, 200)
}

// location appends the RDATA of a LOC record (RFC 1876 §2), whose powers of ten are written in
// one way only.
func (r *randomData) location() {
	r.u8(0)
	for range 3 {
		if r.IntN(8) == 0 {
			r.u8(0)
		} else {
			r.u8((1+r.IntN(9))<<4 | r.IntN(10))
		}
	}
	for _, most := range []int64{90 * 3600000, 180 * 3600000} {
		v := r.Int64N(2*most+1) - most
		switch r.IntN(8) {
		case 0:
			v = most
		case 1:
			v = -most
		case 2:
			v = v / 3600000 * 3600000
		}
		r.b = binary.BigEndian.AppendUint32(r.b, uint32(1<<31+v))
	}
	if r.IntN(2) == 0 {
		r.any32()
	} else {
		r.b = binary.BigEndian.AppendUint32(r.b, 10000000+uint32(r.IntN(900000)))
	}
}

// prefixes appends the items of an APL record (RFC 3123 §4).
func (r *randomData) prefixes() {
	for range r.IntN(4) {
		family, size := 1, 4
		if r.IntN(2) == 0 {
			family, size = 2, 16
		}
		length := r.IntN(size*8 + 1)
		address := make([]byte, size)
		for i := range address {
			address[i] = byte(r.Uint32())
		}
		for i := range size * 8 {
			if i >= length {
				address[i/8] &^= 0x80 >> (i % 8)
			}
		}
		for len(address) > 0 && address[len(address)-1] == 0 {
			address = address[:len(address)-1]
		}
		r.u16(family)
		r.u8(length)
		r.u8(r.IntN(2)<<7 | len(address))
		r.b = append(r.b, address...)
	}
}

func (r *randomData) a6() { // RFC 2874 §3.1
	length := r.IntN(129)
	r.u8(length)
	at := len(r.b)
	r.octets((135-length)/8, (135-length)/8)
	if length < 128 {
		r.b[at] &= 0xff >> (length % 8)
	}
	if length > 0 {
		r.name()
	}
}

func (r *randomData) gateway(kind int) {
	switch kind {
	case 1:
		r.octets(4, 4)
	case 2:
		r.octets(16, 16)
	case 3:
		r.name()
	}
}

// services appends the RDATA of an SVCB record (RFC 9460 §2.2).
func (r *randomData) services() {
	r.u16(1 + r.IntN(65535))
	r.name()
	values := map[int][]byte{}
	value := func(key int, make func()) {
		saved := r.b
		r.b = nil
		make()
		values[key], r.b = r.b, saved
	}
	if r.IntN(2) == 0 {
		value(1, func() {
			for range 1 + r.IntN(3) {
				r.text(1, 40)
			}
		})
		if r.IntN(2) == 0 {
			value(2, func() {})
		}
	}
	if r.IntN(2) == 0 {
		value(3, func() { r.number() })
	}
	if r.IntN(2) == 0 {
		value(4, func() { n := 4 * (1 + r.IntN(3)); r.octets(n, n) })
	}
	if r.IntN(4) == 0 {
		value(5, func() { r.octets(4, 40) })
	}
	if r.IntN(2) == 0 {
		value(6, func() { n := 16 * (1 + r.IntN(3)); r.octets(n, n) })
	}
	if r.IntN(4) == 0 {
		value(7, func() { r.b = append(r.b, "/dns-query{?dns}"...) })
	}
	for range r.IntN(3) {
		value(100+r.IntN(65000), func() { r.octets(0, 30) })
	}
	keys := []int{}
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	if len(keys) > 0 && r.IntN(3) == 0 {
		value(0, func() {
			first := r.IntN(len(keys))
			for _, k := range keys[first:min(len(keys), first+3)] {
				r.u16(k)
			}
		})
		keys = append([]int{0}, keys...)
	}
	for _, k := range keys {
		r.u16(k)
		r.u16(len(values[k]))
		r.b = append(r.b, values[k]...)
	}
}

func (r *randomData) ports() { // RFC 1035 §3.4.2
	r.octets(4, 4)
	r.any8()
	if n := r.IntN(60); n > 0 {
		r.octets(n, n)
		r.b[len(r.b)-1] |= 1 << r.IntN(8) // no zero octets at the end
	}
}

func (r *randomData) nxt() { // RFC 2535 §5.2
	r.name()
	n := 4 + r.IntN(12)
	r.octets(n, n)
	r.b[len(r.b)-n] &= 0x7f
	r.b[len(r.b)-1] |= 1 << r.IntN(7)
}

func (r *randomData) decimal(most int) {
	at := len(r.b)
	r.b = append(r.b, 0)
	r.b = fmt.Appendf(r.b, "%.*f", r.IntN(5), (r.Float64()*2-1)*float64(most))
	r.b[at] = byte(len(r.b) - at - 1)
}

func (r *randomData) strings(values ...string) {
	s := values[r.IntN(len(values))]
	r.b = append(append(r.b, byte(len(s))), s...)
}

func oneName(r *randomData)           { r.name() }
func twoNames(r *randomData)          { r.name(); r.name() }
func numberAndName(r *randomData)     { r.number(); r.name() }
func someTexts(r *randomData)         { r.texts(4) }
func someOctets(r *randomData)        { r.octets(4, 200) }
func zoneKey(r *randomData)           { r.key(r.IntN(65536)) }
func exactly(n int) func(*randomData) { return func(r *randomData) { r.octets(n, n) } }
func numberAnd(n int) func(*randomData) {
	return func(r *randomData) { r.number(); r.octets(n, n) }
}

// randomTypes are all types with RDATA of a known form, but SOA, of which a zone has one, and MD
// and MF, which are refused in files (RFC 1035 §3.3.4).
var randomTypes = []randomType{
	{1, "A", true, true, exactly(4)},
	{2, "NS", true, true, oneName},
	{5, "CNAME", true, true, oneName},
	{7, "MB", true, false, oneName},
	{8, "MG", true, false, oneName},
	{9, "MR", true, false, oneName},
	{10, "NULL", true, false, func(r *randomData) { r.octets(1, 80) }},
	{11, "WKS", true, false, (*randomData).ports},
	{12, "PTR", true, true, oneName},
	{13, "HINFO", true, true, func(r *randomData) { r.text(0, 255); r.text(0, 255) }},
	{14, "MINFO", true, true, twoNames},
	{15, "MX", true, true, numberAndName},
	{16, "TXT", true, true, someTexts},
	{17, "RP", true, true, twoNames},
	{18, "AFSDB", true, true, numberAndName},
	{19, "X25", true, false, func(r *randomData) { r.short(digits, 4, 20) }},
	{20, "ISDN", true, false, func(r *randomData) {
		r.text(0, 255)
		if r.IntN(2) == 0 {
			r.text(0, 255)
		}
	}},
	{21, "RT", true, true, numberAndName},
	{22, "NSAP", true, false, func(r *randomData) { r.octets(1, 30) }},
	{23, "NSAP-PTR", true, false, oneName},
	{24, "SIG", true, false, (*randomData).signature},
	{25, "KEY", true, true, func(r *randomData) { r.key(r.IntN(65536) &^ 0x8000) }},
	{26, "PX", true, false, func(r *randomData) { r.number(); r.name(); r.name() }},
	{27, "GPOS", true, false, func(r *randomData) { r.decimal(90); r.decimal(180); r.decimal(10000) }},
	{28, "AAAA", true, true, exactly(16)},
	{29, "LOC", true, true, (*randomData).location},
	{30, "NXT", true, false, (*randomData).nxt},
	{31, "EID", true, false, someOctets},
	{32, "NIMLOC", true, false, someOctets},
	{33, "SRV", true, true, func(r *randomData) { r.number(); r.number(); r.number(); r.name() }},
	{34, "ATMA", true, false, func(r *randomData) {
		if r.IntN(2) == 0 {
			r.u8(0)
			r.octets(1, 30)
		} else {
			r.u8(1)
			r.of(digits, 1, 15)
		}
	}},
	{35, "NAPTR", true, true, func(r *randomData) {
		r.number()
		r.number()
		r.short(lower+digits+strings.ToUpper(lower), 0, 10)
		r.text(0, 100)
		r.strings("", "!^.*$!sip:info@example.com!", `!^(.*)@(.*)$!\2\1!i`, `/a\/b/c/`, `!"x"!y z!`)
		r.name()
	}},
	{36, "KX", true, true, numberAndName},
	{37, "CERT", true, true, func(r *randomData) {
		r.u16([]int{1, 2, 3, 4, 5, 6, 7, 8, 253, 254, 9, 65535}[r.IntN(12)])
		r.any16()
		r.algorithm()
		r.octets(1, 200)
	}},
	{38, "A6", true, false, (*randomData).a6},
	{39, "DNAME", true, true, oneName},
	{40, "SINK", true, false, func(r *randomData) { r.octets(4, 100) }},
	{42, "APL", true, true, (*randomData).prefixes},
	{43, "DS", true, true, (*randomData).ds},
	{44, "SSHFP", true, true, func(r *randomData) { r.any8(); r.digest(map[int]int{1: 20, 2: 32, 77: 0}) }},
	{45, "IPSECKEY", true, true, func(r *randomData) {
		kind := r.IntN(4)
		r.any8()
		r.u8(kind)
		r.u8(1 + r.IntN(255))
		r.gateway(kind)
		r.octets(1, 100)
	}},
	{46, "RRSIG", true, true, (*randomData).signature},
	{47, "NSEC", true, true, func(r *randomData) { r.name(); r.types(1) }},
	{48, "DNSKEY", true, true, zoneKey},
	{49, "DHCID", true, true, someOctets},
	{50, "NSEC3", true, true, func(r *randomData) {
		r.u8(1)
		r.any8()
		r.number()
		r.u8(len("salt") * r.IntN(2))
		if r.b[4] > 0 {
			r.octets(4, 4)
		}
		r.u8(20)
		r.octets(20, 20)
		r.types(0)
	}},
	{51, "NSEC3PARAM", true, true, func(r *randomData) {
		r.u8(1)
		r.any8()
		r.number()
		n := []int{0, 1, 8, 255}[r.IntN(4)]
		r.u8(n)
		r.octets(n, n)
	}},
	{52, "TLSA", true, true, (*randomData).tlsa},
	{53, "SMIMEA", true, true, (*randomData).tlsa},
	{55, "HIP", true, false, func(r *randomData) {
		tag, key := 1+r.IntN(20), 1+r.IntN(100)
		r.u8(tag)
		r.any8()
		r.u16(key)
		r.octets(tag+key, tag+key)
		for range r.IntN(3) {
			r.name()
		}
	}},
	{56, "NINFO", true, false, someTexts},
	{57, "RKEY", true, false, func(r *randomData) { r.key(0) }},
	{58, "TALINK", true, false, twoNames},
	{59, "CDS", true, true, (*randomData).ds},
	{60, "CDNSKEY", true, true, zoneKey},
	{61, "OPENPGPKEY", true, true, someOctets},
	{62, "CSYNC", true, true, func(r *randomData) { r.any32(); r.u16(r.IntN(4)); r.types(0) }},
	{63, "ZONEMD", true, true, func(r *randomData) { r.any32(); r.u8(1 + r.IntN(255)); r.digest(map[int]int{1: 48, 2: 64, 240: 0}) }},
	{64, "SVCB", true, true, (*randomData).services},
	{65, "HTTPS", true, true, (*randomData).services},
	{66, "DSYNC", true, false, func(r *randomData) { r.u16([]int{59, 62, 1000}[r.IntN(3)]); r.any8(); r.number(); r.name() }},
	{67, "HHIT", true, false, someOctets},
	{68, "BRID", true, false, someOctets},
	{99, "SPF", true, true, someTexts},
	{104, "NID", true, true, numberAnd(8)},
	{105, "L32", true, true, numberAnd(4)},
	{106, "L64", true, true, numberAnd(8)},
	{107, "LP", true, true, numberAndName},
	{108, "EUI48", true, true, exactly(6)},
	{109, "EUI64", true, true, exactly(8)},
	{256, "URI", true, true, func(r *randomData) { r.number(); r.number(); r.octets(1, 300) }},
	{257, "CAA", true, true, func(r *randomData) {
		r.u8(r.IntN(2) << 7)
		r.short(lower+digits, 1, 15)
		r.octets(0, 300)
	}},
	{258, "AVC", true, false, someTexts},
	{259, "DOA", true, false, func(r *randomData) { r.any32(); r.any32(); r.any8(); r.text(0, 255); r.octets(0, 100) }},
	{260, "AMTRELAY", true, false, func(r *randomData) {
		kind := r.IntN(4)
		r.any8()
		r.u8(r.IntN(2)<<7 | kind)
		r.gateway(kind)
	}},
	{261, "RESINFO", true, false, someTexts},
	{262, "WALLET", true, false, someTexts},
	{32768, "TA", true, false, (*randomData).ds},
	{32769, "DLV", true, false, (*randomData).ds},
	{65280, "TYPE65280", true, true, func(r *randomData) { r.octets(0, 200) }},
}
