package history

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

// Rollback is what came of bringing back the content of an earlier serial.
type Rollback struct {
	Zone    string      `json:"zone"`
	To      zone.Serial `json:"to"` // whose content is served again
	From    zone.Serial `json:"from"`
	Serial  zone.Serial `json:"serial"` // that it is served with
	Removed int         `json:"removed"`
	Added   int         `json:"added"`
	Layer   bool        `json:"layer"`   // only what updates added was rolled back
	Ended   int         `json:"ended"`   // records that stay away because their lifetime had ended
	Renewed int         `json:"renewed"` // records that begin a new lifetime
}

// Back returns the changeset that gives z the content that the zone had with a
// serial, under a new one. unix is the time, in seconds.
func Back(j *journal.Journal, z *zone.Zone, to zone.Serial, unix int64) (*zone.Changeset, error) {
	c, err := between(j, z.Apex(), z.Serial(), to)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, fmt.Errorf("zone %v: serial %d is the one that is served; `ptrd log %[1]v` lists the others", z.Apex(), to)
	}
	next := z.Serial().Next(unix)
	back := &zone.Changeset{Apex: z.Apex(), From: z.Serial(), To: next, Removed: c.Removed, Added: withSerial(c.Added, next)}
	return back, nil
}

// withSerial returns the records with another serial in the SOA.
func withSerial(list []zone.Record, serial zone.Serial) []zone.Record {
	out := append([]zone.Record(nil), list...)
	for i := range out {
		if r := &out[i]; r.Type == rr.TypeSOA {
			r.Data = bytes.Clone(r.Data)
			binary.BigEndian.PutUint32(r.Data[len(r.Data)-20:], uint32(serial))
		}
	}
	return out
}

// Print writes the outcome for a person.
func (r *Rollback) Print(w io.Writer) error {
	what := "the content"
	if r.Layer {
		what = "the sources as they are and the updates"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "zone %s: serial %d → %d with %s of %d, %d removed, %d added\n", r.Zone, r.From, r.Serial, what, r.To, r.Removed, r.Added)
	if r.Ended > 0 {
		fmt.Fprintf(&b, "%d records stay away, because their lifetime has ended\n", r.Ended)
	}
	if r.Renewed > 0 {
		fmt.Fprintf(&b, "%d records begin a new lifetime\n", r.Renewed)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
