package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
)

// survey is what of a database can be verified.
type survey struct {
	file     *os.File
	p        *pages // nil: no part of the file can be used
	unusable error  // then, the reason
	format   uint32
	bad      map[string]int // damaged pages and values that were seen so far, by bucket
}

// bucketNotes2 is where format 2 had notes, without checksums.
const bucketNotes2 = "notes"

// openSurvey opens the journal at path.
func openSurvey(path string) (*survey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	v := &survey{file: f, format: format, bad: map[string]int{}}
	if v.p, err = openPages(f, fi.Size()); err != nil {
		v.p, v.unusable = nil, err
	}
	return v, nil
}

// readFormat finds out which format a database has. A newer one is an error.
func (v *survey) readFormat(path string) error {
	v.format = format
	var number, sum []byte
	v.p.secondPass().walk(bucketMeta, func(it item) {
		switch string(it.key) {
		case keyFormat:
			number = bytes.Clone(it.value)
		case keyFormatSum:
			sum = bytes.Clone(it.value)
		}
	})
	if len(number) != 4 {
		v.p.fault("no format")
		return nil
	}
	n := binary.BigEndian.Uint32(number)
	switch isSummed := len(sum) == 4 && binary.BigEndian.Uint32(sum) == keyedSum(bucketMeta, []byte(keyFormat), number); {
	case n < formatSummed && n > 0 && sum == nil:
		v.format = n
	case !isSummed:
		v.p.fault("format %d", n)
	case n > format:
		return fmt.Errorf("%s: journal has format %d, this ptrd knows up to %d; use the newer ptrd again, or restore a backup that this one made", path, n, format)
	default:
		v.format = n
	}
	return nil
}

// check reads all of a database and counts what is damaged.
func (v *survey) check() {
	if v.format == format {
		for _, bucket := range buckets {
			if _, ok := v.p.roots[bucket]; !ok {
				v.p.fault("bucket %s is not there", bucket)
			}
		}
		for bucket := range v.p.roots {
			if !slices.Contains(buckets[:], bucket) {
				v.p.fault("bucket %q is not ptrd's", bucket)
			}
		}
		v.p.walk(bucketMeta, func(item) {})
	}
	v.walk(v.p, func(bucket string, it item, ok bool) {
		if !ok {
			v.p.fault("bucket %s: value of %q", bucket, it.key)
		}
	})
}

// walk calls visit with all items of a database, and whether each agrees with its
// checksum.
func (v *survey) walk(p *pages, visit func(bucket string, it item, ok bool)) {
	for _, bucket := range []string{bucketZones, bucketNames, bucketChanges, bucketNotes, bucketNotes2, bucketLost, bucketFloors} {
		if bucket == bucketNotes2 && v.format >= formatSummed {
			continue
		}
		before := p.faults
		p.walk(bucket, func(it item) {
			ok := isWhole(bucket, it)
			if !ok {
				v.bad[bucket]++
			}
			visit(bucket, it, ok)
		})
		v.bad[bucket] += p.faults - before
		if _, ok := p.roots[bucket]; !ok && v.format == format {
			v.bad[bucket]++ // some of its pages may be damaged as well
		}
	}
}

// walkAll is walk with what lies below damaged pages.
func (v *survey) walkAll(visit func(bucket string, it item, ok bool)) {
	p := v.p.secondPass()
	v.walk(p, visit)
	p.orphans(func(it item) {
		for _, bucket := range []string{bucketZones, bucketNames, bucketChanges, bucketNotes, bucketLost, bucketFloors} {
			if isKeyed(bucket, it) && isWhole(bucket, it) {
				visit(bucket, it, true)
			}
		}
	})
}

// isWhole reports whether the value of an item agrees with its checksum.
func isWhole(bucket string, it item) bool {
	switch bucket {
	case bucketZones:
		_, ok := decode(it.key, it.value)
		return ok && isName(it.key)
	case bucketChanges:
		_, ok := blockKind(it.key, it.value)
		return ok
	case bucketNotes2:
		return len(it.key) > 4
	}
	value, ok := summed(bucket, it.key, it.value)
	isFloor := len(value) == 4 && isName(it.key)
	switch bucket {
	case bucketFloors: // its checksums are as those of notes
		return ok && isFloor
	case bucketLost:
		return ok && (string(it.key) == lostAny || isName(it.key))
	case bucketNotes:
		ok = ok && !isFloor
	}
	return ok && len(it.key) >= 4
}

// isName reports whether a key is that of an apex. That of a note is none: it begins with the
// number of a zone, whose first octet is 0 unless there were 16 million zones.
func isName(key []byte) bool { return len(key) > 0 && len(dname.FromWire(key)) == len(key) }

// isKeyed reports whether the checksum of an item, if it is one of the bucket, covers
// its key and so proves it.
func isKeyed(bucket string, it item) bool {
	switch bucket {
	case bucketZones:
		return len(it.value) > 4 && it.value[4]&flagKeyed != 0
	case bucketChanges:
		return len(it.value) > 4 && it.value[4]&blockKeyed != 0
	}
	return true
}
