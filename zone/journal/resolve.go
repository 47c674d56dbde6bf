package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// salvage makes a new journal of what of a damaged one can be verified: all values are
// copied that agree with their checksums, and then those removed that nothing leads to.
type salvage struct {
	*survey
	out      copier
	contents map[string][]foundFile // by key of the apex: content files

	names map[uint32]string // keys of apexes by number of the zone
	lost  []Damage
	noted map[string]string // by key of the apex, or lostAny: why notes are not all there
}

// run makes the journal.
func (v *salvage) run() error {
	v.names, v.noted = map[uint32]string{}, map[string]string{}
	if err := v.copyAll(); err != nil {
		return err
	}
	kept := map[uint32]bool{}
	for _, id := range slices.Sorted(maps.Keys(v.names)) {
		t, err := v.out.next(0)
		if err == nil {
			kept[id], err = v.resolve(t, id)
		}
		if err != nil {
			return err
		}
	}
	if err := v.removeUnnamed(kept); err != nil {
		return err
	}
	if v.bad[bucketFloors] > 0 || v.bad[bucketLost] > 0 {
		v.lost = append(v.lost, Damage{Text: "the list of later serials that others know of zones, or that of zones without all their notes, is damaged: some of it may be lost"})
	}
	for _, key := range slices.Sorted(maps.Keys(v.noted)) {
		if err := v.out.put(bucketLost, []byte(key), withSum(bucketLost, []byte(key), []byte(v.noted[key]))); err != nil {
			return err
		}
	}
	return v.out.commit()
}

// copyAll copies what agrees with its checksum.
func (v *salvage) copyAll() (err error) {
	v.walkAll(func(bucket string, it item, ok bool) {
		if !ok || err != nil {
			return
		}
		to, value := bucket, it.value
		switch bucket {
		case bucketZones:
			s, _ := decode(it.key, it.value)
			value = s.encode(it.key) // of an older format
		case bucketNotes2:
			to, value = bucketNotes, withSum(bucketNotes, it.key, it.value)
		}
		if it.page == nil {
			var isThere bool
			if isThere, err = v.out.has(to, it.key); isThere || err != nil {
				return // there is a newer one
			}
		}
		v.readName(bucket, it)
		err = v.out.put(to, it.key, value)
	})
	most := uint64(0) // the number of zones so far
	for id := range v.names {
		most = max(most, uint64(id))
	}
	for _, root := range v.p.roots {
		if root.sequence < 1<<32 {
			most = max(most, min(root.sequence, 1<<31))
		}
	}
	if err != nil {
		return err
	}
	t, err := v.out.next(0)
	if err != nil {
		return err
	}
	return t.bucket(bucketChanges).SetSequence(most)
}

// readName remembers the name of a zone that an entry or a name has.
func (v *salvage) readName(bucket string, it item) {
	switch bucket {
	case bucketZones:
		if s, _ := decode(it.key, it.value); s.id != 0 {
			v.names[s.id] = string(it.key)
		}
	case bucketNames:
		id, name := binary.BigEndian.Uint32(it.key), it.value[4:]
		if v.names[id] == "" && len(dname.FromWire(name)) == len(name) {
			v.names[id] = string(name)
		}
	}
}

func (v *salvage) report(key, format string, args ...any) {
	v.lost = append(v.lost, Damage{dname.Name(key), fmt.Sprintf(format, args...)})
}

// resolve decides what the new journal has of a zone. kept is not set where the number is
// an older one of a zone that has another one now.
func (v *salvage) resolve(t *transaction, id uint32) (kept bool, err error) {
	key := v.names[id]
	s, isThere := decode([]byte(key), t.bucket(bucketZones).Get([]byte(key)))
	if isThere && s.id != id {
		return false, nil
	}
	run := t.lastRun(id, dname.Name(key))
	// An entry that is older than the history is one of a page that was free.
	made := !isThere || len(run) > 0 && run[len(run)-1].last > s.Sequence
	if made {
		s = v.rebuild(t, id, run)
		if s.Sequence > 0 {
			v.report(key, "its entry in the journal was damaged and was made again from its history, with serial %d", s.Serial)
		} else {
			v.report(key, "its entry in the journal was damaged: its serial is not known")
		}
	}
	if n := s.trimTo(run); n > 0 && !made {
		v.report(key, "part of its history is lost: no change before number %d can be read", s.first)
	}
	count := uint32(0)
	t.eachOf(bucketNotes, id, func([]byte) { count++ })
	if why := ""; made && v.bad[bucketNotes] > 0 || v.format < formatSummed && v.bad[bucketNotes2] > 0 || !made && v.format >= formatSummed && count != s.notes {
		if why = "some of what updates or the Route 53 API noted about it is lost"; !made && s.notes > count {
			why = fmt.Sprintf("%d of %d notes about it (records that updates added, lifetimes, times of a secondary, submitted texts and aliases of a hosted zone) are lost", s.notes-count, s.notes)
		}
		v.report(key, "%s", why)
		v.noted[key] = why
	}
	s.notes = count
	var gone [][]byte // blocks that are not part of the history
	t.eachOf(bucketChanges, id, func(k []byte) {
		if _, sequence, _ := splitKey(k); sequence < s.first || sequence > s.Sequence {
			gone = append(gone, bytes.Clone(k))
		}
	})
	if err := v.out.put(bucketZones, []byte(key), s.encode([]byte(key))); err != nil {
		return false, err
	}
	number := binary.BigEndian.AppendUint32(nil, id)
	if err := v.out.put(bucketNames, number, withSum(bucketNames, number, []byte(key))); err != nil {
		return false, err
	}
	return true, v.out.remove(bucketChanges, gone)
}

