package main

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
)

// serials numbers the generated serials of each zone in the order in which one server
// was first seen to send them.
type serials map[string][]uint32

// ordinal returns the number of a generated serial, and the serial itself if it is not a
// generated one: those are near the Unix time, which no file and no update here is.
func (s serials) ordinal(owner string, serial uint32) uint32 {
	const near = 2 * 24 * time.Hour
	away := time.Since(time.Unix(int64(serial), 0)).Abs()
	if away > near {
		if !slices.Contains(s[owner], serial) {
			s[owner] = append(s[owner], serial)
		}
		return serial
	}
	i := slices.Index(s[owner], serial)
	if i < 0 {
		i = len(s[owner])
		s[owner] = append(s[owner], serial)
	}
	return 1<<31 + uint32(i)
}

const (
	typeSOA  = 6
	typeOPT  = 41
	typeTSIG = 250
)

// mask returns a message in the form that is compared: what has to differ between two
// servers is replaced. The length of what it returns differs from that of the message
// where an extended error has a text. A message that cannot be parsed stays as it is.
func (s serials) mask(message []byte) []byte {
	m := slices.Clone(message)
	if len(m) < 12 {
		return m
	}
	at := 12
	asked, _, _ := nameAt(m, at)
	for range binary.BigEndian.Uint16(m[4:]) {
		_, next, ok := nameAt(m, at)
		if !ok || next+4 > len(m) {
			return m
		}
		at = next + 4
	}
	records := 0
	for i := 6; i < 12; i += 2 {
		records += int(binary.BigEndian.Uint16(m[i:]))
	}
	var out []byte
	copied := 0
	for range records {
		owner, next, ok := nameAt(m, at)
		if !ok || next+10 > len(m) {
			return m
		}
		kind, length := binary.BigEndian.Uint16(m[next:]), int(binary.BigEndian.Uint16(m[next+8:]))
		data := next + 10
		at = data + length
		if at > len(m) {
			return m
		}
		switch kind {
		case typeSOA:
			_, after, ok := nameAt(m, data)
			if !ok {
				return m
			}
			if _, after, ok = nameAt(m, after); !ok || after+20 != at {
				continue // an UPDATE that is echoed, or the like
			}
			binary.BigEndian.PutUint32(m[after:], s.ordinal(owner, binary.BigEndian.Uint32(m[after:])))
		case typeTSIG:
			maskTSIG(m, data, at)
		case typeOPT:
			out = append(out, m[copied:next+8]...)
			out = append(out, s.maskOptions(m[data:at], dname.Name(asked))...)
			copied = at
		}
	}
	return append(out, m[copied:]...)
}

// maskTSIG clears the times and the MAC (RFC 8945 §4.2).
func maskTSIG(m []byte, data, end int) {
	_, at, ok := nameAt(m, data)
	if !ok || at+10 > end {
		return
	}
	clear(m[at : at+6])
	size := int(binary.BigEndian.Uint16(m[at+8:]))
	at += 10
	if at+size+6 > end {
		return
	}
	clear(m[at : at+size])
	at += size + 4 // original ID, error
	if binary.BigEndian.Uint16(m[at:]) == 6 && at+8 == end {
		clear(m[at+2 : end])
	}
}

// maskOptions returns the EDNS options of a response for a name without the hash and the time
// of server cookies, without the texts of extended errors, without the length of padding,
// which depends on them, and with generated serials replaced.
func (s serials) maskOptions(options []byte, asked dname.Name) (out []byte) {
	const cookie, padding, extendedError, zoneVersion = 10, 12, 15, 19
	for len(options) >= 4 {
		code, size := binary.BigEndian.Uint16(options), int(binary.BigEndian.Uint16(options[2:]))
		if 4+size > len(options) {
			break
		}
		data := slices.Clone(options[4 : 4+size])
		switch {
		case code == cookie && size == 24:
			clear(data[12:])
		case code == extendedError && size >= 2:
			data = data[:2]
		case code == zoneVersion && size == 6 && len(asked) > 0 && int(data[0]) <= asked.Labels(): // RFC 9660 §2.1
			apex := string(asked.Suffix(int(data[0])))
			binary.BigEndian.PutUint32(data[2:], s.ordinal(apex, binary.BigEndian.Uint32(data[2:])))
		case code == padding:
			data = nil
		}
		out = binary.BigEndian.AppendUint16(out, code)
		out = append(append(out, byte(len(data))), data...)
		options = options[4+size:]
	}
	return append(out, options...)
}

// nameAt reads a name that may be compressed. It returns the name in lower case as wire
// octets, and where what follows it begins.
func nameAt(m []byte, at int) (name string, next int, ok bool) {
	var b []byte
	for jumps := 0; ; {
		if at >= len(m) || len(b) > dname.MaxWire {
			return "", 0, false
		}
		n := int(m[at])
		switch {
		case n == 0:
			if next == 0 {
				next = at + 1
			}
			return string(append(b, 0)), next, true
		case n >= 0xc0:
			if at+1 >= len(m) || jumps > dname.MaxWire {
				return "", 0, false
			}
			if next == 0 {
				next = at + 2
			}
			at = (n&0x3f)<<8 | int(m[at+1])
			jumps++
		case n > 63 || at+1+n > len(m):
			return "", 0, false
		default:
			b = append(b, byte(n))
			for _, c := range m[at+1 : at+1+n] {
				b = append(b, dname.Lower(c))
			}
			at += 1 + n
		}
	}
}
