package wire

import "github.com/ptrd/ptrd/zone/rr"

// AppendRData appends the RDATA of record r, which ends at offset next of the
// message, with the names in it uncompressed. ok is false if RDATA of the type
// cannot be these octets: a name is malformed or leads beyond its end, or octets
// lack or are left over. RDATA of types without names is taken as it is.
func AppendRData(dst, msg []byte, r Record, next int) (out []byte, ok bool) {
	fields := rr.Layout(r.Type)
	if fields == "" {
		return append(dst, r.Data...), true
	}
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
