package zonefile

import (
	"fmt"

	"github.com/ptrd/ptrd/zone/dname"
)

// nameFault is what is wrong with the presentation form of a name, and where.
type nameFault struct {
	offset int // octets from the start of the text
	text   string
}

// nameForm is how a name was written.
type nameForm struct {
	relative bool // without a final dot, so that the origin was appended
	odd      bool // with octets other than letters, digits, hyphen and dot
}

// nameText marks the octets of a name that need no special handling.
// It is read only.
var nameText = func() (t [256]bool) {
	for c := range t {
		t[c] = c == '-' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
	}
	return t
}()

// appendName appends to dst the wire form of the name that text writes, case
// kept, relative to origin where it has no final dot (RFC 1035 §5.1). It differs
// from [dname.ParseIn] in that it allocates nothing and returns the form.
func appendName(dst, text []byte, origin dname.Name) ([]byte, nameForm, *nameFault) {
	first := len(dst)
	switch {
	case len(text) == 0:
		return dst, nameForm{}, &nameFault{0, "the name is empty"}
	case len(text) == 1 && text[0] == '@':
		return append(dst, origin...), nameForm{}, nil
	case len(text) == 1 && text[0] == '.':
		return append(dst, 0), nameForm{}, nil
	}
	form := nameForm{relative: true}
	label := len(dst) // where its length octet is
	dst = append(dst, 0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		if !nameText[c] {
			if c == '.' {
				n := len(dst) - label - 1
				if n == 0 {
					return dst[:first], form, &nameFault{i, "two dots with no label between them"}
				}
				if n > dname.MaxLabel {
					return dst[:first], form, longLabel(i, n)
				}
				dst[label] = byte(n)
				label = len(dst)
				dst = append(dst, 0)
				continue
			}
			form.odd = true
			if c == '\\' {
				v, n, reason := unescape(text[i:])
				if reason != "" {
					return dst[:first], form, &nameFault{i, reason}
				}
				c = v
				i += n - 1
			}
		}
		dst = append(dst, c)
	}
	switch n := len(dst) - label - 1; {
	case n == 0: // the last label was ended by a dot: dst ends in the root
		form.relative = false
	case n > dname.MaxLabel:
		return dst[:first], form, longLabel(len(text), n)
	default:
		dst[label] = byte(n)
		dst = append(dst, origin...)
	}
	if n := len(dst) - first; n > dname.MaxWire {
		return dst[:first], form, &nameFault{0, fmt.Sprintf("the name takes %d octets, at most 255 are allowed", n)}
	}
	return dst, form, nil
}

func longLabel(offset, n int) *nameFault {
	return &nameFault{offset - 1, fmt.Sprintf("a label of %d octets, at most 63 are allowed", n)}
}

// unescape reads the `\X` or `\DDD` that text starts with. It returns the octet
// and how long the escape is, or the reason why it is none.
func unescape(text []byte) (c byte, n int, reason string) {
	if len(text) < 2 {
		return 0, 0, `\ at the end; write \\ for a backslash`
	}
	d := text[1]
	if !isDigit(d) {
		return d, 2, ""
	}
	if len(text) < 4 || !isDigit(text[2]) || !isDigit(text[3]) {
		return 0, 0, `\ and a digit need two more digits, as in \032`
	}
	v := int(d-'0')*100 + int(text[2]-'0')*10 + int(text[3]-'0')
	if v > 255 {
		return 0, 0, fmt.Sprintf(`\%d is not an octet, at most \255 is allowed`, v)
	}
	return byte(v), 4, ""
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
