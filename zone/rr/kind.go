package rr

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rule"
)

// kind is what a field of RDATA is made of: how its text is read, how its octets are recognized,
// and how they are written as text. A field may be empty, so that its text has no word.
type kind interface {
	// parse appends to p.out what the next words of p stand for.
	parse(p *Parser, name string)
	// size returns how many octets of the RDATA d are the field that starts at offset at, which is
	// at most len(d). If these octets are no such field, it returns a reason.
	size(d []byte, at int) (n int, reason string)
	// print appends the text of the n octets at offset at of d, for which size gave no reason. It
	// returns nil if text cannot express them.
	print(dst, d []byte, at, n int) []byte
}

// judge is a kind whose octets may be of its form and yet break a rule.
type judge interface {
	// judge returns the rule that the n octets at offset at of d break, and how they do. An empty
	// text means none.
	judge(d []byte, at, n int) (broken, text string)
}

// exactly is the size of a field of n octets.
func exactly(d []byte, at, n int) (int, string) {
	if left := len(d) - at; left < n {
		return 0, fmt.Sprintf("%d octets are needed, %d are left", n, left)
	}
	return n, ""
}

// number is an unsigned decimal number of so many octets.
type number int

func (k number) limit() uint64 { return math.MaxUint64 >> (64 - 8*k) }

func (k number) parse(p *Parser, name string) {
	w := p.next(name)
	v, ok := ParseUint(w.Text, k.limit())
	if !ok || w.Quoted {
		p.fail(0, "bad-number", "%s %s is not a whole number from 0 to %d", name, Quote(w.Text), k.limit())
	}
	p.appendUint(v, int(k))
}

func (k number) size(d []byte, at int) (int, string) { return exactly(d, at, int(k)) }
func (k number) print(dst, d []byte, at, n int) []byte {
	return strconv.AppendUint(dst, uintOf(d[at:at+n]), 10)
}

func uintOf(b []byte) (v uint64) {
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v
}

func (p *Parser) appendUint(v uint64, octets int) {
	for i := octets - 1; i >= 0; i-- {
		p.out = append(p.out, byte(v>>(8*i)))
	}
}

// flags is a number of so many octets, of which only the known bits have a meaning.
type flags struct {
	number
	known uint64
}

func (k flags) judge(d []byte, at, n int) (string, string) {
	if v := uintOf(d[at : at+n]); v&^k.known != 0 {
		return rule.UnknownFlags, fmt.Sprintf("%d has bits without a meaning; those with one make %d", v, k.known)
	}
	return "", ""
}

// serial is the SERIAL of an SOA.
type serial struct{ number }

func (serial) parse(p *Parser, name string) {
	w := p.next(name)
	v, ok := ParseUint(w.Text, math.MaxUint32)
	if !ok || w.Quoted {
		p.fail(0, "bad-serial", "%s %s is not a whole number from 0 to 4294967295; write one%s", name, Quote(w.Text), serialHint(w.Text))
	}
	p.appendUint(v, 4)
}

func serialHint(text []byte) string {
	s := string(text)
	switch {
	case strings.Count(s, ".") == 1:
		return " without a dot, higher than any that the zone has had, such as 2026010101"
	case len(s) > 10 && strings.Trim(s, "0123456789") == "":
		return " of at most ten digits, such as 2026010101 (year, month, day, and a counter)"
	}
	return ", such as 2026010101"
}

// period is a time in seconds, which units may follow.
type period struct{ number }

func (period) parse(p *Parser, name string) {
	w := p.next(name)
	v, result := ParsePeriod(w.Text)
	if result != IsPeriod || w.Quoted {
		p.fail(0, "bad-number", "%s %s is not a time; write seconds up to 4294967295, or units as in 1h30m", name, Quote(w.Text))
	}
	p.appendUint(uint64(v), 4)
}

// moment is a time since 1970, as YYYYMMDDHHmmSS or in seconds (RFC 4034 §3.2).
type moment struct{}

const momentLayout = "20060102150405"

func (moment) parse(p *Parser, name string) {
	w := p.next(name)
	v, ok := ParseUint(w.Text, math.MaxUint32)
	if len(w.Text) == len(momentLayout) {
		t, err := time.Parse(momentLayout, string(w.Text))
		// Years before 1970 stand for times that BIND prints so (RFC 4034 §3.1.5: serial number arithmetic).
		v, ok = uint64(uint32(t.Unix())), err == nil && t.Year() >= 1900
	}
	if !ok || w.Quoted {
		p.fail(0, "bad-time", "%s %s is not a time; write it as YYYYMMDDHHmmSS, or in seconds since 1970", name, Quote(w.Text))
	}
	p.appendUint(v, 4)
}

