package rr

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rule"
)

// appendUnescaped appends what the next word stands for, with its escapes decoded.
func (p *Parser) appendUnescaped(w *Word) {
	for i := 0; i < len(w.Text); i++ {
		c := w.Text[i]
		if c == '\\' {
			v, n, reason := dname.Unescape(w.Text[i:])
			if reason != "" {
				p.fail(i, "bad-string", "%s", reason)
				return
			}
			c = v
			i += n - 1
		}
		p.out = append(p.out, c)
	}
}

// appendQuoted appends a string in quotes.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c >= 0x7f:
			dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// counted takes a word as a field with its length in front, one octet, which convert appends.
func (p *Parser) counted(name string, convert func(*Word)) {
	w := p.next(name)
	length := len(p.out)
	p.out = append(p.out, 0)
	convert(w)
	n := len(p.out) - length - 1
	if n > math.MaxUint8 {
		p.fail(0, "long-string", `a string of %d octets, at most 255 are allowed; split it into several quoted strings`, n)
	}
	p.out[length] = byte(n)
}

func countedSize(d []byte, at int) (int, string) {
	if at == len(d) {
		return 0, "it is missing"
	}
	return exactly(d, at, 1+int(d[at]))
}

// str is a character-string (RFC 1035 §3.3).
type str struct{}

func (str) parse(p *Parser, name string)          { p.counted(name, p.appendUnescaped) }
func (str) size(d []byte, at int) (int, string)   { return countedSize(d, at) }
func (str) print(dst, d []byte, at, n int) []byte { return appendQuoted(dst, d[at+1:at+n]) }

// optionalStr is a character-string or nothing.
type optionalStr struct{}

func (optionalStr) parse(p *Parser, name string) {
	if p.word == len(p.words) {
		return
	}
	str{}.parse(p, name)
}

func (optionalStr) size(d []byte, at int) (int, string) {
	if at == len(d) {
		return 0, ""
	}
	return countedSize(d, at)
}

func (optionalStr) print(dst, d []byte, at, n int) []byte {
	if n == 0 {
		return dst
	}
	return str{}.print(dst, d, at, n)
}

// strs is one character-string or more, up to the end.
type strs struct{}

func (strs) parse(p *Parser, name string) {
	for first := true; first || p.word < len(p.words); first = false {
		(str{}).parse(p, name)
	}
}

func (strs) size(d []byte, at int) (int, string) {
	for i := at; i == at || i < len(d); {
		n, reason := countedSize(d, i)
		if reason != "" {
			return 0, reason
		}
		i += n
	}
	return len(d) - at, ""
}

func (strs) print(dst, d []byte, at, n int) []byte {
	for i := at; i < at+n; i += 1 + int(d[i]) {
		if i > at {
			dst = append(dst, ' ')
		}
		dst = appendQuoted(dst, d[i+1:i+1+int(d[i])])
	}
	return dst
}

// digits is a character-string of so many decimal digits or more.
type digits int

func (digits) parse(p *Parser, name string)          { str{}.parse(p, name) }
func (digits) size(d []byte, at int) (int, string)   { return countedSize(d, at) }
func (digits) print(dst, d []byte, at, n int) []byte { return str{}.print(dst, d, at, n) }

func (k digits) judge(d []byte, at, n int) (string, string) {
	s := d[at+1 : at+n]
	if len(s) < int(k) || strings.Trim(string(s), "0123456789") != "" {
		return rule.Digits, fmt.Sprintf("%s is not at least %d decimal digits", Quote(s), int(k))
	}
	return "", ""
}

// degrees is a character-string with a decimal number, whose amount is at most that; 0: any.
type degrees int

func (degrees) parse(p *Parser, name string)          { str{}.parse(p, name) }
func (degrees) size(d []byte, at int) (int, string)   { return countedSize(d, at) }
func (degrees) print(dst, d []byte, at, n int) []byte { return str{}.print(dst, d, at, n) }

func (k degrees) judge(d []byte, at, n int) (string, string) {
	s := d[at+1 : at+n]
	unsigned := strings.TrimLeft(string(s), "+-")
	whole, fraction, hasPoint := strings.Cut(unsigned, ".")
	v, ok := ParseUint([]byte(whole), math.MaxUint32)
	switch {
	case len(s)-len(unsigned) > 1 || !ok || hasPoint && (fraction == "" || strings.Trim(fraction, "0123456789") != ""):
		return rule.Degrees, fmt.Sprintf("%s is not a decimal number", Quote(s))
	case k > 0 && (v > uint64(k) || v == uint64(k) && strings.Trim(fraction, "0") != ""):
		return rule.Degrees, fmt.Sprintf("%s is not from -%d to %d", Quote(s), int(k), int(k))
	}
	return "", ""
}

// text is a string without a length, up to the end.
type text struct{}

func (text) parse(p *Parser, name string) {
	w := p.next(name)
	p.appendUnescaped(w)
}

func (text) size(d []byte, at int) (int, string)   { return len(d) - at, "" }
func (text) print(dst, d []byte, at, n int) []byte { return appendQuoted(dst, d[at:at+n]) }

// uri is text that is not empty.
type uri struct{ text }

func (uri) judge(_ []byte, _, n int) (string, string) {
	if n == 0 {
		return rule.URI, "it is empty"
	}
	return "", ""
}

// tag is the tag of a property, letters and digits.
type tag struct{ str }

func (tag) print(dst, d []byte, at, n int) []byte {
	if _, bad := (tag{}).judge(d, at, n); bad != "" {
		return appendQuoted(dst, d[at+1:at+n])
	}
	return append(dst, d[at+1:at+n]...)
}

