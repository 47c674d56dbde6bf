package zone

import (
	"iter"
	"sync"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

type lookupScratch struct{}

// Builder makes a Zone out of records in any order.
type Builder struct{ apex dname.Name }

// NewBuilder returns a Builder of the zone at apex.
func NewBuilder(apex dname.Name) *Builder { return &Builder{apex: apex} }

// Apex returns the apex of the zone being built.
func (b *Builder) Apex() dname.Name { return b.apex }

// Add takes a copy of one record. A record that is the same as an earlier one
// (owner, type and RDATA) is dropped; what is wrong with it or with the records
// together is told by Build.
func (b *Builder) Add(r Record) { panic("stub") }

// Build makes the zone. Without an Error among the findings the zone is good to
// serve; with one it is nil. Findings come in the order of their records' tags.
// The Builder is spent.
func (b *Builder) Build() (*Zone, []Finding) { panic("stub") }

// Zone is an immutable zone. Every method may be called by any number of
// goroutines at the same time.
type Zone struct{ apex dname.Name }

// Unavailable returns a zone without data, for an apex that is ours but whose
// data could not be read yet: queries for it get SERVFAIL.
func Unavailable(apex dname.Name, reason string) *Zone { panic("stub") }

// IsAvailable reports whether the zone has data.
func (z *Zone) IsAvailable() bool { panic("stub") }

// Apex returns the owner name of the zone's SOA.
func (z *Zone) Apex() dname.Name { return z.apex }

// Serial returns the SERIAL of the zone's SOA.
func (z *Zone) Serial() Serial { panic("stub") }

// IsSigned reports whether the zone holds signatures (a DNSKEY and RRSIGs at the apex).
func (z *Zone) IsSigned() bool { panic("stub") }

// Stats are totals over a zone.
type Stats struct {
	Names, RRsets, Records int
	Bytes                  int64 // of memory that the zone's chunks take
}

// Stats returns the zone's totals.
func (z *Zone) Stats() Stats { panic("stub") }

// Digest is an order-independent hash of a zone's records, the SOA's serial
// left out: equal for equal content.
type Digest [16]byte

// Digest returns the digest of the zone's content.
func (z *Zone) Digest() Digest { panic("stub") }

// All yields every record of the zone in canonical order of owners (RFC 4034
// §6.1), the SOA first; RRSIGs follow the RRset they cover. A record is valid
// until the next one.
func (z *Zone) All() iter.Seq[Record] { panic("stub") }

// Get returns the RRset stored at exactly owner, occluded data and glue
// included, without wildcards; ok is false if there is none.
func (z *Zone) Get(owner dname.Name, t rr.Type) (set RRset, ok bool) { panic("stub") }

// Lookup takes the steps of RFC 1034 §4.3.2 from 3 on in this zone for qname,
// which is at or below its apex, and appends what it finds to a. With do the
// items of a signed zone carry signatures and denials their proofs. If a.Next is
// set afterwards, the chain of aliases goes on there, in whichever zone that is.
func (z *Zone) Lookup(qname dname.Name, qtype rr.Type, do bool, a *Answer) { panic("stub") }

// Apply returns the zone with the changeset applied; z stays as it is. The error
// names the first record that does not fit (removed but absent, added but there).
func (z *Zone) Apply(c *Changeset) (*Zone, error) { panic("stub") }

// WithSerial returns the zone with another SERIAL in its SOA.
func (z *Zone) WithSerial(s Serial) *Zone { panic("stub") }

// Diff returns the changeset that turns from into to, two zones of one apex.
func Diff(from, to *Zone) *Changeset { panic("stub") }

// Set is the immutable collection of zones of one moment.
type Set struct{}

// NewSet returns a set without zones.
func NewSet() *Set { return &Set{} }

// With returns the set with the given zones added or put in the place of the
// zones with the same apex, and those at the apexes in gone left out.
func (s *Set) With(zones []*Zone, gone []dname.Name) *Set { panic("stub") }

// Find returns the zone with the longest apex at or above name; nil if none.
func (s *Set) Find(name dname.Name) *Zone { panic("stub") }

// FindAbove returns the zone with the longest apex strictly above name, which
// answers for DS at name (RFC 4035 §3.1.4.1); nil if none.
func (s *Set) FindAbove(name dname.Name) *Zone { panic("stub") }

// Get returns the zone at apex; nil if none.
func (s *Set) Get(apex dname.Name) *Zone { panic("stub") }

// All yields the zones in canonical order of their apexes.
func (s *Set) All() iter.Seq[*Zone] { panic("stub") }

// Len returns the number of zones.
func (s *Set) Len() int { panic("stub") }

// Change is the replacement of one zone.
type Change struct {
	Zone      *Zone      // what is to be served; nil: the zone at Apex goes
	Apex      dname.Name // of the zone
	Base      *Zone      // what the change was made from; nil: there was none
	Changeset *Changeset // from Base to Zone; nil where the history begins or ends
	Verbatim  bool       // the serial is the source's, not ours

	// Declared is the serial that the zone's own source states, where it states
	// one; the Zone may have a later one. It means nothing unless HasDeclared.
	Declared    Serial
	HasDeclared bool
}

// Batch is an atomic step of one or several zones.
type Batch struct {
	Changes []Change
	Source  string // who asks, for the history: "reload", …
	// Swap, if set, is called in place of the Store's own: with policy that must
	// come into force together with the data.
	Swap func(*Set)
}

// Journal keeps changes before anyone sees them.
type Journal interface {
	// Append makes the batch durable, or returns an error and leaves nothing of it.
	Append(b *Batch) error
}

// Store orders the writers of zones and hands out snapshots.
type Store struct{ mu sync.Mutex }

// NewStore returns a Store that serves nothing. Each new Set is handed to swap
// before Publish returns; journal may be nil.
func NewStore(journal Journal, swap func(*Set)) *Store { panic("stub") }

// Set returns the current snapshot.
func (s *Store) Set() *Set { panic("stub") }

// Publish makes the batch durable and then visible, all of it or nothing.
// [ErrStale] says that a zone of the batch is no longer the Base that the change
// was made from; the caller makes its change anew.
func (s *Store) Publish(b *Batch) error { panic("stub") }