func (moment) size(d []byte, at int) (int, string) { return exactly(d, at, 4) }
func (moment) print(dst, d []byte, at, n int) []byte {
	return time.Unix(int64(binary.BigEndian.Uint32(d[at:])), 0).UTC().AppendFormat(dst, momentLayout)
}

// enum is a number of so many octets that words may stand for, which are printed only if prints
// is set.
type enum struct {
	octets number
	words  mnemonics
	prints bool
}

func (k enum) parse(p *Parser, name string) {
	w := p.next(name)
	v, ok := ParseUint(w.Text, k.octets.limit())
	if !ok {
		v, ok = k.words.find(w.Text)
	}
	if !ok || w.Quoted {
		p.fail(0, "bad-number", "%s %s is neither a whole number from 0 to %d nor one of the words for them, such as %s", name, Quote(w.Text), k.octets.limit(), k.words[0].word)
	}
	p.appendUint(v, int(k.octets))
}

func (k enum) size(d []byte, at int) (int, string) { return k.octets.size(d, at) }
func (k enum) print(dst, d []byte, at, n int) []byte {
	if k.prints {
		for _, m := range k.words {
			if uint64(m.number) == uintOf(d[at:at+n]) {
				return append(dst, m.word...)
			}
		}
	}
	return k.octets.print(dst, d, at, n)
}

func (m mnemonics) find(text []byte) (uint64, bool) {
	for _, e := range m {
		if strings.EqualFold(e.word, string(text)) {
			return uint64(e.number), true
		}
	}
	return 0, false
}

// typeCode is the number of a type. If it is true, text may have a bare number, which BIND prints
// in SIG and NXT (RFC 2535 §5.2).
type typeCode bool

func (k typeCode) find(text []byte) (t Type, ok bool) {
	if t, ok = ParseType(text); ok || !bool(k) {
		return t, ok
	}
	v, ok := ParseUint(text, math.MaxUint16)
	return Type(v), ok
}

func (k typeCode) parse(p *Parser, name string) {
	w := p.next(name)
	t, ok := k.find(w.Text)
	if !ok || w.Quoted {
		p.fail(0, "bad-type", "%s %s is not a type; write its mnemonic, or TYPEn", name, Quote(w.Text))
	}
	p.appendUint(uint64(t), 2)
}

func (typeCode) size(d []byte, at int) (int, string) { return exactly(d, at, 2) }
func (typeCode) print(dst, d []byte, at, n int) []byte {
	return Type(binary.BigEndian.Uint16(d[at:])).append(dst)
}

// nameKind is a domain name.
type nameKind uint8

const (
	plainName  nameKind = 0
	lowerName  nameKind = 1 << 0 // compares without case, and is in lower case in the canonical form (RFC 4034 §6.2, RFC 6840 §5.1)
	compressed nameKind = 1 << 1 // may be compressed in messages (RFC 3597 §4)
	target     nameKind = 1 << 2 // leads to addresses, or on to another name; see [Target]

	rfc1035Name = lowerName | compressed
)

func (nameKind) parse(p *Parser, name string) {
	w := p.next(name)
	if w.Quoted {
		p.fail(-1, "quoted-name", "the %s %s is in quotes; write the name without them", name, Quote(w.Text))
	}
	off := len(p.out)
	out, form, bad := dname.AppendText(p.out, w.Text, p.origin)
	if bad != nil {
		p.fail(bad.Offset, "bad-name", "%s %s: %s", name, Quote(w.Text), bad.Reason)
	}
	p.out = out
	p.Names = append(p.Names, Name{Word: p.word - 1, Form: form, Offset: off - p.start})
}

func (nameKind) size(d []byte, at int) (int, string) {
	if n := dname.FromWire(d[at:]); n != nil {
		return len(n), ""
	}
	return 0, "a name is expected, uncompressed"
}

func (nameKind) print(dst, d []byte, at, n int) []byte {
	return dname.Name(d[at : at+n]).AppendString(dst)
}

// nameList is any number of names, up to the end.
type nameList struct{}

func (nameList) parse(p *Parser, name string) {
	for p.word < len(p.words) {
		plainName.parse(p, name)
	}
}

