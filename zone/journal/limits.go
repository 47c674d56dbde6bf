package journal

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
)

// Limits bound the history of one zone. What a kept zone needs to be restored
// stays in any case.
type Limits struct {
	MaxSize int64         // octets, as they are stored
	MaxAge  time.Duration // of a change

	// Grace is how long all of this, the content and the notes of a zone that went are
	// kept: it may come back, and may have gone by mistake.
	Grace time.Duration
}

// defaultLimits are those of a Journal that was given none: some million changes of
// one PTR, and longer than the expiry of most secondaries.
var defaultLimits = Limits{MaxSize: 64 << 20, MaxAge: 30 * 24 * time.Hour, Grace: 30 * 24 * time.Hour}

// limitSet is the limits of all zones.
type limitSet struct {
	all Limits
	own func(apex dname.Name) *Limits
}

func (l *limitSet) of(key string) Limits {
	if l.own != nil {
		if own := l.own(dname.Name(key)); own != nil {
			return *own
		}
	}
	return l.all
}

// SetLimits sets the limits of all zones; own, unless nil, returns those of a zone that has its
// own. They hold from the next change of each zone on, or the next [Journal.Trim]. own must not
// call the Journal.
func (j *Journal) SetLimits(all Limits, own func(apex dname.Name) *Limits) {
	j.limits.Store(&limitSet{all, own})
}

// trimLeap is how far the time that ages are measured at goes on at once.
const trimLeap = 24 * time.Hour

// ageAt returns the time that ages are measured at when the clock shows at, in Unix
// milliseconds.
func (j *Journal) ageAt(at int64) int64 {
	if last := j.aged.Load(); last != 0 {
		return min(at, last+trimLeap.Milliseconds())
	}
	j.aged.CompareAndSwap(0, at) // an empty journal
	return at
}

func (j *Journal) readNewest() (at int64, err error) {
	err = j.eachState(func(_ *transaction, _ []byte, s *state, ok bool) {
		if ok {
			at = max(at, s.at)
		}
	})
	return at, err
}

// Newest returns when the last change was made that the journal had as it was opened;
// zero: there was none.
func (j *Journal) Newest() time.Time {
	if j.newest == 0 {
		return time.Time{}
	}
	return time.UnixMilli(j.newest)
}

// trimBatch is how many keys Trim takes out in one transaction: others wait for it.
const trimBatch = 1000

// Trim takes out of the histories of all zones what is beyond their limits at the
// given time: zones that do not change are not trimmed otherwise. Of a zone that
// went longer ago than Limits.Grace, all goes but its last serial.
//
// A clock that is wrongly set ahead must not make all histories too old. So the time that
// ages are measured at goes on by at most a day with each call, from the newest change on.
func (j *Journal) Trim(now time.Time) error {
	now = time.UnixMilli(j.ageAt(now.UnixMilli()))
	j.aged.Store(now.UnixMilli())
	keys, err := j.overdue(now)
	for len(keys) > 0 && err == nil {
		keys, err = j.trimSome(keys, now)
	}
	return err
}

// overdue returns the keys of zones of which something has to go.
func (j *Journal) overdue(now time.Time) (keys []string, err error) {
	limits := j.limits.Load()
	var damaged error
	err = j.eachState(func(_ *transaction, k []byte, s *state, ok bool) {
		if !ok {
			damaged = corrupt(j.path, fmt.Sprintf("entry of %v", dname.Name(k)))
			return
		}
		l := limits.of(string(k))
		cutoff := now.UnixMilli() - l.MaxAge.Milliseconds()
		if s.first <= s.Sequence && (s.octets > uint64(l.MaxSize) || s.oldest < cutoff) || s.isForgotten(now.UnixMilli()-l.Grace.Milliseconds()) {
			keys = append(keys, string(k))
		}
	})
	return keys, cmp.Or(err, damaged)
}

// isForgotten reports whether the zone went before a moment, and more is kept of
// it than its serial.
func (s *state) isForgotten(cutoff int64) bool {
	return s.Gone && s.at < cutoff && (s.Kept || s.first <= s.Sequence)
}

