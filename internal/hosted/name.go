package hosted

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// ParseName reads a name as the API has it: absolute with or without its final dot, with
// octets as they are or as a backslash and three octal digits, in lower case afterwards.
// Control characters, space, and octets above 126 must be escaped.
func ParseName(s string) (dname.Name, error) {
	if s == "" {
		return nil, errors.New("the name is empty")
	}
	if s == "." {
		return dname.Root(), nil
	}
	wire := make([]byte, 1, len(s)+2)
	label := 0 // where the length of the label is
	end := func() error {
		n := len(wire) - label - 1
		switch {
		case n == 0:
			return errors.New("a label is empty")
		case n > 63:
			return fmt.Errorf("a label has %d octets, must have at most 63", n)
		}
		wire[label] = byte(n)
		label = len(wire)
		wire = append(wire, 0)
		return nil
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.':
			if err := end(); err != nil {
				return nil, err
			}
			continue
		case c == '\\':
			v, ok := octal(s[i+1:])
			if !ok {
				return nil, fmt.Errorf("%q is no escape; write a backslash and three octal digits, such as \\057", s[i:min(i+4, len(s))])
			}
			c = v
			i += 3
		case c <= ' ' || c > '~':
			return nil, fmt.Errorf("the octet %d must be escaped as \\%03o", c, c)
		}
		wire = append(wire, dname.Lower(c))
	}
	if !strings.HasSuffix(s, ".") {
		if err := end(); err != nil {
			return nil, err
		}
	}
	if len(wire) > dname.MaxWire {
		return nil, fmt.Errorf("the name has %d octets, must have at most %d", len(wire), dname.MaxWire)
	}
	return dname.Name(wire), nil
}

// octal reads three octal digits.
func octal(s string) (v byte, ok bool) {
	if len(s) < 3 || s[0] > '3' {
		return 0, false
	}
	for i := range 3 {
		if s[i] < '0' || s[i] > '7' {
			return 0, false
		}
		v = v<<3 | (s[i] - '0')
	}
	return v, true
}

// FormatName returns a name as the API lists it: with its final dot, in lower case, and
// octets other than letters, digits, hyphens and underscores as octal escapes.
func FormatName(n dname.Name) string {
	if n.IsRoot() {
		return "."
	}
	b := make([]byte, 0, len(n)+8)
	for rest := n; !rest.IsRoot(); rest = rest.Parent() {
		b = appendLabel(b, rest.Label())
	}
	return string(b)
}

// appendLabel appends a label and a dot.
func appendLabel(b, label []byte) []byte {
	for _, c := range label {
		switch c = dname.Lower(c); {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			b = append(b, c)
		default:
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		}
	}
	return append(b, '.')
}

// orderKey returns the labels of a name below the last skip ones, in reverse order and as
// FormatName has them. Compared as strings, such keys are in the order of the API.
func orderKey(n dname.Name, skip int) string {
	var room [dname.MaxLabels + 1]uint8
	count := dname.Offsets(n, &room)
	b := make([]byte, 0, len(n)+8)
	for i := count - skip - 1; i >= 0; i-- {
		at := int(room[i])
		b = appendLabel(b, n[at+1:at+1+int(n[at])])
	}
	return string(b)
}

// nameOfKey returns the name at or below apex whose orderKey is key.
func nameOfKey(key string, apex dname.Name) dname.Name {
	n := apex
	for label := range strings.SplitSeq(strings.TrimSuffix(key, "."), ".") {
		if label == "" {
			break
		}
		raw := make([]byte, 0, len(label))
		for i := 0; i < len(label); i++ {
			c := label[i]
			if c == '\\' {
				c, _ = octal(label[i+1:])
				i += 3
			}
			raw = append(raw, c)
		}
		n, _ = n.Prepend(raw) // it was a name
	}
	return n
}
