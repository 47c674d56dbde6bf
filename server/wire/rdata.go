package wire

import "github.com/ptrd/ptrd/zone/rr"

// AppendRData appends the RDATA of record r, which ends at offset next of the
// message, with the names in it uncompressed. ok is false if RDATA of the type
// cannot be these octets: a name is malformed or leads beyond its end, or octets
// lack or are left over. RDATA of types without names is taken as it is, and so is that
// of types which must not be compressed, unless it is and can be read.
func AppendRData(dst, msg []byte, r Record, next int) (out []byte, ok bool) {
	if fields := rr.Layout(r.Type); fields != "" {
		return appendFields(dst, msg, r, next, fields)
	}
	if fields := neverCompressed(r.Type); fields != "" {
		if out, ok = appendFields(dst, msg, r, next, fields); ok {
			return out, true
		}
	}
	return append(dst, r.Data...), true
}

// neverCompressed returns the fields, as rr.Layout has them, in RDATA of types whose names
// no sender may compress (RFC 3597 §4, RFC 4034 §3.1.7 and §4.1.1, RFC 9460 §2.2). BIND and
// NSD read such names all the same.
func neverCompressed(t rr.Type) string {
	switch t {
	case rr.TypeRRSIG:
		return "99n*"
	case rr.TypeNSEC:
		return "n*"
	case rr.TypeSVCB, rr.TypeHTTPS:
		return "2n*"
	}
	return ""
}

// appendFields is AppendRData for RDATA with these fields.
func appendFields(dst, msg []byte, r Record, next int, fields string) (out []byte, ok bool) {
	// Without the octets behind it, a name that goes on there is malformed.
	msg = msg[:next]
	off := next - len(r.Data)
	for _, kind := range []byte(fields) {
		n := 0
		switch kind {
		case 'n':
			end := SkipName(msg, off)
			if end < 0 {
				return dst, false
			}
			// The room is there before, so that what is appended is appended to dst.
			name := AppendName(dst[len(dst):], msg, off)
			if name == nil {
				return dst, false
			}
			dst = append(dst, name...)
			off = end
			continue
		case 's':
			if off < next {
				n = int(msg[off])
			}
			n++
		case '*':
			n = next - off
		default:
			n = int(kind - '0')
		}
		if n > next-off {
			return dst, false
		}
		dst = append(dst, msg[off:off+n]...)
		off += n
	}
	return dst, off == next
}
