package wire

import "github.com/ptrd/ptrd/zone/rr"

// AppendRData appends the RDATA of record r, which ends at offset next of the
// message, with the names in it uncompressed. ok is false if RDATA of the type
// cannot be these octets: see [rr.Expand].
func AppendRData(dst, msg []byte, r Record, next int) (out []byte, ok bool) {
	msg = msg[:next] // a name that goes on behind that is malformed
	return rr.Expand(dst, r.Type, msg, next-len(r.Data), next, func(dst []byte, off int) ([]byte, int) {
		end := SkipName(msg, off)
		if end < 0 {
			return nil, 0
		}
		// The room is there before, so that what is appended is appended to dst.
		name := AppendName(dst[len(dst):], msg, off)
		if name == nil {
			return nil, 0
		}
		return append(dst, name...), end
	})
}
