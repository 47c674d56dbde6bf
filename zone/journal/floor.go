package journal

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// raise makes the entry of a zone one with at least the serial. If it has none yet, or an
// earlier one, the content that was served with the serial is not known, so that
// whatever is served next gets a later one. A kept zone keeps its entry, and gets a floor
// next to it. The serial of a zone that is served verbatim is its source's.
func (t *transaction) raise(key string, serial zone.Serial) error {
	s, err := t.state(key)
	if err != nil || s.Sequence > 0 && !s.Serial.Before(serial) || s.Verbatim {
		return err
	}
	if s.Kept {
		return t.putSummed(bucketFloors, []byte(key), binary.BigEndian.AppendUint32(nil, uint32(serial)))
	}
	s.Serial, s.Digest = serial, zone.Digest{}
	if s.Sequence == 0 {
		s.Sequence = 1
	}
	s.first, s.octets, s.since = s.Sequence+1, 0, 0
	if err := t.assignNumber(&s, key); err != nil {
		return err
	}
	return t.putState(key, &s)
}

// Raise makes the journal remember that zones were served with serials, by key of the
// apex, which it does not know itself: what is served next gets later ones. Of kept zones
// [Journal.Floor] returns them.
func (j *Journal) Raise(serials map[string]zone.Serial) error {
	return j.update(func(t *transaction) error {
		for _, key := range slices.Sorted(maps.Keys(serials)) {
			if err := t.raise(key, serials[key]); err != nil {
				return err
			}
		}
		return nil
	})
}

// floor returns the floor of a zone; ok is false where there is none.
func (t *transaction) floor(key string) (serial zone.Serial, ok bool) {
	b := t.summed(bucketFloors, key)
	if len(b) != 4 {
		return 0, false
	}
	return zone.Serial(binary.BigEndian.Uint32(b)), true
}

// Floor returns a serial that a kept zone was served with although its entry has an
// earlier one: the content is from a backup, for example. ok is false where there is none.
func (j *Journal) Floor(apex dname.Name) (serial zone.Serial, ok bool, err error) {
	err = j.view(func(t *transaction) error {
		serial, ok = t.floor(apex.Key())
		return nil
	})
	return serial, ok, err
}

// removePassedFloors forgets the floors that the edits are past.
func (t *transaction) removePassedFloors(edits []*edit) error {
	if t.isEmpty(bucketFloors) {
		return nil
	}
	for _, e := range edits {
		if f, ok := t.floor(e.key); ok && f.Before(e.next.Serial) {
			if err := t.bucket(bucketFloors).Delete([]byte(e.key)); err != nil {
				return err
			}
		}
	}
	return nil
}

// RecallSerials takes over the serials of zones from journals that were set aside: what
// is served next gets later ones. What else is in them is older than what was served
// since, or was taken over already.
func (j *Journal) RecallSerials() error {
	serials := map[string]zone.Serial{}
	for _, path := range disk.Aside(j.disk, j.path) {
		v, err := openSurvey(path)
		if err != nil {
			continue // its serials are only an improvement
		}
		if v.p != nil {
			v.recall(serials)
		}
		v.file.Close()
	}
	if len(serials) == 0 {
		return nil
	}
	return j.Raise(serials)
}

// recall adds the serials of all entries that can be verified.
func (v *survey) recall(serials map[string]zone.Serial) {
	v.walkAll(func(bucket string, it item, ok bool) {
		if !ok || bucket != bucketZones {
			return
		}
		s, _ := decode(it.key, it.value)
		if old, known := serials[string(it.key)]; s.Sequence > 0 && (!known || old.Before(s.Serial)) {
			serials[string(it.key)] = s.Serial
		}
	})
}
