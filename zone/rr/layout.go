package rr

import (
	"bytes"

	"github.com/ptrd/ptrd/zone/dname"
)

// Layout returns the fields in RDATA of the types that have a domain name in it
// which others may compress (RFC 1035 §3.3, RFC 3597 §4) or which compares
// without case (RFC 6840 §5.1): n is a name, s a character-string, a digit so
// many octets, * all the rest. It is empty for every other type, whose RDATA is
// octets that are the same or not.
func Layout(t Type) string {
	switch t {
	case TypeNS, TypeCNAME, TypePTR, TypeDNAME, 3, 4, 7, 8, 9: // MD MF MB MG MR
		return "n"
	case TypeSOA:
		return "nn*"
	case 14, 17: // MINFO RP
		return "nn"
	case TypeMX, 18, 21, 36: // AFSDB RT KX
		return "2n"
	case 26: // PX
		return "2nn"
	case TypeSRV:
		return "6n"
	case TypeNAPTR:
		return "4sssn"
	case TypeSIG:
		return "99n*"
	case 30: // NXT
		return "n*"
	}
	return ""
}

// EqualData reports whether two RDATA of type t, names in them uncompressed, are
// the same: octet by octet, but for the case of names.
func EqualData(t Type, a, b []byte) bool {
	if len(a) != len(b) {
		return false
	}
	for _, kind := range []byte(Layout(t)) {
		n := 0
		switch kind {
		case 'n':
			na, nb := dname.FromWire(a), dname.FromWire(b)
			if na == nil || nb == nil || !na.Equal(nb) {
				return bytes.Equal(a, b)
			}
			a, b = a[len(na):], b[len(nb):]
			continue
		case 's':
			if len(a) > 0 {
				n = 1 + int(a[0])
			}
		case '*':
			n = len(a)
		default:
			n = int(kind - '0')
		}
		if n = min(n, len(a)); !bytes.Equal(a[:n], b[:n]) {
			return false
		}
		a, b = a[n:], b[n:]
	}
	return bytes.Equal(a, b)
}
