package rr

import (
	"bytes"

	"github.com/ptrd/ptrd/zone/dname"
)

// Names describes the domain names in the RDATA of a type that may be compressed in messages: Skip
// octets, then Count names, then whatever follows. The zero Names is for all other types.
type Names struct {
	Skip, Count uint8
}

// NamesIn returns where the names in RDATA of type t are that may be compressed (RFC 3597 §4).
func NamesIn(t Type) Names {
	if int(t) < len(compressedNames) {
		return compressedNames[t]
	}
	return Names{}
}

// Target returns the name that an RDATA of type t points to, for which servers add addresses (RFC
// 1034 §4.3.2 step 6; NS, MX, SRV) or which continues a chain (CNAME, DNAME, PTR), as a view of
// rdata; nil if t has none or rdata is malformed.
func Target(t Type, rdata []byte) dname.Name {
	if int(t) < len(targets) {
		if skip := int(targets[t]) - 1; skip >= 0 && skip < len(rdata) {
			return dname.FromWire(rdata[skip:])
		}
	}
	return nil
}

// SOANumbers returns the part of an SOA's RDATA that has SERIAL, REFRESH, RETRY, EXPIRE and MINIMUM, 4
// octets each (RFC 1035 §3.3.13), as a view of rdata.
func SOANumbers(rdata []byte) []byte { return rdata[len(rdata)-SOANumbersLen:] }

// SOANumbersLen is the length of SOANumbers in octets.
const SOANumbersLen = 5 * 4

// EqualData reports whether two RDATA of type t, names in them uncompressed, are the same: octet by
// octet, but for the case of the names that the canonical form has in lower case.
func EqualData(t Type, a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	if r := rowOf(t); len(a) != len(b) || r == nil || !r.hasLower {
		return false
	}
	var room [2][512]byte
	return bytes.Equal(AppendCanonical(room[0][:0], t, a), AppendCanonical(room[1][:0], t, b))
}

// AppendCanonical appends the canonical form of RDATA of type t, names in it uncompressed: with
// names in lower case in the types of RFC 4034 §6.2 as amended by RFC 6840 §5.1.
func AppendCanonical(dst []byte, t Type, rdata []byte) []byte {
	start := len(dst)
	dst = append(dst, rdata...)
	r := rowOf(t)
	if r == nil || !r.hasLower {
		return dst
	}
	at := 0
	for i := range r.fields {
		k := r.fields[i].kind
		n, reason := k.size(rdata, at)
		if reason != "" {
			break
		}
		if isLower(k) {
			for j, c := range rdata[at : at+n] {
				dst[start+at+j] = dname.Lower(c)
			}
		}
		at += n
	}
	return dst
}

// HasCase reports whether RDATA of type t may be the same though its octets differ.
func HasCase(t Type) bool {
	r := rowOf(t)
	return r != nil && r.hasLower
}

func isLower(k kind) bool {
	switch k := k.(type) {
	case nameKind:
		return k&lowerName != 0
	case a6Name:
		return true
	}
	return false
}

// Expand appends the RDATA of type t at offsets from to end of a message, where name appends the
// name at an offset, uncompressed, and returns the offset behind it; nil if there is none. ok is
// false if RDATA of the type cannot be these octets: a name is malformed, or octets lack or are
// left over. Names are looked for in types whose names may be compressed or compare without case,
// and in RRSIG, NSEC, SVCB and HTTPS, whose names some servers compress all the same; RDATA of
// other types is taken as it is.
func Expand(dst []byte, t Type, msg []byte, from, end int, name func(dst []byte, off int) ([]byte, int)) (out []byte, ok bool) {
	r := rowOf(t)
	if r == nil || r.names == 0 {
		return append(dst, msg[from:end]...), true
	}
	out, off := dst, from
	for i := range r.fields[:r.names] {
		k := r.fields[i].kind
		if _, isName := k.(nameKind); isName {
			if out, off = name(out, off); out == nil {
				break
			}
			continue
		}
		n, reason := k.size(msg[from:end], off-from)
		if out = append(out, msg[off:off+n]...); reason != "" {
			out = nil
			break
		}
		off += n
	}
	switch {
	case out != nil && off == end || out != nil && r.names < len(r.fields):
		return append(out, msg[off:end]...), true
	case r.hasLower && t != TypeRRSIG:
		return dst, false
	}
	return append(dst, msg[from:end]...), true
}
