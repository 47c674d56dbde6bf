package zone

import "github.com/cespare/xxhash/v2"

// suffixCache finds suffixes that were met lately, so that changes share them as a
// build does. It may forget one, and it may hold refs of another zone that grew
// out of the same: what it finds is compared, and octets that are the same are
// valid whatever wrote them.
//
// Its hash has no secret: which suffixes it forgets decides what is stored, and the
// same changes are to give the same chunks everywhere. Collisions cost little: a
// search looks at four slots at most, and a suffix that is not found is stored once
// more, in no more octets than it came in.
type suffixCache struct {
	slots []ref // a power of two; buckets of four, the newest first
}

const (
	suffixBucket = 4
	// The octets of storage to one of the cache.
	suffixShare = 32
)

// newSuffixCache returns an empty cache for a zone of that many octets.
func newSuffixCache(size int64) *suffixCache {
	n := suffixBucket
	for int64(2*n)*4 <= size/suffixShare {
		n *= 2
	}
	return &suffixCache{slots: make([]ref, n)}
}

func (c *suffixCache) bucket(suffix []byte) []ref {
	i := int(xxhash.Sum64(suffix)) & (len(c.slots) - 1) &^ (suffixBucket - 1)
	return c.slots[i : i+suffixBucket]
}

// find returns the ref of a suffix, zero if it is not cached. The cache may be nil.
func (c *suffixCache) find(s *storage, suffix []byte) ref {
	if c == nil {
		return 0
	}
	for _, r := range c.bucket(suffix) {
		if r == 0 {
			break
		}
		i, off := int(r>>chunkShift), int(r&(chunkUnits-1))<<2
		// The chunk must be one that stays as long as a suffix in it may be used.
		if i >= len(s.fills) || !s.fills[i].suffixes || s.fills[i].condemned || off+1+len(suffix) > len(s.chunks[i]) {
			continue
		}
		b := s.chunks[i][off:]
		if int(b[0]) == len(suffix) && string(b[1:1+len(suffix)]) == string(suffix) {
			return r
		}
	}
	return 0
}

// add notes where a suffix is.
func (c *suffixCache) add(suffix []byte, r ref) {
	b := c.bucket(suffix)
	copy(b[1:], b)
	b[0] = r
}
