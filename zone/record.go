package zone

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// Record is one resource record of class IN on its way into or out of a zone.
type Record struct {
	Owner dname.Name
	Type  rr.Type
	TTL   uint32 // seconds, at most 2^31-1 (RFC 2181 §8)
	Data  []byte // RDATA in wire form, names in it uncompressed
	Tag   Tag
}

// Key returns a key for maps, which is the same for records that differ in their TTL only.
func (r *Record) Key() string { return rr.Key(r.Owner, r.Type) + string(r.Data) }

// Tag is a source's own mark of where a record came from (a file and its line,
// a rule of the config). Package zone never looks inside; it hands the tag back
// in a [finding.Finding]. Records that come out of a zone have none (zero).
type Tag = finding.Tag

// Serial is the SERIAL of an SOA, ordered by RFC 1982.
type Serial uint32

// Before reports whether s is less than t in serial number arithmetic (RFC 1982
// §3.2). It is false both ways for serials 2^31 apart.
func (s Serial) Before(t Serial) bool { return int32(s-t) < 0 && s-t != 1<<31 }

// Next returns the serial of a generated zone whose content changed: at least
// one more than s, and the Unix time where that is later, so that a lost state
// does not make it go back. A time that no clock shows which is right does not count: a
// serial above 2^31 would go around to it.
func (s Serial) Next(unix int64) Serial {
	if t := Serial(uint32(unix)); unix >= earliestSerial && s.Before(t) {
		return t
	}
	return s + 1
}

// earliestSerial is a Unix time before this software existed.
const earliestSerial = 1_600_000_000 // 2020-09-13

// SerialOf returns the SERIAL in the RDATA of an SOA.
func SerialOf(soa []byte) Serial { return Serial(binary.BigEndian.Uint32(rr.SOANumbers(soa))) }

// SOAWithSerial returns the RDATA of an SOA with another SERIAL.
func SOAWithSerial(soa []byte, s Serial) []byte {
	next := bytes.Clone(soa)
	binary.BigEndian.PutUint32(rr.SOANumbers(next), uint32(s))
	return next
}

// WithSerial returns an SOA record with another SERIAL.
func (r Record) WithSerial(s Serial) Record {
	r.Data = SOAWithSerial(r.Data, s)
	return r
}

// Changeset is what turns the zone of one serial into that of another: the
// records removed and those added, each RRset's TTL with its records, the SOA
// among them. It is what IXFR sends (RFC 1995 §4).
type Changeset struct {
	Apex     dname.Name
	From, To Serial
	Removed  []Record
	Added    []Record
}

// IsEmpty reports whether nothing changes.
func (c *Changeset) IsEmpty() bool { return len(c.Removed) == 0 && len(c.Added) == 0 }

// Content returns the records removed and added, without an SOA of which only the serial changes. The
// SOA must be first in both lists.
func (c *Changeset) Content() (removed, added []Record) {
	if len(c.Removed) > 0 && len(c.Added) > 0 {
		a, b := &c.Removed[0], &c.Added[0]
		if a.Type == rr.TypeSOA && b.Type == a.Type && a.TTL == b.TTL && bytes.Equal(SOAWithSerial(a.Data, 0), SOAWithSerial(b.Data, 0)) {
			return c.Removed[1:], c.Added[1:]
		}
	}
	return c.Removed, c.Added
}

// ChangesetTo returns the changeset that gives the zone another SOA record, and that removes and adds
// other records.
func (z *Zone) ChangesetTo(soa Record, removed, added []Record) *Changeset {
	return &Changeset{
		Apex: z.apex, From: z.serial, To: SerialOf(soa.Data),
		Removed: slices.Concat([]Record{z.SOA()}, removed), Added: slices.Concat([]Record{soa}, added),
	}
}

// Reverse returns the changeset that undoes c. It shares c's records.
func (c *Changeset) Reverse() *Changeset {
	return &Changeset{Apex: c.Apex, From: c.To, To: c.From, Removed: c.Added, Added: c.Removed}
}
