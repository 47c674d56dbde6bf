package rr

import (
	"encoding/hex"
	"strconv"
)

// Append appends the text of RDATA of type t. What is no RDATA of the type, or of no known type,
// comes in the generic form of RFC 3597 §5. [Parser.Parse] reads either as the same octets, if it
// accepts them.
func Append(dst []byte, t Type, rdata []byte) []byte {
	if dst == nil {
		dst = make([]byte, 0, 64) // so that nil can mean failure below
	}
	if r := rowOf(t); r != nil && r.fields != nil {
		if out, ok := r.append(dst, rdata); ok {
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

// append returns false if text cannot express d.
func (r *row) append(dst, d []byte) (out []byte, ok bool) {
	at, start := 0, len(dst)
	for i := range r.fields {
		k := r.fields[i].kind
		n, reason := k.size(d, at)
		if reason != "" {
			return nil, false
		}
		end := len(dst)
		if end > start {
			dst = append(dst, ' ')
		}
		length := len(dst)
		if dst = k.print(dst, d, at, n); dst == nil {
			return nil, false
		}
		if len(dst) == length { // an empty field
			dst = dst[:end]
		}
		at += n
	}
	return dst, at == len(d)
}

// Text returns what Append appends.
func Text(t Type, rdata []byte) string { return string(Append(nil, t, rdata)) }
