package history

import (
	"fmt"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

// Rewind returns a zone as it was served at a time; nil: it was not served then. z is the zone
// now; nil: it is gone. It is an error if the history does not reach back so far.
func Rewind(j *journal.Journal, apex dname.Name, z *zone.Zone, at time.Time) (*zone.Zone, error) {
	serial, began, err := serialAt(j, apex, at)
	switch {
	case err != nil:
		return nil, err
	case serial == nil && began.IsZero():
		return nil, nil
	case z == nil || !z.IsAvailable():
		return nil, fmt.Errorf("zone %v has no data now that its changes could be undone in; `ptrd log %[1]v` lists them", apex)
	case serial == nil:
		return nil, fmt.Errorf("zone %v: its history begins at %s; what was served before is not stored", apex, Moment(began))
	}
	c, err := between(j, apex, z.Serial(), *serial)
	if err != nil || c == nil {
		return z, err
	}
	return z.Apply(c)
}

// serialAt returns the serial of a zone at a time; nil: it was not served then, or the history that
// leads to now began later.
func serialAt(j *journal.Journal, apex dname.Name, at time.Time) (serial *zone.Serial, began time.Time, err error) {
	isCut := false // the history began again, so that no change leads across
	for l, err := range j.Log(apex, false) {
		switch isLater := l.At > at.UnixMilli(); {
		case err != nil:
			return nil, began, err
		case !isLater && l.Kind == journal.Ended:
			return nil, time.Time{}, nil
		case !isLater && !isCut:
			return &l.To, began, nil
		case !isLater:
			return nil, began, nil
		case !isCut:
			began, isCut = time.UnixMilli(l.At), l.Kind != journal.Changed
		}
	}
	return nil, began, nil
}

// maxLines bounds how far back Origins looks, some seconds of work.
const maxLines = 100_000

// Origins returns for each record of a zone the change that added it, out of those up to a serial;
// without What: the history does not have it. The first line of a history stands for all
// records that there were then.
func Origins(j *journal.Journal, apex dname.Name, upTo zone.Serial, records []zone.Record) ([]Line, error) {
	origins := make([]Line, len(records))
	missing, seen, isPast := len(records), 0, false
	for l, err := range j.Log(apex, true) {
		if seen++; err != nil || missing == 0 || seen > maxLines {
			return origins, err
		}
		if isPast = isPast || l.To == upTo; !isPast {
			continue
		}
		for i := range records {
			if origins[i].What == "" && (l.Kind == journal.Began || l.Changeset != nil && has(l.Changeset.Added, &records[i])) {
				origins[i] = lineOf(apex, &l)
				missing--
			}
		}
		if l.Kind != journal.Changed {
			break
		}
	}
	return origins, nil
}

// has reports whether a list has a record.
func has(list []zone.Record, r *zone.Record) bool {
	for i := range list {
		if a := &list[i]; a.Type == r.Type && a.TTL == r.TTL && a.Owner.Equal(r.Owner) && rr.EqualData(r.Type, a.Data, r.Data) {
			return true
		}
	}
	return false
}

// Moment returns a time as text, to the second.
func Moment(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" }

// By returns who made a change and when, as text.
func (l *Line) By() string { return fmt.Sprintf("%s, serial %d, %s", l.Source, l.Serial, Moment(l.At)) }
