package journal

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
)

// changesFill is how full a page of the changes is before a new one begins: they
// are written in order and hardly ever in between.
const changesFill = 0.95

// Append makes the batch durable in one transaction, flushed to disk before it
// returns; with an error nothing of it is kept. Each change gets its steps into
// the history, or an event that the history restarts or ends; a zone that is
// served as it was last, after a restart, gets nothing. A zone that goes keeps its
// serial for the day it comes back; a zone without data leaves its serial as it is.
//
// The content of a kept zone whose history restarts is written first. That takes time in
// proportion to its size; [Journal.PrepareContent] does it in advance.
func (j *Journal) Append(b *zone.Batch) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.db.Load() == nil {
		return j.refuse()
	}
	edits := make([]*edit, len(b.Changes))
	for i := range b.Changes {
		edits[i] = newEdit(&b.Changes[i], b)
	}
	err := j.writeContents(edits)
	if err == nil {
		err = j.makeEdits(edits, b.Notes)
	}
	if err != nil {
		if !errors.Is(err, zone.ErrUndecided) {
			j.removeWritten(edits)
		}
		if j.db.Load() != nil && isOfFile(err) {
			err = cmp.Or(j.checkFile(), err)
		}
		return err
	}
	for _, e := range edits {
		j.removeSuperseded(e.key, e.was.content, e.next.content)
		if p, ok := j.prepared[e.key]; ok {
			j.removeSuperseded(e.key, p, e.next.content)
			delete(j.prepared, e.key)
		}
	}
	return nil
}

// removeWritten removes the contents that were written for edits that came to nothing.
func (j *Journal) removeWritten(edits []*edit) {
	for _, e := range edits {
		if _, ok := j.prepared[e.key]; !ok && e.file != (contentFile{}) {
			j.removeSuperseded(e.key, e.file, e.had)
		}
	}
}

// edit is what one change does to what is kept of its zone.
type edit struct {
	change *zone.Change
	source string // of the batch
	at     int64
	key    string      // of the apex
	file   contentFile // written for it
	had    contentFile // that the zone is restored from before it

	was, next state
	writer    blockWriter
}

func newEdit(c *zone.Change, b *zone.Batch) *edit {
	return &edit{change: c, source: b.Source, at: b.At, key: c.Apex.Key()}
}

// content returns the zone that is served from now on; nil: none, or one without
// data.
func (e *edit) content() *zone.Zone {
	if z := e.change.Zone; z != nil && z.IsAvailable() {
		return z
	}
	return nil
}

// begins reports whether the history restarts after old.
func (e *edit) begins(old *state) bool {
	z := e.content()
	return z != nil && len(e.change.Steps) == 0 &&
		(old.Sequence == 0 || old.Gone || old.Serial != z.Serial() || old.Digest != z.Digest())
}

// needsContent reports whether the content of a kept zone could not be restored
// from what there is and the steps.
func (e *edit) needsContent(old *state) bool {
	return e.change.Kept && e.content() != nil && (old.content == contentFile{} || e.begins(old))
}

// writeContents writes the content of kept zones whose history begins, and of those that
// lost the file that they would be restored from.
func (j *Journal) writeContents(edits []*edit) error {
	for _, e := range edits {
		if !e.change.Kept || e.content() == nil {
			continue
		}
		old, err := j.state(e.change.Apex)
		if err != nil {
			return err
		}
		if !e.needsContent(&old) && (len(e.change.Steps) == 0 || j.hasContent(e.change.Apex, &old.content)) {
			continue
		}
		e.had = old.content
		z := e.content()
		if p, ok := j.prepared[e.key]; ok && p.serial == z.Serial() && p.digest == z.Digest() && j.hasContent(e.change.Apex, &p) {
			e.file = p
		} else if e.file, err = j.writeContent(z); err != nil {
			return err
		}
	}
	return nil
}

// makeEdits makes the edits in one transaction. Entries and changes each are written by
// ascending keys: the database keeps the new keys of a transaction in one sorted
// list, which a hundred thousand in any other order would move each time.
func (j *Journal) makeEdits(edits []*edit, notes []zone.ZoneNotes) error {
	edits = slices.Clone(edits)
	slices.SortStableFunc(edits, func(a, b *edit) int { return strings.Compare(a.key, b.key) })
	limits := j.limits.Load()
	return j.write(func(t *transaction) error {
		t.bucket(bucketChanges).FillPercent = changesFill
		t.bucket(bucketNames).FillPercent = changesFill
		var puts []put
		for _, e := range edits {
			t.pause()
			if err := t.apply(e, limits); err != nil {
				return err
			}
			puts = append(puts, e.writer.puts...)
		}
		if err := t.putBlocks(puts); err != nil {
			return err
		}
		for _, e := range edits {
			t.pause()
			if e.next.Sequence == 0 && e.next.id == 0 {
				continue
			}
			if err := t.putNotes(&e.next, e.change.Notes); err != nil {
				return err
			}
			if len(e.writer.puts) > 0 {
				if _, err := t.trim(&e.next, limits.of(e.key), j.ageAt(e.next.at), trimAtOnce+2*len(e.writer.puts)); err != nil {
					return err
				}
			}
			if e.next != e.was {
				if err := t.putState(e.key, &e.next); err != nil {
					return err
				}
			}
		}
		for _, n := range notes {
			if err := t.putZoneNotes(n); err != nil {
				return err
			}
		}
		return errors.Join(t.removePassedFloors(edits), t.clearLost(edits))
	})
}

// pauseRecords is how many records, each well below a microsecond, lie between two pauses.
const pauseRecords = 64

