package rr

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/zone/rule"
)

// services is the set of ports of WKS, one bit each.
type services struct{}

func (services) parse(p *Parser, name string) {
	start := len(p.out)
	for p.word < len(p.words) {
		w := p.next(name)
		port, ok := ParseUint(w.Text, math.MaxUint16)
		if !ok {
			port, ok = ports.find(w.Text)
		}
		if !ok || w.Quoted {
			p.fail(0, "bad-number", "%s is neither a port from 0 to 65535 nor a well-known service", Quote(w.Text))
		}
		for len(p.out) <= start+int(port)/8 {
			p.out = append(p.out, 0)
		}
		p.out[start+int(port)/8] |= 0x80 >> (port & 7)
	}
}

func (services) size(d []byte, at int) (int, string) {
	n := len(d) - at
	if n > 8192 {
		return 0, fmt.Sprintf("%d octets, at most 8192 are allowed", n)
	}
	return n, ""
}

func (services) print(dst, d []byte, at, n int) []byte {
	if n > 0 && d[at+n-1] == 0 {
		return nil
	}
	for start, i := len(dst), 0; i < 8*n; i++ {
		if d[at+i/8]&(0x80>>(i%8)) != 0 {
			if len(dst) > start {
				dst = append(dst, ' ')
			}
			dst = strconv.AppendInt(dst, int64(i), 10)
		}
	}
	return dst
}

// nsap is an address in hexadecimal behind 0x, with dots anywhere.
type nsap struct{}

func (nsap) parse(p *Parser, name string) {
	w := p.next(name)
	if text := bytes.ToLower(w.Text); bytes.HasPrefix(text, []byte("0x")) && !w.Quoted {
		out, err := hex.AppendDecode(p.out, bytes.ReplaceAll(text[2:], []byte{'.'}, nil))
		if err == nil && len(out) > len(p.out) {
			p.out = out
			return
		}
	}
	p.fail(0, "bad-address", "%s %s is not 0x and pairs of hexadecimal digits", name, Quote(w.Text))
}

func (nsap) size(d []byte, at int) (int, string) { return hexadecimal(1).size(d, at) }
func (nsap) print(dst, d []byte, at, n int) []byte {
	return hex.AppendEncode(append(dst, "0x"...), d[at:at+n])
}

// atmAddress is an address in hexadecimal, with dots anywhere, or in decimal digits behind a plus.
type atmAddress struct{}

func (atmAddress) parse(p *Parser, name string) {
	w := p.next(name)
	plain := bytes.ReplaceAll(w.Text, []byte{'.'}, nil)
	ok := !w.Quoted && len(plain) > 1
	if ok && plain[0] == '+' {
		ok = strings.Trim(string(plain[1:]), "0123456789") == ""
		p.out = append(append(p.out, 1), plain[1:]...)
	} else if ok {
		out, err := hex.AppendDecode(append(p.out, 0), plain)
		p.out, ok = out, err == nil
	}
	if !ok {
		p.fail(0, "bad-address", "%s %s is neither pairs of hexadecimal digits nor + and decimal digits", name, Quote(w.Text))
	}
}

func (atmAddress) size(d []byte, at int) (int, string) {
	n := len(d) - at
	switch {
	case n < 2:
		return 0, fmt.Sprintf("at least 2 octets are needed, %d are left", n)
	case d[at] == 1 && strings.Trim(string(d[at+1:]), "0123456789") != "":
		return 0, "it has other octets than decimal digits"
	}
	return n, ""
}

func (atmAddress) print(dst, d []byte, at, n int) []byte {
	switch d[at] {
	case 0:
		return hex.AppendEncode(dst, d[at+1:at+n])
	case 1:
		return append(append(dst, '+'), d[at+1:at+n]...)
	}
	return nil
}

// location is all of LOC. Latitude and longitude are thousandths of a second of arc from 1<<31,
// the altitude is centimetres from 100 km below the reference spheroid.
type location struct{}

const (
	arcZero       = 1 << 31
	arcDegree     = 3600 * 1000
	altitudeZero  = 100_000_00
	defaultSizes  = "\x12\x16\x13" // 1 m, 10 km, 10 m
	maxCentimetre = 90_000_000_00
)

func (location) parse(p *Parser, _ string) {
	p.out = append(p.out, 0)
	p.out = append(p.out, defaultSizes...)
	for _, axis := range [...]struct {
		name, positive, negative string
		limit                    uint64
	}{{"latitude", "N", "S", 90}, {"longitude", "E", "W", 180}} {
		p.appendUint(uint64(arcZero+p.arc(axis.name, axis.positive, axis.negative, axis.limit)), 4)
	}
	p.appendUint(uint64(altitudeZero+p.metres("altitude", -altitudeZero, math.MaxUint32-altitudeZero)), 4)
	sizes := p.out[p.start+1:][:3]
	for i, name := range [...]string{"size", "horizontal precision", "vertical precision"} {
		if p.word == len(p.words) {
			break
		}
		v := p.metres(name, 0, maxCentimetre)
		exponent := byte(0)
		for ; v > 9; v /= 10 {
			exponent++
		}
		sizes[i] = byte(v)<<4 | exponent
	}
}

