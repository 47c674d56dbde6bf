package dname

import "fmt"

// Form is how a name was written.
type Form struct {
	Relative bool // without a final dot, so that the origin was appended
	Odd      bool // with octets other than letters, digits, hyphen and dot
}

// nameText marks the octets of a name that need no special handling.
// It is read only.
var nameText = func() (t [256]bool) {
	for c := range t {
		t[c] = c == '-' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
	}
	return t
}()

// AppendText appends to dst the wire form of the name that text writes, case
// kept, relative to origin where it has no final dot (RFC 1035 §5.1). It differs
// from [ParseIn] in that it allocates nothing and returns the form.
func AppendText(dst, text []byte, origin Name) ([]byte, Form, *SyntaxError) {
	first := len(dst)
	switch {
	case len(text) == 0:
		return dst, Form{}, &SyntaxError{0, "the name is empty"}
	case len(text) == 1 && text[0] == '@':
		return append(dst, origin...), Form{}, nil
	case len(text) == 1 && text[0] == '.':
		return append(dst, 0), Form{}, nil
	}
	form := Form{Relative: true}
	label := len(dst) // where its length octet is
	dst = append(dst, 0)
	for i := 0; i < len(text); i++ {
		plain := i
		for i < len(text) && nameText[text[i]] {
			i++
		}
		if dst = append(dst, text[plain:i]...); i == len(text) {
			break
		}
		c := text[i]
		if c == '.' {
			n := len(dst) - label - 1
			if n == 0 {
				return dst[:first], form, &SyntaxError{i, "two dots with no label between them"}
			}
			if n > MaxLabel {
				return dst[:first], form, longLabel(i, n)
			}
			dst[label] = byte(n)
			label = len(dst)
			dst = append(dst, 0)
			continue
		}
		form.Odd = true
		if c == '\\' {
			v, n, reason := Unescape(text[i:])
			if reason != "" {
				return dst[:first], form, &SyntaxError{i, reason}
			}
			c = v
			i += n - 1
		}
		dst = append(dst, c)
	}
	switch n := len(dst) - label - 1; {
	case n == 0: // the last label was ended by a dot: dst ends in the root
		form.Relative = false
	case n > MaxLabel:
		return dst[:first], form, longLabel(len(text), n)
	default:
		dst[label] = byte(n)
		dst = append(dst, origin...)
	}
	if n := len(dst) - first; n > MaxWire {
		return dst[:first], form, &SyntaxError{0, fmt.Sprintf("the name takes %d octets, at most 255 are allowed", n)}
	}
	return dst, form, nil
}

func longLabel(offset, n int) *SyntaxError {
	return &SyntaxError{offset - 1, fmt.Sprintf("a label of %d octets, at most 63 are allowed", n)}
}

// Unescape reads the `\X` or `\DDD` that text starts with. It returns the octet
// and how long the escape is, or the reason why it is none.
func Unescape(text []byte) (c byte, n int, reason string) {
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

// String returns the presentation form with its final dot. Octets other than letters,
// digits and the signs - * / _ are written `\X`, those outside printable ASCII, [ and # as `\DDD`:
// Knot reads no other sign without a backslash. Reading it back gives the same octets.
func (n Name) String() string { return string(n.AppendString(make([]byte, 0, len(n)+8))) }

// AppendString appends what String returns.
func (n Name) AppendString(dst []byte) []byte {
	if len(n) <= 1 {
		return append(dst, '.')
	}
	for i := 0; i < len(n) && n[i] != 0; i += 1 + int(n[i]) {
		for _, c := range n[i+1 : i+1+int(n[i])] {
			switch {
			case nameText[c] || c == '*' || c == '/' || c == '_':
				dst = append(dst, c)
			case c <= ' ' || c >= 0x7f || c == '[' || c == '#': // \[ starts a bit-string label in BIND (RFC 2673 §4), \# generic data in Knot
				dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
			default:
				dst = append(dst, '\\', c)
			}
		}
		dst = append(dst, '.')
	}
	return dst
}

// MarshalText returns what String does, so that JSON and logs have names as text.
func (n Name) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (n *Name) UnmarshalText(b []byte) (err error) {
	*n, err = Parse(string(b))
	return err
}