// pause returns what a large computation calls every few microseconds.
func (j *Journal) pause() func() {
	if j.o.Pause != nil {
		if pause := j.o.Pause(); pause != nil {
			return pause
		}
	}
	return func() {}
}

// wrap adds to an error what was being done, unless the error has it.
func (j *Journal) wrap(err error) error {
	var unfit *unfitError
	if err == nil || errors.Is(err, ErrCorrupt) || errors.As(err, &unfit) {
		return err
	}
	return fmt.Errorf("write the journal %s: %w", j.path, err)
}

// unfitError means that a change does not follow the last entry: a bug of the caller.
type unfitError struct{ text string }

func (e *unfitError) Error() string { return e.text }

// putBlocks writes blocks.
func (t *transaction) putBlocks(puts []put) error {
	slices.SortFunc(puts, func(a, b put) int { return bytes.Compare(a.key, b.key) })
	for _, p := range puts {
		t.pause()
		if err := t.bucket(bucketChanges).Put(p.key, p.value); err != nil {
			return err
		}
	}
	return nil
}

// assignNumber gives the zone with the key a number of its own. The name is kept under the
// number as well, so that a damaged entry can be rebuilt from its history.
func (t *transaction) assignNumber(s *state, key string) error {
	if s.id != 0 {
		return nil
	}
	n, err := t.bucket(bucketChanges).NextSequence()
	if err != nil {
		return err
	}
	s.id = uint32(n)
	number := binary.BigEndian.AppendUint32(nil, s.id)
	return t.putSummed(bucketNames, number, []byte(key))
}

// apply computes the state that follows an edit, and the blocks to be written.
func (t *transaction) apply(e *edit, limits *limitSet) error {
	was, err := t.state(e.key)
	if err != nil {
		return err
	}
	e.was, e.next, e.writer = was, was, blockWriter{}
	next, c, z := &e.next, e.change, e.content()
	if z == nil && next.Sequence == 0 && len(c.Notes) == 0 {
		return nil // never served: nothing to keep
	}
	if err := t.assignNumber(next, e.key); err != nil {
		return err
	}
	w := &e.writer
	*w = blockWriter{id: next.id, sum: next.extended(), next: next.Sequence + 1, pause: t.pause}
	w.coder.apex = c.Apex
	switch {
	case c.Zone == nil && !next.Gone && next.Sequence > 0:
		w.event(blockEnded, next.Serial, e.at, e.source, 0)
	case len(c.Steps) > 0 && z != nil:
		if err := t.steps(e); err != nil {
			return err
		}
		if most := limits.of(e.key).MaxSize; int64(w.added) > most && !c.Kept {
			// It would be trimmed at once.
			last := c.Steps[len(c.Steps)-1]
			*w = blockWriter{id: next.id, sum: next.extended(), next: next.Sequence + uint64(len(c.Steps)), pause: t.pause}
			w.event(blockBegan, z.Serial(), last.At, last.Source, z.Stats().Records)
		}
	case e.begins(next):
		w.event(blockBegan, z.Serial(), e.at, e.source, z.Stats().Records)
	}
	w.flush()
	next.Gone = c.Zone == nil && next.Sequence > 0
	if z != nil {
		next.Serial, next.Digest, next.Verbatim, next.Kept = z.Serial(), z.Digest(), c.Verbatim, c.Kept
		next.Declared, next.HasDeclared, next.Records = c.Declared, c.HasDeclared, z.Stats().Records
		next.epoch = uint32(w.sum >> 32)
	}
	if len(w.puts) > 0 {
		began, ended := e.times()
		if next.first > next.Sequence || next.Sequence == 0 {
			next.first, next.oldest = next.Sequence+1, began
		}
		next.Sequence = w.next - 1
		next.octets += uint64(w.added)
		next.since += uint64(w.added)
		next.at = ended
	}
	switch {
	case z == nil:
	case !c.Kept:
		next.dropContent()
	case e.file != (contentFile{}):
		next.content, next.since = e.file, 0
		next.content.sequence = next.Sequence
	}
	return nil
}

// times returns when the first and the last of the changes were made.
func (e *edit) times() (began, ended int64) {
	if s := e.change.Steps; len(s) > 0 && e.change.Zone != nil {
		return s[0].At, s[len(s)-1].At
	}
	return e.at, e.at
}

// steps writes the steps of a change behind those that are there.
func (t *transaction) steps(e *edit) error {
	c, w, serial := e.change, &e.writer, e.was.Serial
	if e.was.Sequence == 0 {
		return &unfitError{fmt.Sprintf("zone %v: a changeset from serial %d, but the zone was never kept", c.Apex, c.Steps[0].Changeset.From)}
	}
	last, err := blockAt(t.bucket(bucketChanges).Cursor(), e.was.id, e.was.Sequence)
	if err != nil {
		// It was damaged since Open: what comes now can be read without it, and the
		// content of a kept zone is due to be written.
		last = nil
		e.next.since += max(e.was.content.octets/2, blockMost) + 1
	}
	w.resume(last)
	for i := range c.Steps {
		s := &c.Steps[i]
		if s.Changeset.From != serial || s.Changeset.To == serial {
			return &unfitError{fmt.Sprintf("zone %v: a changeset from serial %d to %d cannot follow serial %d", c.Apex, s.Changeset.From, s.Changeset.To, serial)}
		}
		if err := w.step(s); err != nil {
			return &unfitError{fmt.Sprintf("zone %v: %v", c.Apex, err)}
		}
		serial = s.Changeset.To
	}
	if serial != c.Zone.Serial() {
		return &unfitError{fmt.Sprintf("zone %v: its changesets end with serial %d, it has %d", c.Apex, serial, c.Zone.Serial())}
	}
	return nil
}
