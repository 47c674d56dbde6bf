package lease

import (
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// hostName makes a name that a client gave itself a host name (RFC 952, RFC 1123 §2.1): octets other
// than letters, digits and hyphens become a hyphen, several in a row only one, and there is none at
// the ends of a label. A name without a dot is completed by domain. If that is not possible, reason
// is the rule with its remedy.
func hostName(text string, domain dname.Name) (name dname.Name, reason string) {
	text = strings.TrimSuffix(text, ".")
	name = make(dname.Name, 0, len(text)+len(domain)+2)
	for label := range strings.SplitSeq(text, ".") {
		at := len(name)
		name = append(name, 0)
		name = appendHostLabel(name, label)
		size := len(name) - at - 1
		switch {
		case size == 0:
			return nil, "a label has neither letter nor digit; correct the name at its client"
		case size > dname.MaxLabel:
			return nil, "a label has more than 63 octets; correct the name at its client"
		}
		name[at] = byte(size)
	}
	switch {
	case strings.Contains(text, "."):
		name = append(name, 0)
	case domain == nil:
		return nil, "it has no dot, so it is not a full name; add `domain` next to the file, with the domain of such names"
	default:
		name = append(name, domain...)
	}
	if len(name) > dname.MaxWire {
		return nil, "it has more than 255 octets with its domain; correct the name at its client"
	}
	return name, ""
}

// appendHostLabel appends the octets of a label.
func appendHostLabel(dst []byte, label string) []byte {
	start := len(dst)
	for i := range len(label) {
		c := label[i]
		switch {
		case c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z':
			dst = append(dst, c)
		case len(dst) > start && dst[len(dst)-1] != '-', c == '-' && len(dst) > start:
			dst = append(dst, '-')
		}
	}
	for len(dst) > start && dst[len(dst)-1] == '-' {
		dst = dst[:len(dst)-1]
	}
	return dst
}
