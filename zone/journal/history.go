package journal

import (
	"cmp"
	"fmt"
	"iter"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Kind is what happened to a zone in a line of its history.
type Kind uint8

// The kinds of lines.
const (
	Changed Kind = iota // by a changeset
	Began               // the history starts, or restarts with content that no changeset leads to
	Ended               // the zone went
)

func (k Kind) String() string { return [...]string{"changed", "began", "ended"}[k] }

// Line is one line of a zone's history.
type Line struct {
	Kind           Kind
	Sequence       uint64      // its number, which grows by one with each
	From, To       zone.Serial // From means nothing in the line that a zone begins with
	At             int64       // Unix milliseconds
	Source         string
	Removed, Added int             // records, without an SOA of which only the serial changed; of Began the records there are
	Changeset      *zone.Changeset // nil where none was asked for, or there is none
}

// Chain returns the changesets that lead the zone at apex from one serial to
// another, in their order; ok is false where they are not all there, or have more
// than most records together (0: no limit). Serials are found over the wrap of
// RFC 1982 as well, one whole turn of them back from the last.
func (j *Journal) Chain(apex dname.Name, from, to zone.Serial, most int) (list []*zone.Changeset, ok bool, err error) {
	err = j.view(func(t *transaction) error {
		s, err := t.state(apex.Key())
		if err != nil || s.Sequence == 0 {
			return err
		}
		last := s.extended()
		back, ahead := uint64(uint32(s.Serial-from)), uint64(uint32(to-from))
		if back > last || ahead > back {
			return nil
		}
		list, err = j.chain(t.bucket(bucketChanges).Cursor(), &s, apex, last-back, last-back+ahead, most)
		ok = list != nil
		return err
	})
	return list, ok, err
}

// chain is Chain by extended serials; nil where the changesets are not there.
func (j *Journal) chain(c *bolt.Cursor, s *state, apex dname.Name, from, to uint64, most int) ([]*zone.Changeset, error) {
	list := []*zone.Changeset{}
	if from == to {
		return list, nil
	}
	b, err := findBlock(c, s, from)
	records := 0
	for err == nil && b != nil && b.kind == blockSteps {
		r, at := b.steps(apex), b.extended
		for r.next() {
			begin := at
			at += uint64(uint32(r.head.to - r.head.from))
			if begin < from {
				continue
			}
			if records += r.head.removes() + r.head.adds(); len(list) == 0 && begin != from || at > to || most > 0 && records > most {
				return nil, nil
			}
			if set := r.records(); set != nil {
				list = append(list, set)
				if at == to {
					return list, nil
				}
			}
		}
		if err = r.err; err == nil {
			b, err = exactBlock(c, s.id, r.sequence+1)
		}
	}
	if err != nil {
		return nil, corrupt(j.path, err)
	}
	return nil, nil
}

// SourceOf returns the source of the change that led the zone at apex to a serial; empty: the
// history does not have it.
func (j *Journal) SourceOf(apex dname.Name, serial zone.Serial) (source string, err error) {
	err = j.view(func(t *transaction) error {
		s, err := t.state(apex.Key())
		if err != nil || s.Sequence == 0 {
			return err
		}
		last, back := s.extended(), uint64(uint32(s.Serial-serial))
		if back >= last {
			return nil
		}
		b, err := findBlock(t.bucket(bucketChanges).Cursor(), &s, last-back-1)
		if err != nil {
			return corrupt(j.path, err)
		}
		if b == nil || b.kind != blockSteps {
			return nil
		}
		r, at := b.steps(apex), b.extended
		for r.next() {
			if at += uint64(uint32(r.head.to - r.head.from)); at == last-back {
				source = r.head.source
				return nil
			}
		}
		if r.err != nil {
			return corrupt(j.path, r.err)
		}
		return nil
	})
	return source, err
}

// Oldest returns the serial that the oldest stored change of the zone at apex leads from; ok is false if
// its history has none.
func (j *Journal) Oldest(apex dname.Name) (serial zone.Serial, ok bool, err error) {
	err = j.view(func(t *transaction) error {
		s, err := t.state(apex.Key())
		if err != nil || s.first > s.Sequence || s.id == 0 {
			return err
		}
		b, err := exactBlock(t.bucket(bucketChanges).Cursor(), s.id, s.first)
		if err != nil || b == nil {
			return corrupt(j.path, cmp.Or(err, errDamaged))
		}
		serial, ok = zone.Serial(uint32(b.extended)), true
		return nil
	})
	return serial, ok, err
}

// findBlock returns the last block that begins at or before an extended serial;
// nil if there is none.
func findBlock(c *bolt.Cursor, s *state, extended uint64) (best *block, err error) {
	low, high := s.first, s.Sequence
	for low <= high {
		middle := low + (high-low)/2
		b, err := blockAt(c, s.id, middle)
		switch {
		case err != nil:
			return nil, err
		case b == nil:
			low = middle + 1
		case b.extended <= extended:
			best, low = b, middle+1
		default:
			high = b.sequence - 1
		}
	}
	return best, nil
}

// exactBlock returns the block that begins with the number; nil if there is none.
func exactBlock(c *bolt.Cursor, id uint32, sequence uint64) (*block, error) {
	key := blockKey(id, sequence, 0)
	if k, v := c.Seek(key); string(k) == string(key) {
		return readBlock(c, k, v)
	}
	return nil, nil
}

// Latest is when the history of a zone was last written.
type Latest struct {
	Apex dname.Name
	At   int64 // of its newest line, in Unix milliseconds
}

// Latest returns all zones that have a history, also those that are gone, with the time of the
// newest line.
func (j *Journal) Latest() (list []Latest, err error) {
	err = j.eachState(func(_ *transaction, key []byte, s *state, ok bool) {
		if ok && s.first <= s.Sequence {
			list = append(list, Latest{dname.Name(key).Clone(), s.at})
		}
	})
	return list, err
}

// logPage is how many blocks Log reads at once: a transaction that reads keeps the
// room of what is trimmed meanwhile, so it must be short.
const logPage = 64

// Log yields the history of a zone from the newest line to the oldest that is
// there, with the changesets if records is set. The yield function may take its
// time; what is trimmed meanwhile is not yielded.
func (j *Journal) Log(apex dname.Name, records bool) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		next := ^uint64(0)
		for {
			var page []Line
			err := j.view(func(t *transaction) (err error) {
				page, next, err = t.logPage(apex, next, records)
				return err
			})
			if err != nil {
				yield(Line{}, err)
				return
			}
			for _, l := range page {
				if !yield(l, nil) {
					return
				}
			}
			if next == 0 {
				return
			}
		}
	}
}

