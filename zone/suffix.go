package zone

import (
	"bytes"
	"hash/maphash"

	"github.com/ptrd/ptrd/zone/dname"
)

// suffixes finds the suffixes that a writer has stored, by a hash table of their
// hashes (upper half) and refs. The hashes depend on a secret, because suffixes come from
// outside; where a suffix is stored depends only on the order they come in.
type suffixes struct {
	seed  maphash.Seed
	table []uint64 // a power of two of them; 0: free
	n     int
	pauser
}

const (
	firstSuffixes = 16
	// A table up to this size is cleared for the next zone; a larger one would take
	// longer to clear than a small zone to build.
	spareSuffixes = 1 << 10
)

// reset forgets all suffixes.
func (s *suffixes) reset() {
	if len(s.table) > spareSuffixes {
		s.table = nil
	}
	clear(s.table)
	s.n, s.pauser = 0, pauser{}
}

// find returns the ref of a suffix, or zero and where it belongs.
func (s *suffixes) find(w *writer, name []byte, hash uint32) (r ref, at uint32) {
	mask := uint32(len(s.table) - 1)
	for at = hash & mask; ; at = (at + 1) & mask {
		e := s.table[at]
		if e == 0 {
			return 0, at
		}
		if uint32(e>>32) == hash {
			b := w.at(ref(e))
			if int(b[0]) == len(name) && bytes.Equal(b[1:1+len(name)], name) {
				return ref(e), at
			}
		}
	}
}

// grow makes room for one more. At most three quarters are used, so that the search
// for one that is not there is short.
func (s *suffixes) grow() {
	if 4*(s.n+1) <= 3*len(s.table) {
		return
	}
	if s.table == nil {
		s.seed = maphash.MakeSeed()
	}
	old := s.table
	s.table = make([]uint64, max(firstSuffixes, 2*len(old)))
	mask := uint32(len(s.table) - 1)
	for _, e := range old {
		s.step()
		if e == 0 {
			continue
		}
		at := uint32(e>>32) & mask
		for s.table[at] != 0 {
			at = (at + 1) & mask
		}
		s.table[at] = e
	}
}

// suffix returns the ref of a suffix, which it stores if it is new.
func (w *zoneWriter) suffix(s []byte) ref {
	r, _ := w.validSuffix(s, nil)
	return r
}

// validSuffix is suffix for octets that may be anything: ok is false if they are not
// valid. What is stored is valid, and not checked again.
func (w *zoneWriter) validSuffix(s []byte, isValid func([]byte) bool) (r ref, ok bool) {
	w.suffixes.grow()
	h := uint32(maphash.Bytes(w.suffixes.seed, s))
	r, at := w.suffixes.find(w.writer, s, h)
	if r != 0 {
		return r, true
	}
	if isValid != nil && !isValid(s) {
		return 0, false
	}
	r = w.putSuffix(s)
	w.suffixes.table[at] = uint64(h)<<32 | uint64(r)
	w.suffixes.n++
	return r, true
}

// putSuffix stores a suffix.
func (w *writer) putSuffix(s []byte) ref {
	r, b := w.allocSuffix(1 + len(s))
	b[0] = byte(len(s))
	copy(b[1:], s)
	return r
}

// target splits the name that is the RDATA of a record in the first label and the
// suffix of the rest, or leaves it whole where the rest is the root. ok is false if
// it is no name, or malformed.
func (w *zoneWriter) target(rdata []byte) (head []byte, suffix ref, ok bool) {
	if len(rdata) == 0 || len(rdata) > dname.MaxWire {
		return nil, 0, false
	}
	first := 1 + int(rdata[0])
	if len(rdata) <= first+1 {
		return rdata, 0, isName(rdata)
	}
	if first > 1+dname.MaxLabel || first == 1 {
		return nil, 0, false
	}
	suffix, ok = w.validSuffix(rdata[first:], isName)
	return rdata[:first], suffix, ok
}

// isName reports whether b is a name and nothing else.
func isName(b []byte) bool { return len(dname.FromWire(b)) == len(b) }