func (tag) judge(d []byte, at, n int) (string, string) {
	s := d[at+1 : at+n]
	for _, c := range s {
		if isLetter := (c|0x20)-'a' < 26; !isLetter && !isDigit(c) {
			return rule.Tag, fmt.Sprintf("%s has other octets than letters and digits", Quote(s))
		}
	}
	if len(s) == 0 {
		return rule.Tag, "it is empty"
	}
	return "", ""
}

// encoded takes the words that are left, the parts of one text in an encoding with these digits,
// and returns it joined.
func (p *Parser) encoded(name, digits, code, what string) []byte {
	p.joined = p.joined[:0]
	for first := true; first || p.word < len(p.words); first = false {
		w := p.next(name)
		if w.Quoted {
			p.fail(-1, code, "write %s digits without quotes", what)
		}
		for i, c := range w.Text {
			if strings.IndexByte(digits, c) < 0 {
				p.fail(i, code, "%q is not a %s digit", c, what)
			}
		}
		p.joined = append(p.joined, w.Text...)
	}
	return p.joined
}

const (
	hexDigits    = "0123456789abcdefABCDEF"
	base64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
)

// hexadecimal is at least so many octets, up to the end, as hexadecimal digits.
type hexadecimal int

func (hexadecimal) parse(p *Parser, name string) {
	digits := p.encoded(name, hexDigits, "bad-hex", "hexadecimal")
	if len(digits)%2 != 0 {
		p.fail(0, "bad-hex", "%s has %d hexadecimal digits; two make an octet", name, len(digits))
	}
	p.out, _ = hex.AppendDecode(p.out, digits)
}

func (k hexadecimal) size(d []byte, at int) (int, string) {
	n := len(d) - at
	if n < int(k) {
		return 0, fmt.Sprintf("at least %d octets are needed, %d are left", int(k), n)
	}
	return n, ""
}

func (hexadecimal) print(dst, d []byte, at, n int) []byte { return appendHex(dst, d[at:at+n]) }

// appendHex appends digits in upper case.
func appendHex(dst, b []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range b {
		dst = append(dst, digits[c>>4], digits[c&15])
	}
	return dst
}

// base64Data is at least so many octets, up to the end, in base64.
type base64Data int

func (k base64Data) parse(p *Parser, name string) {
	if k == 0 && p.word == len(p.words) {
		return
	}
	digits := p.encoded(name, base64Digits, "bad-base64", "base64")
	out, err := base64.StdEncoding.AppendDecode(p.out, digits)
	if err != nil {
		p.fail(0, "bad-base64", "%s has %d digits that are no whole base64; four make three octets, and = fills the last four", name, len(digits))
	}
	p.out = out
}

func (k base64Data) size(d []byte, at int) (int, string) { return hexadecimal(k).size(d, at) }
func (base64Data) print(dst, d []byte, at, n int) []byte {
	return base64.StdEncoding.AppendEncode(dst, d[at:at+n])
}

// base64OrDash is base64Data, with a hyphen for none.
type base64OrDash struct{}

func (base64OrDash) parse(p *Parser, name string) {
	if p.word < len(p.words) && string(p.words[p.word].Text) == "-" {
		p.word++
		return
	}
	base64Data(1).parse(p, name)
}

func (base64OrDash) size(d []byte, at int) (int, string) { return len(d) - at, "" }
func (base64OrDash) print(dst, d []byte, at, n int) []byte {
	if n == 0 {
		return append(dst, '-')
	}
	return base64Data(0).print(dst, d, at, n)
}

// salt is octets with their number in front, one word of hexadecimal; a hyphen for none.
type salt struct{}

func (salt) parse(p *Parser, name string) {
	p.counted(name, func(w *Word) {
		if string(w.Text) == "-" {
			return
		}
		p.hexWord(name, w)
	})
}

// hexWord appends a word of hexadecimal.
func (p *Parser) hexWord(name string, w *Word) {
	out, err := hex.AppendDecode(p.out, w.Text)
	if err != nil || w.Quoted || len(w.Text) == 0 {
		p.fail(0, "bad-hex", "%s %s is not pairs of hexadecimal digits", name, Quote(w.Text))
	}
	p.out = out
}

func (salt) size(d []byte, at int) (int, string) { return countedSize(d, at) }
func (salt) print(dst, d []byte, at, n int) []byte {
	if n == 1 {
		return append(dst, '-')
	}
	return appendHex(dst, d[at+1:at+n])
}

// hashedName is octets with their number in front, one word of base32hex without padding.
type hashedName struct{}

var base32Hex = base32.HexEncoding.WithPadding(base32.NoPadding)

func (hashedName) parse(p *Parser, name string) {
	p.counted(name, func(w *Word) {
		upper := []byte(strings.ToUpper(string(w.Text)))
		out, err := base32Hex.AppendDecode(p.out, upper)
		if err != nil || w.Quoted || len(out) == len(p.out) {
			p.fail(0, "bad-base32", "%s %s is not base32hex", name, Quote(w.Text))
		}
		p.out = out
	})
}

func (hashedName) size(d []byte, at int) (int, string) { return protocol{}.size(d, at) }

func (hashedName) judge(d []byte, at, n int) (string, string) {
	if d[0] == 1 && n != 1+20 { // RFC 5155 §11: SHA-1
		return rule.Digest, fmt.Sprintf("%d octets, but algorithm 1 makes 20 (RFC 5155 §3.1.7); correct one of them", n-1)
	}
	return "", ""
}

func (hashedName) print(dst, d []byte, at, n int) []byte {
	return base32Hex.AppendEncode(dst, d[at+1:at+n])
}