// trimSome trims as many of the zones as fit into a transaction and returns the
// others.
func (j *Journal) trimSome(keys []string, now time.Time) (rest []string, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	limits := j.limits.Load()
	dropped := map[string]contentFile{}
	err = j.write(func(t *transaction) error {
		rest = keys
		for left := trimBatch; len(rest) > 0 && left > 0; rest = rest[1:] {
			key := rest[0]
			s, err := t.state(key)
			if err != nil {
				return err
			}
			was, l := s, limits.of(key)
			if s.isForgotten(now.UnixMilli() - l.Grace.Milliseconds()) {
				l.MaxAge = min(l.MaxAge, l.Grace)
				if err := t.forget(&s); err != nil {
					return err
				}
				dropped[key] = was.content
			}
			n, err := t.trim(&s, l, now.UnixMilli(), left)
			if err != nil {
				return err
			}
			if s == was {
				continue // some that are newer, or needed, lie in one block with it
			}
			if err := t.putState(key, &s); err != nil {
				return err
			}
			if left -= n + 1; n > 0 {
				break // there may be more of this one
			}
		}
		return nil
	})
	if err == nil {
		j.removeAll(dropped)
	}
	return rest, err
}

// forget drops the content and the notes of a zone.
func (t *transaction) forget(s *state) error {
	s.dropContent()
	return t.removeNotes(s)
}

// removeAll removes the content files of zones, by the keys of their apexes, which no
// entry names any more.
func (j *Journal) removeAll(files map[string]contentFile) {
	for key, file := range files {
		j.removeSuperseded(key, file, contentFile{})
	}
}

// trimAtOnce is how many keys a change may remove from the history in addition to
// those that it adds. They are adjacent, so that they cost little more than one; more
// would delay the change.
const trimAtOnce = 256

// trim takes the oldest blocks out of the history where they are too old at the
// given time or all are too large, but no more than so many keys, and none that a
// kept zone needs. It returns how many keys went.
func (t *transaction) trim(s *state, limits Limits, now int64, most int) (int, error) {
	size, cutoff := uint64(limits.MaxSize), now-limits.MaxAge.Milliseconds()
	if s.first > s.Sequence || s.octets <= size && s.oldest >= cutoff {
		return 0, nil
	}
	if s.octets > size {
		size -= size / 16 // so that it is not done with every change
	}
	var gone, block [][]byte // keys
	var octets uint64        // of block
	first := s.first         // number of block
	// end decides about the block before the one that begins with next, at that time.
	end := func(next uint64, at int64) bool {
		if len(block) == 0 {
			return true
		}
		if s.octets <= size && at >= cutoff || s.Kept && next-1 > s.content.sequence || len(gone)+len(block) > most && len(gone) > 0 {
			return false
		}
		gone = append(gone, block...)
		s.octets -= min(s.octets, octets)
		s.first, s.oldest = next, at
		block, octets = nil, 0
		return true
	}
	history := t.bucket(bucketChanges)
	c := history.Cursor()
	k, v := c.Seek(blockKey(s.id, first, 0))
	for ; ; k, v = c.Next() {
		of, sequence, part := splitKey(k)
		if k == nil || of != s.id {
			end(s.Sequence+1, s.at)
			break
		}
		if part == 0 {
			at := int64(0)
			if len(v) >= blockHeader {
				at = blockTime(v)
			}
			if !end(sequence, at) {
				break
			}
		}
		block = append(block, bytes.Clone(k))
		octets += uint64(len(k) + len(v))
	}
	for _, k := range gone {
		if err := history.Delete(k); err != nil {
			return 0, err
		}
	}
	return len(gone), nil
}

// Forget drops the content and the notes of zones, which must not be served any more,
// now and not only when they have been gone for Limits.Grace.
func (j *Journal) Forget(apexes []dname.Name) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	dropped := map[string]contentFile{}
	err := j.write(func(t *transaction) error {
		for _, apex := range apexes {
			key := apex.Key()
			s, err := t.state(key)
			if err != nil {
				return err
			}
			if s.id == 0 {
				continue
			}
			dropped[key] = s.content
			if err := errors.Join(t.forget(&s), t.putState(key, &s)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		j.removeAll(dropped)
	}
	return err
}