// arc takes degrees, minutes and seconds up to the letter of a direction.
func (p *Parser) arc(name, positive, negative string, limit uint64) int64 {
	v := uint64(0)
	for i, unit := range [...]struct{ limit, decimals, thousandths uint64 }{{limit, 0, arcDegree}, {59, 0, 60_000}, {59_999, 3, 1}, {}} {
		w := p.next(name)
		if text := strings.ToUpper(string(w.Text)); i > 0 && !w.Quoted && (text == positive || text == negative) {
			if v > limit*arcDegree {
				p.fail(0, "bad-location", "the %s is more than %d degrees", name, limit)
			}
			if text == negative {
				return -int64(v)
			}
			return int64(v)
		}
		n, ok := parseDecimal(w.Text, int(unit.decimals))
		if !ok || n > unit.limit || w.Quoted || unit.thousandths == 0 {
			p.fail(0, "bad-location", "%s %s is not %s", name, Quote(w.Text), [...]string{
				fmt.Sprintf("whole degrees from 0 to %d", limit), "whole minutes from 0 to 59, " + positive + " or " + negative,
				"seconds from 0 to 59.999, " + positive + " or " + negative, positive + " or " + negative}[i])
		}
		v += n * unit.thousandths
	}
	return 0 // after a fault
}

// metres takes a distance, which an m may follow, and returns centimetres.
func (p *Parser) metres(name string, least, most int64) int64 {
	w := p.next(name)
	text, isNegative := bytes.CutPrefix(bytes.TrimSuffix(bytes.ToLower(w.Text), []byte{'m'}), []byte{'-'})
	n, ok := parseDecimal(text, 2)
	v := int64(min(n, math.MaxInt64))
	if isNegative {
		v = -v
	}
	if !ok || w.Quoted || v < least || v > most {
		p.fail(0, "bad-location", "%s %s is not metres from %d to %d with at most two decimals", name, Quote(w.Text), least/100, most/100)
	}
	return v
}

// parseDecimal reads an unsigned number with at most so many decimals, and multiplies it by ten to
// the power of that.
func parseDecimal(text []byte, decimals int) (uint64, bool) {
	whole, fraction, hasPoint := bytes.Cut(text, []byte{'.'})
	if hasPoint && len(fraction) == 0 || len(fraction) > decimals {
		return 0, false
	}
	digits := append(bytes.Clone(whole), fraction...)
	for range decimals - len(fraction) {
		digits = append(digits, '0')
	}
	v, ok := ParseUint(digits, math.MaxUint32*1000)
	return v, ok && len(whole) > 0
}

func (location) size(d []byte, at int) (int, string) {
	if len(d) == 0 {
		return 0, "it is missing"
	}
	if d[0] != 0 {
		return len(d), "" // of another version, whose form is unknown
	}
	if len(d) < 16 {
		return exactly(d, at, 16)
	}
	for _, size := range d[1:4] {
		if size>>4 > 9 || size&15 > 9 || size>>4 == 0 && size != 0 {
			return 0, fmt.Sprintf("size or precision %#02x is not two decimal digits", size)
		}
	}
	for i, limit := range [...]int64{90, 180} {
		if v := int64(binary.BigEndian.Uint32(d[4+4*i:])) - arcZero; max(v, -v) > limit*arcDegree {
			return 0, fmt.Sprintf("the %s is more than %d degrees", [...]string{"latitude", "longitude"}[i], limit)
		}
	}
	return 16, ""
}

func (location) print(dst, d []byte, _, n int) []byte {
	if d[0] != 0 {
		return nil
	}
	for i, letters := range [...]string{"NS", "EW"} {
		v, letter := int64(binary.BigEndian.Uint32(d[4+4*i:]))-arcZero, letters[0]
		if v < 0 {
			v, letter = -v, letters[1]
		}
		dst = fmt.Appendf(dst, "%d %d %d.%03d %c ", v/arcDegree, v/60_000%60, v/1000%60, v%1000, letter)
	}
	altitude := int64(binary.BigEndian.Uint32(d[12:])) - altitudeZero
	if altitude < 0 {
		dst = append(dst, '-')
		altitude = -altitude
	}
	dst = fmt.Appendf(dst, "%d.%02dm", altitude/100, altitude%100)
	for _, size := range d[1:4] {
		v := int64(size >> 4)
		for range size & 15 {
			v *= 10
		}
		dst = fmt.Appendf(dst, " %d", v/100)
		if v%100 != 0 {
			dst = fmt.Appendf(dst, ".%02d", v%100)
		}
		dst = append(dst, 'm')
	}
	return dst
}