func (nameList) size(d []byte, at int) (int, string) {
	for i := at; i < len(d); {
		n, reason := plainName.size(d, i)
		if reason != "" {
			return 0, reason
		}
		i += n
	}
	return len(d) - at, ""
}

func (nameList) print(dst, d []byte, at, _ int) []byte {
	for start := at; at < len(d); {
		if at > start {
			dst = append(dst, ' ')
		}
		n := dname.FromWire(d[at:])
		dst = n.AppendString(dst)
		at += len(n)
	}
	return dst
}

// ip is an address of so many octets.
type ip int

const (
	ip4 ip = 4
	ip6 ip = 16
)

func (k ip) parse(p *Parser, name string) {
	w := p.next(name)
	a, err := netip.ParseAddr(string(w.Text))
	isOther := a.Is4() != (k == ip4)
	switch {
	case err != nil || w.Quoted || a.Zone() != "":
		example := "192.0.2.1"
		if k == ip6 {
			example = "2001:db8::1"
		}
		p.fail(0, "bad-address", "%s is not an address; write one like %s", Quote(w.Text), example)
	case isOther && p.t == TypeA:
		p.fail(0, "bad-address", "%s is an IPv6 address; use type AAAA for it", w.Text)
	case isOther && p.t == TypeAAAA:
		p.fail(0, "bad-address", "%s is an IPv4 address; use type A for it", w.Text)
	case isOther:
		p.fail(0, "bad-address", "%s %s is an address of the other family", name, w.Text)
	}
	b := a.As16() // of an IPv4 address, the end
	p.out = append(p.out, b[len(b)-int(k):]...)
}

func (k ip) size(d []byte, at int) (int, string) { return exactly(d, at, int(k)) }
func (k ip) print(dst, d []byte, at, n int) []byte {
	a, _ := netip.AddrFromSlice(d[at : at+n])
	return a.AppendTo(dst)
}

// hardwareAddress is that of so many octets, in hexadecimal pairs with hyphens.
type hardwareAddress int

func (k hardwareAddress) parse(p *Parser, name string) {
	w := p.next(name)
	ok := !w.Quoted && len(w.Text) == 3*int(k)-1
	for i := 0; ok && i < len(w.Text); i += 3 {
		var v uint64
		v, ok = parseHex(w.Text[i : i+2])
		ok = ok && (i+2 == len(w.Text) || w.Text[i+2] == '-')
		p.out = append(p.out, byte(v))
	}
	if !ok {
		p.fail(0, "bad-address", "%s %s is not %d pairs of hexadecimal digits with hyphens between them, as in 00-00-5e-00-53-2a", name, Quote(w.Text), int(k))
	}
}

func (k hardwareAddress) size(d []byte, at int) (int, string) { return exactly(d, at, int(k)) }
func (k hardwareAddress) print(dst, d []byte, at, n int) []byte {
	for i, c := range d[at : at+n] {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = fmt.Appendf(dst, "%02x", c)
	}
	return dst
}

// nodeID is 64 bits as four groups of hexadecimal digits (RFC 6742 §2.1).
type nodeID struct{}

func (nodeID) parse(p *Parser, name string) {
	w := p.next(name)
	groups := strings.Split(string(w.Text), ":")
	ok := !w.Quoted && len(groups) == 4
	for i := 0; ok && i < 4; i++ {
		var v uint64
		v, ok = parseHex([]byte(groups[i]))
		ok = ok && len(groups[i]) <= 4
		p.appendUint(v, 2)
	}
	if !ok {
		p.fail(0, "bad-address", "%s %s is not four groups of up to four hexadecimal digits, as in 14:4fff:ff20:ee64", name, Quote(w.Text))
	}
}

func (nodeID) size(d []byte, at int) (int, string) { return exactly(d, at, 8) }
func (nodeID) print(dst, d []byte, at, n int) []byte {
	for i := 0; i < n; i += 2 {
		if i > 0 {
			dst = append(dst, ':')
		}
		dst = hex.AppendEncode(dst, d[at+i:at+i+2]) // with all digits, which Knot requires
	}
	return dst
}

// parseHex reads a hexadecimal number of 1 to 16 digits.
func parseHex(text []byte) (v uint64, ok bool) {
	for _, c := range text {
		n, isDigit := dname.NibbleLabel([]byte{c})
		if !isDigit {
			return 0, false
		}
		v = v<<4 | uint64(n)
	}
	return v, len(text) > 0 && len(text) <= 16
}
