package loadgen

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/server/wire"
)

// Messages over TCP have their length in two octets in front (RFC 1035 §4.2.2).

// appendFrames appends messages with their lengths.
func appendFrames(dst []byte, msgs [][]byte) []byte {
	for _, m := range msgs {
		dst = append(binary.BigEndian.AppendUint16(dst, uint16(len(m))), m...)
	}
	return dst
}

// frames takes a stream of octets apart.
type frames struct {
	buf   []byte
	start int // of what was not handed out
	end   int // of what has come
}

// newFrames returns room for the longest message and for many of the usual size.
func newFrames() frames { return frames{buf: make([]byte, 2+wire.MaxMessage+1<<14)} }

// room returns where the next octets are to be put, at least one; messages that
// were handed out before are gone.
func (f *frames) room() []byte {
	if f.start > 0 {
		f.end = copy(f.buf, f.buf[f.start:f.end])
		f.start = 0
	}
	return f.buf[f.end:]
}

// came records that n octets were put into the room.
func (f *frames) came(n int) { f.end += n }

// next returns the next whole message as a view, or nil if there is none. An empty
// message is not nil.
func (f *frames) next() []byte {
	if f.end-f.start < 2 {
		return nil
	}
	end := f.start + 2 + int(binary.BigEndian.Uint16(f.buf[f.start:]))
	if end > f.end {
		return nil
	}
	m := f.buf[f.start+2 : end : end]
	f.start = end
	return m
}
