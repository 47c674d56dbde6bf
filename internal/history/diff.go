package history

import (
	"fmt"
	"io"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// Diff is what differs between two serials of a zone, records in presentation form.
type Diff struct {
	Zone    string      `json:"zone"`
	From    zone.Serial `json:"from"`
	To      zone.Serial `json:"to"`
	Removed []string    `json:"removed"`
	Added   []string    `json:"added"`
	// SerialOnly is set if both lists begin with the SOA, of which only the serial changed.
	SerialOnly bool `json:"serial_only,omitempty"`
}

// Compare returns what differs between two serials, either of which may be the
// later one.
func Compare(j *journal.Journal, apex dname.Name, from, to zone.Serial) (*Diff, error) {
	c, err := between(j, apex, from, to)
	if err != nil {
		return nil, err
	}
	d := &Diff{Zone: apex.String(), From: from, To: to, Removed: []string{}, Added: []string{}}
	if c != nil {
		removed, _ := c.Content()
		d.SerialOnly = len(removed) < len(c.Removed)
		d.Removed, d.Added = append(d.Removed, texts(c.Removed, nil)...), append(d.Added, texts(c.Added, nil)...)
	}
	return d, nil
}

// between returns the changeset from one serial to another; nil: they are the same.
func between(j *journal.Journal, apex dname.Name, from, to zone.Serial) (*zone.Changeset, error) {
	for _, back := range []bool{false, true} {
		first, last := from, to
		if back {
			first, last = to, from
		}
		list, ok, err := j.Chain(apex, first, last, 0)
		switch {
		case err != nil:
			return nil, err
		case !ok:
		case len(list) == 0:
			return nil, isKnown(j, apex, from)
		case back:
			return zone.Condense(list).Reverse(), nil
		default:
			return zone.Condense(list), nil
		}
	}
	return nil, unknown(j, apex, from, to)
}

// isKnown returns an error unless the zone had the serial, as far as is known.
func isKnown(j *journal.Journal, apex dname.Name, serial zone.Serial) error {
	for l, err := range j.Log(apex, false) {
		if err != nil {
			return err
		}
		if l.To == serial || l.Kind == journal.Changed && l.From == serial {
			return nil
		}
	}
	return unknown(j, apex, serial, serial)
}

// unknown says why there is no way between two serials, and what there is.
func unknown(j *journal.Journal, apex dname.Name, from, to zone.Serial) error {
	var oldest, newest *zone.Serial
	for l, err := range j.Log(apex, false) {
		if err != nil {
			return err
		}
		if newest == nil {
			newest = &l.To
		}
		oldest = &l.To
		if l.Kind != journal.Changed {
			break
		}
		oldest = &l.From
	}
	if oldest == nil {
		return fmt.Errorf("zone %v: no change is known of it", apex)
	}
	return fmt.Errorf("zone %v: the changes from serial %d to %d are not all known; they are from serial %d to %d, `ptrd log %[1]v` lists them", apex, from, to, *oldest, *newest)
}

// Content returns the records without an SOA of which only the serial changed.
func (d *Diff) Content() (removed, added []string) {
	if d.SerialOnly {
		return d.Removed[1:], d.Added[1:]
	}
	return d.Removed, d.Added
}

// Print writes the content of the difference for a person.
func (d *Diff) Print(w io.Writer) error {
	removed, added := d.Content()
	var b strings.Builder
	fmt.Fprintf(&b, "zone %s, serial %d → %d: %d removed, %d added\n", d.Zone, d.From, d.To, len(removed), len(added))
	printRecords(&b, "", removed, added)
	_, err := io.WriteString(w, b.String())
	return err
}
