package journal

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// raise makes the entry of a zone one with at least the serial. If it has none yet, or an
// earlier one, the content that was served with the serial is not known, so that
// whatever is served next gets a later one. A kept zone keeps its entry, and gets a floor
// next to it. The serial of a zone that is served verbatim is its source's. raise returns
// the entry of before; raised is set where it had no serial as late.
func (t *transaction) raise(key string, serial zone.Serial) (was state, raised bool, err error) {
	s, err := t.state(key)
	if err != nil || s.Sequence > 0 && !s.Serial.Before(serial) || s.Verbatim {
		return s, false, err
	}
	was = s
	if s.Kept {
		if f, ok := t.floor(key); ok && !f.Before(serial) {
			return was, false, nil
		}
		return was, true, t.putSummed(bucketFloors, []byte(key), binary.BigEndian.AppendUint32(nil, uint32(serial)))
	}
	s.Serial, s.Digest = serial, zone.Digest{}
	if s.Sequence == 0 {
		s.Sequence = 1
	}
	s.first, s.octets, s.since = s.Sequence+1, 0, 0
	if err := t.assignNumber(&s, key); err != nil {
		return was, false, err
	}
	return was, true, t.putState(key, &s)
}

// Raise makes the journal remember that zones were served with serials, by key of the
// apex, which it does not know itself: what is served next gets later ones. Of kept zones
// [Journal.Floor] returns them.
func (j *Journal) Raise(serials map[string]zone.Serial) error {
	return j.update(func(t *transaction) error {
		for _, key := range slices.Sorted(maps.Keys(serials)) {
			if _, _, err := t.raise(key, serials[key]); err != nil {
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
// since, or was taken over already. A serial that the journal did not know is damage: a
// change was lost with it.
func (j *Journal) RecallSerials() error {
	serials := map[string]zone.Serial{}
	for _, path := range disk.Aside(j.disk, j.path) {
		v, err := openSurvey(path)
		if err != nil {
			continue // its serials are only an improvement
		}
		for key, s := range v.serials() {
			if old, known := serials[key]; !known || old.Before(s) {
				serials[key] = s
			}
		}
		v.file.Close()
	}
	if len(serials) == 0 {
		return nil
	}
	var damage []Damage
	err := j.update(func(t *transaction) error {
		damage = nil // it may be called twice
		for _, key := range slices.Sorted(maps.Keys(serials)) {
			was, raised, err := t.raise(key, serials[key])
			if err != nil {
				return err
			}
			apex := dname.FromWire([]byte(key))
			switch {
			case !raised:
			case was.Sequence > 0:
				damage = append(damage, Damage{apex, fmt.Sprintf("its last changes are lost: it was served with serial %d, and the journal knows it up to %d", serials[key], was.Serial)})
			default:
				damage = append(damage, Damage{apex, fmt.Sprintf("the journal has no entry of it: its history and what updates added to its sources are lost; it was served with serial %d", serials[key])})
			}
		}
		return nil
	})
	j.damage = append(j.damage, damage...)
	return err
}

// serials returns the serials that entries and floors have, by key of the apex: of several
// entries of a zone, that after the most changes. It reads all pages, because the tree may
// be an older one than the last, or not lead to the page of an entry.
func (v *survey) serials() map[string]zone.Serial {
	latest, floors := map[string]Entry{}, map[string]zone.Serial{}
	add := func(bucket string, it item) {
		key := string(it.key)
		switch {
		case !isWhole(bucket, it):
		case bucket == bucketFloors:
			serial := zone.Serial(binary.BigEndian.Uint32(it.value[4:]))
			if old, ok := floors[key]; !ok || old.Before(serial) {
				floors[key] = serial
			}
		default:
			s, _ := decode(it.key, it.value)
			old := latest[key]
			if s.Sequence > old.Sequence || s.Sequence > 0 && s.Sequence == old.Sequence && old.Serial.Before(s.Serial) {
				latest[key] = s.Entry
			}
		}
	}
	if v.p == nil {
		return nil
	}
	for _, bucket := range []string{bucketZones, bucketFloors} {
		// One with few values is part of the root page.
		v.p.secondPass().walk(bucket, func(it item) { add(bucket, it) })
	}
	v.p.leaves(func(_ uint64, it item) {
		for _, bucket := range []string{bucketZones, bucketFloors} {
			if isKeyed(bucket, it) {
				add(bucket, it)
			}
		}
	})
	serials := floors
	for key, e := range latest {
		if floor, ok := floors[key]; !ok || floor.Before(e.Serial) {
			serials[key] = e.Serial
		}
	}
	return serials
}
