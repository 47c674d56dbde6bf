package rr

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/ptrd/ptrd/zone/rule"
)

// SignatureEnd returns when an RRSIG with this RDATA expires: the time with these 32 bits that is
// nearest to now (RFC 4034 §3.1.5).
func SignatureEnd(rdata []byte, now time.Time) time.Time {
	end := binary.BigEndian.Uint32(rdata[8:])
	return time.Unix(now.Unix()+int64(int32(end-uint32(now.Unix()))), 0)
}

// bitmap is a set of types in windows of 256 (RFC 4034 §4.1.2).
type bitmap struct{ empty bool } // empty: there may be no type

func (k bitmap) parse(p *Parser, name string) {
	list := p.typeList(name, k.empty, false)
	for len(list) > 0 {
		window := list[0] >> 8
		length := len(p.out) + 1
		p.out = append(p.out, byte(window), 0)
		for len(list) > 0 && list[0]>>8 == window {
			for at := length + 1 + int(list[0]&0xff)/8; len(p.out) <= at; {
				p.out = append(p.out, 0)
			}
			p.out[len(p.out)-1] |= 0x80 >> (list[0] & 7)
			list = list[1:]
		}
		p.out[length] = byte(len(p.out) - length - 1)
	}
}

// typeList takes the words that are left as types and returns them in ascending order.
func (p *Parser) typeList(name string, canBeEmpty bool, word typeCode) []Type {
	p.types = p.types[:0]
	for p.word < len(p.words) || len(p.types) == 0 && !canBeEmpty {
		w := p.next(name)
		t, ok := word.find(w.Text)
		if !ok || w.Quoted || t == TypeNone {
			p.fail(0, "bad-type", "%s is not a type; write mnemonics, or TYPEn", Quote(w.Text))
		}
		p.types = append(p.types, t)
	}
	slices.Sort(p.types)
	return p.types
}

func (k bitmap) size(d []byte, at int) (int, string) {
	if at == len(d) && !k.empty {
		return 0, "there are none"
	}
	last := -1
	for i := at; i < len(d); {
		if len(d)-i < 3 || len(d)-i < 2+int(d[i+1]) {
			return 0, "a window of the bitmap is cut short"
		}
		window, n := int(d[i]), int(d[i+1])
		switch {
		case window <= last:
			return 0, fmt.Sprintf("window %d of the bitmap follows window %d", window, last)
		case n == 0 || n > 32 || d[i+1+n] == 0:
			return 0, fmt.Sprintf("window %d of the bitmap has %d octets, of 1 to 32 without zeros at the end", window, n)
		}
		last = window
		i += 2 + n
	}
	return len(d) - at, ""
}

func (bitmap) print(dst, d []byte, at, n int) []byte {
	for start := len(dst); n > 0; {
		window, octets := int(d[at]), int(d[at+1])
		dst = appendTypes(dst, start, window<<8, d[at+2:at+2+octets])
		at, n = at+2+octets, n-2-octets
	}
	return dst
}

// appendTypes appends the types of the bits that are set, the first bit being that of type base,
// to text that starts at offset start of dst.
func appendTypes(dst []byte, start, base int, bits []byte) []byte {
	for i := range 8 * len(bits) {
		if bits[i/8]&(0x80>>(i%8)) != 0 {
			if len(dst) > start {
				dst = append(dst, ' ')
			}
			dst = Type(base + i).append(dst)
		}
	}
	return dst
}

// nxtBitmap is a set of types below 128 (RFC 2535 §5.2).
type nxtBitmap struct{}

func (nxtBitmap) parse(p *Parser, name string) {
	start := len(p.out)
	for _, t := range p.typeList(name, true, true) {
		if t > 127 {
			p.fail(0, "bad-type", "%v is above 127, which NXT cannot have", t)
		}
		for len(p.out) <= start+int(t)/8 {
			p.out = append(p.out, 0)
		}
		p.out[len(p.out)-1] |= 0x80 >> (t & 7)
	}
}

func (nxtBitmap) size(d []byte, at int) (int, string) {
	n := len(d) - at
	if n > 16 || n > 0 && (d[at]&0x80 != 0 || d[len(d)-1] == 0) {
		return 0, "the bitmap has more than 16 octets, bit 0, or a zero at the end"
	}
	return n, ""
}

func (nxtBitmap) print(dst, d []byte, at, n int) []byte {
	return appendTypes(dst, len(dst), 0, d[at:at+n])
}

// digest is the rest, hexadecimal, of a length that depends on the algorithm in an earlier octet.
type digest struct {
	algorithm int // offset of its octet
	of        string
}

func (digest) parse(p *Parser, name string)          { hexadecimal(1).parse(p, name) }
func (digest) size(d []byte, at int) (int, string)   { return hexadecimal(1).size(d, at) }
func (digest) print(dst, d []byte, at, n int) []byte { return appendHex(dst, d[at:at+n]) }

func (k digest) judge(d []byte, at, n int) (string, string) {
	want, ref := 0, ""
	a := d[k.algorithm]
	switch k.of {
	case "DS": // the registry "DNSSEC Delegation Signer (DS) Resource Record (RR) Type Digest Algorithms"
		want, ref = [256]int{1: 20, 2: 32, 3: 32, 4: 48, 5: 32, 6: 32}[a], "RFC 4509 §2.1"
		if a == 0 && d[2] == 0 { // RFC 8078 §4
			want = n
		}
	case "SSHFP":
		want, ref = [256]int{1: 20, 2: 32}[a], "RFC 6594 §4"
	case "TLSA":
		want, ref = [256]int{1: 32, 2: 64}[a], "RFC 6698 §2.1.3"
	case "ZONEMD":
		want, ref = [256]int{1: 48, 2: 64}[a], "RFC 8976 §2.2.3"
		if n < 12 {
			return rule.Digest, fmt.Sprintf("%d octets, but at least 12 are required (RFC 8976 §2.2.4); write all of them", n)
		}
	}
	if want == 0 || n == want {
		return "", ""
	}
	return rule.Digest, fmt.Sprintf("%d octets, but algorithm %d makes %d (%s); correct one of them", n, a, want, ref)
}

// keyProtocol is the protocol of a DNSKEY.
type keyProtocol struct{ number }

func (keyProtocol) judge(d []byte, at, _ int) (string, string) {
	if d[at] != 3 {
		return rule.KeyProtocol, fmt.Sprintf("%d, only 3 is allowed", d[at])
	}
	return "", ""
}

// optionalKey is a key in base64, or nothing if the bits of an octet of RDATA have a value
// (RFC 2535 §3.1.2, RFC 4025 §2.4).
type optionalKey struct {
	octet      int
	mask, none byte
}

// least returns how many octets the key has at least.
func (k optionalKey) least(d []byte) int {
	if d[k.octet]&k.mask == k.none {
		return 0
	}
	return 1
}

func (k optionalKey) parse(p *Parser, name string) {
	base64Data(k.least(p.out[p.start:])).parse(p, name)
}
func (k optionalKey) size(d []byte, at int) (int, string) { return hexadecimal(k.least(d)).size(d, at) }
func (optionalKey) print(dst, d []byte, at, n int) []byte { return base64Data(0).print(dst, d, at, n) }
