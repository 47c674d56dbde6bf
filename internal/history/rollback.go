package history

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

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