// removeUnnamed removes what belongs to none of the zones that are kept.
func (v *salvage) removeUnnamed(kept map[uint32]bool) error {
	unknown := map[uint32]bool{} // numbers of zones that have notes and no name
	for _, bucket := range []string{bucketNames, bucketChanges, bucketNotes} {
		t, err := v.out.next(0)
		if err != nil {
			return err
		}
		var gone [][]byte
		c := t.bucket(bucket).Cursor()
		for k, _ := c.First(); k != nil; k, _ = c.Next() {
			id := binary.BigEndian.Uint32(k)
			if kept[id] {
				continue
			}
			gone = append(gone, bytes.Clone(k))
			if bucket == bucketNotes && v.names[id] == "" {
				unknown[id] = true
			}
		}
		if err := v.out.remove(bucket, gone); err != nil {
			return err
		}
	}
	if len(unknown) > 0 {
		v.noted[lostAny] = "the journal has notes of zones whose names are lost, and no entry of this one"
		v.lost = append(v.lost, Damage{Text: fmt.Sprintf("the names of %d zones that the journal has notes about are lost", len(unknown))})
	}
	return nil
}

// eachOf calls visit with the keys of a bucket that begin with the number of a zone. They
// are valid until visit returns.
func (t *transaction) eachOf(bucket string, id uint32, visit func(key []byte)) {
	prefix := noteKey(id, "")
	c := t.bucket(bucket).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		visit(k)
	}
}

// record is what a salvage needs to know of a block.
type record struct {
	kind        byte
	first, last uint64 // numbers of its steps
	begin, end  uint64 // extended serials before and after it
	octets      uint64 // with its keys
	at, ended   int64
}

// newRecord reads a block; ok is false where it is not whole.
func newRecord(b *block, apex dname.Name) (r record, ok bool) {
	lines, err := b.lines(apex, true)
	if err != nil {
		return r, false
	}
	r = record{kind: b.kind, first: b.sequence, last: b.sequence, begin: b.extended, end: b.extended, at: b.at, ended: b.at}
	r.octets = uint64(keyLen + len(b.value))
	for _, p := range b.parts {
		r.octets += uint64(keyLen + partHeader + len(p))
	}
	for _, l := range lines {
		r.last, r.ended = l.Sequence, l.At
		r.end += uint64(uint32(l.To - l.From))
	}
	return r, true
}

// lastRun returns the blocks at the end of the history of a zone that follow each other
// without a gap.
func (t *transaction) lastRun(id uint32, apex dname.Name) (run []record) {
	c := t.bucket(bucketChanges).Cursor()
	t.eachOf(bucketChanges, id, func(k []byte) {
		_, sequence, part := splitKey(k)
		if part > 0 {
			return
		}
		b, err := exactBlock(c, id, sequence)
		if err != nil || b == nil {
			return
		}
		r, ok := newRecord(b, apex)
		if !ok {
			return
		}
		if n := len(run); n > 0 && run[n-1].last+1 != r.first {
			run = nil
		}
		run = append(run, r)
	})
	return run
}

// trimTo takes that part of the history of a zone out of its entry which is not in the run
// at its end. It returns how many changes these are.
func (s *state) trimTo(run []record) uint64 {
	had := s.Sequence + 1 - min(s.first, s.Sequence+1)
	for len(run) > 0 && run[0].last < s.first {
		run = run[1:] // trimmed
	}
	s.octets, s.since = 0, 0
	if len(run) == 0 || run[len(run)-1].last != s.Sequence || run[0].first > s.Sequence {
		s.first, s.oldest = s.Sequence+1, s.at
		return had
	}
	s.first, s.oldest = run[0].first, run[0].at
	for _, r := range run {
		s.octets += r.octets
		if s.content != (contentFile{}) && r.first > s.content.sequence {
			s.since += r.octets
		}
	}
	return had - min(had, s.Sequence+1-s.first)
}

// rebuild makes the entry of a zone from its history. A content whose serial is in it is
// the one that it was kept in. The digest is not known, and zero.
func (v *salvage) rebuild(t *transaction, id uint32, run []record) state {
	s := state{id: id, history: history{first: 1}}
	if len(run) == 0 {
		return s
	}
	last := run[len(run)-1]
	s.Sequence, s.first = last.last, run[0].first
	s.Serial, s.epoch = zone.Serial(uint32(last.end)), uint32(last.end>>32)
	s.at, s.oldest = last.ended, run[0].at
	s.Gone = last.kind == blockEnded
	if v.bad[bucketChanges] > 0 {
		return s // later changes may be lost: what is served next gets a later serial
	}
	for _, c := range v.contents[v.names[id]] {
		if n, ok := t.sequenceOf(id, dname.Name(v.names[id]), run, c.serial); ok && n >= s.content.sequence {
			s.Kept = true
			s.content = contentFile{sequence: n, serial: c.serial, digest: c.digest, octets: c.octets}
		}
	}
	return s
}

// sequenceOf returns the number of the last change that led to a serial.
func (t *transaction) sequenceOf(id uint32, apex dname.Name, run []record, serial zone.Serial) (n uint64, ok bool) {
	if run[0].kind == blockSteps && zone.Serial(uint32(run[0].begin)) == serial {
		n, ok = run[0].first-1, true
	}
	c := t.bucket(bucketChanges).Cursor()
	for _, r := range run {
		b, err := exactBlock(c, id, r.first)
		if err != nil || b == nil {
			continue // it was read before
		}
		lines, _ := b.lines(apex, false)
		for _, l := range lines {
			if l.To == serial {
				n, ok = l.Sequence, true
			}
		}
	}
	return n, ok
}