// logPage returns the lines of some blocks, of which the last is the one that line
// number from is in, and the number to go on with; 0: there are no more.
func (t *transaction) logPage(apex dname.Name, from uint64, records bool) (page []Line, next uint64, err error) {
	s, err := t.state(apex.Key())
	if err != nil || s.id == 0 {
		return nil, 0, err
	}
	c := t.bucket(bucketChanges).Cursor()
	next = min(from, s.Sequence)
	for n := 0; n < logPage && next > 0; n++ {
		b, err := blockAt(c, s.id, next)
		if err != nil {
			return nil, 0, corrupt(t.j.path, err)
		}
		if b == nil {
			return page, 0, nil
		}
		lines, err := b.lines(apex, records)
		if err != nil {
			return nil, 0, corrupt(t.j.path, err)
		}
		for i := len(lines) - 1; i >= 0; i-- {
			if lines[i].Sequence <= next {
				page = append(page, lines[i])
			}
		}
		next = b.sequence - 1
		if len(b.parts) > 0 {
			break // enough for one page
		}
	}
	return page, next, nil
}

// lines returns the lines of a block, the oldest first.
func (b *block) lines(apex dname.Name, records bool) (list []Line, err error) {
	if b.kind != blockSteps {
		to, n, source, ok := b.event()
		if !ok {
			return nil, fmt.Errorf("change %d of zone number %d: %w", b.sequence, b.id, errDamaged)
		}
		return []Line{{Kind: Kind(b.kind), Sequence: b.sequence, From: zone.Serial(uint32(b.extended)), To: to, At: b.at, Source: source, Added: n}}, nil
	}
	r := b.steps(apex)
	for r.next() {
		h := r.head
		l := Line{Sequence: r.sequence, From: h.from, To: h.to, At: h.at, Source: h.source, Removed: h.removes(), Added: h.adds()}
		if h.flags&addsSOA != 0 && l.Removed > 0 {
			l.Removed--
			l.Added--
		}
		if records {
			l.Changeset = r.records()
		}
		list = append(list, l)
		if len(b.parts) > 0 {
			break // it has one step
		}
	}
	return list, r.err
}
