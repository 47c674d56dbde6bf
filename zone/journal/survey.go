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
	bad      map[string]int // damaged pages and values, by bucket

	zones   map[string]*state   // by key of the apex: entries
	names   map[uint32]string   // keys of apexes by number
	history map[uint32][]record // blocks, by number of the zone
	notes   map[uint32]uint32   // how many there are, by number of the zone
}

// record is what a salvage needs to know of a block.
type record struct {
	first, last   uint64 // numbers of its steps
	begin, end    uint64 // extended serials before and after it
	octets        uint64 // with its keys
	at, ended     int64
	kind          byte
	parts, bigger int // parts that follow, and whether some must
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
	v := &survey{file: f, format: format}
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

// check reads all of a database and counts what is damaged. It returns the names of
// the files that the entries of kept zones name.
func (v *survey) check() (files map[string]bool) {
	files = map[string]bool{}
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
		for _, bucket := range []string{bucketLost, bucketFloors} {
			v.p.walk(bucket, func(it item) {
				if !isWhole(bucket, it) {
					v.p.fault("bucket %s: value of %q", bucket, it.key)
				}
			})
		}
	}
	v.walk(v.p, func(bucket string, it item, ok bool) {
		if !ok {
			v.p.fault("bucket %s: value of %q", bucket, it.key)
		} else if bucket == bucketZones {
			if s, _ := decode(it.key, it.value); s.content != (contentFile{}) {
				files[s.content.name(dname.FromWire(it.key))] = true
			}
		}
	})
	return files
}

// walk calls visit with all items of a database, and whether each agrees with its
// checksum.
func (v *survey) walk(p *pages, visit func(bucket string, it item, ok bool)) {
	for _, bucket := range []string{bucketZones, bucketNames, bucketChanges, bucketNotes, bucketNotes2} {
		if bucket == bucketNotes2 && v.format >= formatSummed {
			continue
		}
		before := p.faults
		p.walk(bucket, func(it item) { visit(bucket, it, isWhole(bucket, it)) })
		if v.bad != nil {
			v.bad[bucket] += p.faults - before
			if _, ok := p.roots[bucket]; !ok && v.format == format {
				v.bad[bucket]++ // some of its pages may be damaged as well
			}
		}
	}
}

// walkAll is walk with what lies below damaged pages.
func (v *survey) walkAll(visit func(bucket string, it item, ok bool)) {
	p := v.p.secondPass()
	v.walk(p, visit)
	p.orphans(func(it item) {
		for _, bucket := range []string{bucketZones, bucketNames, bucketChanges, bucketNotes} {
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
		return ok && len(dname.FromWire(it.key)) == len(it.key)
	case bucketChanges:
		_, ok := blockKind(it.key, it.value)
		return ok
	case bucketNotes2:
		return len(it.key) > 4
	}
	_, ok := summed(bucket, it.key, it.value)
	return ok && (len(it.key) >= 4 || bucket == bucketLost || bucket == bucketFloors)
}

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

// collect reads what a new journal is made from.
func (v *survey) collect() {
	v.bad = map[string]int{}
	v.zones, v.names = map[string]*state{}, map[uint32]string{}
	v.history, v.notes = map[uint32][]record{}, map[uint32]uint32{}
	v.walkAll(func(bucket string, it item, ok bool) {
		switch {
		case !ok:
			v.bad[bucket]++
		case bucket == bucketZones:
			s, _ := decode(it.key, it.value)
			key := string(it.key)
			if it.page == nil && v.zones[key] != nil {
				return
			}
			v.zones[key] = &s
			if s.id != 0 {
				v.names[s.id] = key
			}
		case bucket == bucketNames:
			id, name := binary.BigEndian.Uint32(it.key), it.value[4:]
			if v.names[id] == "" && len(dname.FromWire(name)) == len(name) {
				v.names[id] = string(name)
			}
		}
	})
	seen := map[string]bool{} // keys of notes
	v.walkAll(func(bucket string, it item, ok bool) {
		switch {
		case !ok || len(it.key) < 4:
		case bucket == bucketChanges:
			v.collectBlock(it)
		case bucket == bucketNotes, bucket == bucketNotes2:
			if it.page != nil {
				seen[string(it.key)] = true
			} else if seen[string(it.key)] {
				return // an older one
			}
			v.notes[binary.BigEndian.Uint32(it.key)]++
		}
	})
	for id, list := range v.history {
		slices.SortStableFunc(list, func(a, b record) int {
			if a.first != b.first {
				if a.first < b.first {
					return -1
				}
				return 1
			}
			return a.parts - b.parts // the block itself before its parts
		})
		v.history[id] = joinParts(list)
	}
}

// collectBlock notes a block, or a part of one.
func (v *survey) collectBlock(it item) {
	id, sequence, part := splitKey(it.key)
	name := v.names[id]
	if name == "" {
		return // no zone is known that it is of
	}
	r := record{first: sequence, last: sequence, octets: uint64(len(it.key) + len(it.value)), parts: int(part)}
	if part > 0 {
		v.history[id] = append(v.history[id], r)
		return
	}
	b, ok := newBlock(it.key, it.value)
	if !ok {
		return
	}
	r.kind, r.begin, r.end, r.at, r.ended = b.kind, b.extended, b.extended, b.at, b.at
	switch {
	case b.kind != blockSteps:
		to, _, _, ok := b.event()
		if !ok {
			return
		}
		r.end += uint64(uint32(to) - uint32(b.extended))
	case len(it.value) >= blockMost:
		// The first part of one step, of which the head is enough.
		r.bigger = 1
		steps := b.steps(dname.Name(name))
		h := steps.coder.readHead(&steps.r)
		if steps.r.bad {
			return
		}
		r.end += uint64(uint32(h.to - h.from))
		r.ended = h.at
	default:
		steps := b.steps(dname.Name(name))
		for steps.next() {
			r.end += uint64(uint32(steps.head.to - steps.head.from))
			r.last, r.ended = steps.sequence, steps.head.at
		}
		if steps.err != nil {
			return
		}
	}
	v.history[id] = append(v.history[id], r)
}

// joinParts adds the parts of blocks to these. A block of which one is not there is
// left out.
func joinParts(list []record) (out []record) {
	for i := 0; i < len(list); {
		r := list[i]
		n := i + 1
		whole := r.parts == 0
		parts := 1
		for ; n < len(list) && list[n].first == r.first; n++ {
			if list[n].parts == list[n-1].parts {
				continue // an older one
			}
			whole = whole && list[n].parts == parts
			parts++
			r.octets += list[n].octets
		}
		if whole && parts > r.bigger {
			out = append(out, r)
		}
		i = n
	}
	return out
}