// prefixes is a list of address prefixes (RFC 3123 §4).
type prefixes struct{}

func (prefixes) parse(p *Parser, name string) {
	for p.word < len(p.words) {
		w := p.next(name)
		rest, negated := bytes.CutPrefix(w.Text, []byte{'!'})
		family, prefix, hasColon := bytes.Cut(rest, []byte{':'})
		address, lengthText, hasSlash := bytes.Cut(prefix, []byte{'/'})
		a, err := netip.ParseAddr(string(address))
		length, ok := ParseUint(lengthText, uint64(a.BitLen()))
		f, isNumber := ParseUint(family, 2)
		if err != nil || !ok || !isNumber || !hasColon || !hasSlash || w.Quoted || a.Zone() != "" || a.Is4() != (f == 1) || f == 0 {
			p.fail(0, "bad-prefix", "%s is not a prefix; write 1:192.0.2.0/24 or 2:2001:db8::/32, a ! in front to exclude it", Quote(w.Text))
		}
		octets := bytes.TrimRight(a.AsSlice(), "\x00")
		sign := byte(0)
		if negated {
			sign = 0x80
		}
		p.out = append(p.out, 0, byte(f), byte(length), sign|byte(len(octets)))
		p.out = append(p.out, octets...)
	}
}

func (prefixes) size(d []byte, at int) (int, string) {
	for i := at; i < len(d); {
		if len(d)-i < 4 || len(d)-i < 4+int(d[i+3]&0x7f) {
			return 0, "a prefix is cut short"
		}
		n := int(d[i+3] & 0x7f)
		most := 127
		switch binary.BigEndian.Uint16(d[i:]) {
		case 1:
			most = 4
		case 2:
			most = 16
		}
		if n > most || most < 127 && int(d[i+2]) > 8*most {
			return 0, fmt.Sprintf("a prefix has %d octets and %d bits, at most %d octets are allowed", n, d[i+2], most)
		}
		if n > 0 && d[i+3+n] == 0 {
			return 0, "a prefix ends in a zero octet, which must be left out"
		}
		i += 4 + n
	}
	return len(d) - at, ""
}

func (prefixes) print(dst, d []byte, at, n int) []byte {
	for i := at; i < at+n; {
		if i > at {
			dst = append(dst, ' ')
		}
		if d[i+3]&0x80 != 0 {
			dst = append(dst, '!')
		}
		var b [16]byte
		octets := int(d[i+3] & 0x7f)
		switch family := binary.BigEndian.Uint16(d[i:]); family {
		case 1, 2:
			copy(b[:], d[i+4:i+4+octets])
			a := netip.AddrFrom16(b)
			if family == 1 {
				a = netip.AddrFrom4([4]byte(b[:4]))
			}
			dst = fmt.Appendf(dst, "%d:%v/%d", family, a, d[i+2])
		default:
			return nil
		}
		i += 4 + octets
	}
	return dst
}

// naptrFlags is a character-string of letters and digits.
type naptrFlags struct{ str }

func (naptrFlags) judge(d []byte, at, n int) (string, string) {
	if _, bad := (tag{}).judge(d, at, n); bad != "" && n > 1 {
		return rule.NAPTRFlags, bad
	}
	return "", ""
}

// naptrRegexp is a character-string with a substitution expression (RFC 3402 §3.2).
type naptrRegexp struct{ str }

func (naptrRegexp) judge(d []byte, at, n int) (string, string) {
	s := d[at+1 : at+n]
	if len(s) == 0 {
		return "", ""
	}
	delimiters, groups, highest := 1, 0, 0
	delimiter := s[0]
	bad := delimiter == '\\' || delimiter == 'i' || isDigit(delimiter)
	for i := 1; i < len(s) && !bad; i++ {
		c := s[i]
		switch {
		case c == delimiter:
			delimiters++
		case delimiters == 3:
			bad = c != 'i'
		case c == '\\':
			if i++; i == len(s) {
				bad = true
			} else if delimiters == 2 && isDigit(s[i]) {
				highest = max(highest, int(s[i]-'0'))
				bad = s[i] == '0'
			}
		case delimiters == 1 && c == '(':
			groups++
		}
	}
	if bad || delimiters != 3 || highest > groups {
		return rule.NAPTRRegexp, fmt.Sprintf("%s is not a substitution expression, as in !^.*$!sip:info@example.com!", Quote(s))
	}
	return "", ""
}
