package rr

import (
	"encoding/hex"
	"strconv"
)

// Append appends the text of RDATA of type t. What is no RDATA of the type, or of no known type,
// comes in the generic form of RFC 3597 §5. [Parser.Parse] reads either as the same octets, if it
// accepts them.
func Append(dst []byte, t Type, rdata []byte) []byte {
	if r := rowOf(t); r != nil && r.fields != nil {
		if out := r.append(dst, rdata); out != nil {
			return out
		}
	}
	dst = append(dst, `\# `...)
	dst = strconv.AppendInt(dst, int64(len(rdata)), 10)
	if len(rdata) > 0 {
		dst = append(dst, ' ')
		dst = hex.AppendEncode(dst, rdata)
	}
	return dst
}

// append returns nil if text cannot express d.
func (r *row) append(dst, d []byte) []byte {
	at, start := 0, len(dst)
	for i := range r.fields {
		k := r.fields[i].kind
		n, reason := k.size(d, at)
		if reason != "" {
			return nil
		}
		end := len(dst)
		if end > start {
			dst = append(dst, ' ')
		}
		length := len(dst)
		if dst = k.print(dst, d, at, n); dst == nil {
			return nil
		}
		if len(dst) == length { // an empty field
			dst = dst[:end]
		}
		at += n
	}
	if at != len(d) {
		return nil
	}
	return dst
}

// Text returns what Append appends.
func Text(t Type, rdata []byte) string { return string(Append(nil, t, rdata)) }
