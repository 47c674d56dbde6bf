package journal

import (
	"fmt"
	"maps"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// resolve decides what the new journal has of each zone, given the files of contents,
// and returns what is lost.
func (v *survey) resolve(contents map[string][]foundFile) (lost []Damage, noted map[string]string) {
	noted = map[string]string{}
	report := func(key, format string, args ...any) {
		lost = append(lost, Damage{dname.Name(key), fmt.Sprintf(format, args...)})
	}
	for _, id := range slices.Sorted(maps.Keys(v.names)) {
		key := v.names[id]
		s := v.zones[key]
		// An entry that is older than the history is one of a page that was free.
		run := lastRun(v.history[id])
		made := s == nil || s.id != id || len(run) > 0 && run[len(run)-1].last > s.Sequence
		if made {
			if s != nil && s.id != id {
				continue // an older number of a zone that has another one now
			}
			s = v.rebuild(id, contents[key])
			v.zones[key] = s
			if s.Sequence > 0 {
				report(key, "its entry in the journal was damaged and was made again from its history, with serial %d", s.Serial)
			} else {
				report(key, "its entry in the journal was damaged: its serial is not known")
			}
		}
		if n := v.trimHistory(s, v.history[id]); n > 0 && !made {
			report(key, "part of its history is lost: no change before number %d can be read", s.first)
		}
		count := v.notes[id]
		if why := ""; made && v.bad[bucketNotes] > 0 || v.format < formatSummed && v.bad[bucketNotes2] > 0 || !made && v.format >= formatSummed && count != s.notes {
			if why = "some of what updates noted about it is lost"; !made && s.notes > count {
				why = fmt.Sprintf("%d of %d notes about it (records that updates added, lifetimes, times of a secondary) are lost", s.notes-count, s.notes)
			}
			report(key, "%s", why)
			noted[key] = why
		}
		s.notes = count
	}
	unknown := 0
	for id := range v.notes {
		if v.names[id] == "" {
			unknown++
		}
	}
	if unknown > 0 {
		noted[lostAny] = "the journal has notes of zones whose names are lost, and no entry of this one"
		lost = append(lost, Damage{Text: fmt.Sprintf("the names of %d zones that the journal has notes about are lost", unknown)})
	}
	return lost, noted
}

// trimHistory takes that part of the history of a zone out of its entry which cannot
// be read, with all before it. It returns how many changes these are.
func (v *survey) trimHistory(s *state, list []record) uint64 {
	had := s.Sequence + 1 - min(s.first, s.Sequence+1)
	run := lastRun(list)
	for len(run) > 0 && run[0].last < s.first {
		run = run[1:] // trimmed
	}
	if len(run) == 0 || run[len(run)-1].last != s.Sequence || run[0].first > s.Sequence {
		s.first, s.octets, s.since, s.oldest = s.Sequence+1, 0, 0, s.at
		return had
	}
	s.first, s.octets, s.since, s.oldest = run[0].first, 0, 0, run[0].at
	for _, r := range run {
		s.octets += r.octets
		if s.content != (contentFile{}) && r.first > s.content.sequence {
			s.since += r.octets
		}
	}
	return had - min(had, s.Sequence+1-s.first)
}

// lastRun returns the blocks at the end that follow each other without a gap.
func lastRun(list []record) []record {
	i := len(list) - 1
	for ; i > 0 && list[i-1].last+1 == list[i].first; i-- {
	}
	if i < 0 {
		return nil
	}
	return list[i:]
}

// rebuild makes the entry of a zone from its history. A content whose serial is in it is
// the one that it was kept in. The digest is not known, and zero.
func (v *survey) rebuild(id uint32, contents []foundFile) *state {
	s := &state{id: id, history: history{first: 1}}
	run := lastRun(v.history[id])
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
	for _, c := range contents {
		if n, ok := v.sequenceOf(id, run, c.serial); ok && n >= s.content.sequence {
			s.Kept = true
			s.content = contentFile{sequence: n, serial: c.serial, digest: c.digest, octets: c.octets}
		}
	}
	return s
}

// sequenceOf returns the number of the last change that led to a serial.
func (v *survey) sequenceOf(id uint32, run []record, serial zone.Serial) (n uint64, ok bool) {
	if run[0].kind == blockSteps && zone.Serial(uint32(run[0].begin)) == serial {
		n, ok = run[0].first-1, true
	}
	inside := map[uint64]bool{}
	for _, r := range run {
		switch s := r.begin + uint64(uint32(serial)-uint32(r.begin)); {
		case zone.Serial(uint32(r.end)) == serial:
			n, ok = r.last, true
		case r.kind == blockSteps && s > r.begin && s < r.end:
			inside[r.first] = true
		}
	}
	if len(inside) == 0 {
		return n, ok
	}
	v.p.secondPass().walk(bucketChanges, func(it item) {
		of, sequence, part := splitKey(it.key)
		if of != id || part != 0 || !inside[sequence] {
			return
		}
		b, isWhole := newBlock(it.key, it.value)
		if !isWhole {
			return
		}
		for steps := b.steps(dname.Name(v.names[id])); steps.next(); {
			if steps.head.to == serial && steps.sequence > n {
				n, ok = steps.sequence, true
			}
		}
	})
	return n, ok
}
