package zone

import (
	"encoding/binary"
	"iter"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// RRset is a view of one RRset as a zone holds it, with the signatures over it.
// It is valid as long as its zone is referenced. The zero value is no RRset.
type RRset struct {
	Type   rr.Type
	TTL    uint32 // seconds
	SigTTL uint32 // seconds, of the RRSIGs
	count  int
	sigs   int
	list   []byte // count × (uint16 big endian length, RDATA), or the head of the only RDATA
	tail   []byte // the rest of the only RDATA, where targets share suffixes
	split  bool   // list and tail are the one RDATA, without a length
	sig    []byte // sigs × (uint16 big endian length, RDATA of an RRSIG)
}

// Exists reports whether s is an RRset at all.
func (s *RRset) Exists() bool { return s.count > 0 }

// Len returns the number of records, signatures not counted.
func (s *RRset) Len() int { return s.count }

// Sigs returns the number of RRSIG records that cover s.
func (s *RRset) Sigs() int { return s.sigs }

// Data returns an iterator over the RDATA.
func (s *RRset) Data() RDataIter {
	return RDataIter{list: s.list, tail: s.tail, n: s.count, split: s.split}
}

// SigData returns an iterator over the RDATA of the covering RRSIGs.
func (s *RRset) SigData() RDataIter { return RDataIter{list: s.sig, n: s.sigs} }

// First returns the first RDATA in one piece. It copies where the RDATA is
// stored in two; dst provides the room and may be nil.
func (s *RRset) First(dst []byte) []byte {
	it := s.Data()
	it.Next()
	if len(it.Tail) == 0 {
		return it.Head
	}
	return append(append(dst[:0], it.Head...), it.Tail...)
}

// Values yields the RDATA, each a copy in one piece.
func (s *RRset) Values() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for it := s.Data(); it.Next(); {
			if !yield(slices.Concat(it.Head, it.Tail)) {
				return
			}
		}
	}
}

// RDataIter walks the RDATA of an RRset:
//
//	for it := set.Data(); it.Next(); {
//		// RDATA is it.Head followed by it.Tail
//	}
type RDataIter struct {
	Head, Tail []byte // the current RDATA, in two pieces; Tail is mostly empty
	list, tail []byte
	n          int
	split      bool
}

// Next steps to the next RDATA and reports whether there is one.
func (it *RDataIter) Next() bool {
	if it.n == 0 {
		return false
	}
	it.n--
	if it.split {
		it.Head, it.Tail = it.list, it.tail
		return true
	}
	l := int(binary.BigEndian.Uint16(it.list))
	it.Head = it.list[2 : 2+l]
	it.list = it.list[2+l:]
	return true
}

// Kind is how a lookup ended.
type Kind uint8

// The kinds. CNAME and DNAME chains that go on have Answer.Next set as well.
const (
	Success  Kind = iota // the RRset asked for, or an alias
	NoData               // the name exists (perhaps only as an empty non-terminal) without that type
	NXDomain             // the name does not exist
	Referral             // the name lies below a zone cut
	TooLong              // a DNAME's substitution is longer than a name may be: YXDOMAIN (RFC 6672 §2.2)
)

// Section of a message that an Item belongs to.
type Section uint8

// The sections.
const (
	SectionAnswer Section = iota
	SectionAuthority
	SectionAdditional
)

// Item is one RRset of an answer.
type Item struct {
	Owner    dname.Name // valid until the next Reset of the Answer
	Set      RRset
	TTL      uint32 // seconds; what to send, Set.TTL unless a rule lowers it
	SigTTL   uint32 // seconds; likewise for the signatures
	Section  Section
	Required bool // a message without it needs TC (RFC 9471 §3: in-domain glue); only additional data can be without it
	SigsOnly bool // send only the signatures (QTYPE RRSIG)
}

// Answer collects what one query gets, over every zone its chain of aliases goes
// through. One Answer serves one query after another; it is large, so a worker
// keeps one. Not for use by two at a time.
type Answer struct {
	Kind  Kind
	Next  dname.Name // not nil: an alias leads here and the chain goes on
	Items []Item     // within a section in the order to send; the sections may be mixed

	// Large is for the caller to set before a lookup: the message holds up to 64 KiB,
	// so that all RRsets are wanted that fit, and more of them than the Answer has
	// room for are collected in memory that is allocated.
	Large bool

	// Cut reports that something is missing which a message must have: an RRset of
	// the answer or authority section, or glue (RFC 9471 §3.1). The message needs TC.
	Cut bool

	// Room for a chain of 16 aliases, each from a wildcard with its proof. A referral
	// accepts two items for each name server, so that glue for 63 has room here.
	items    [128]Item
	overflow Item
	used     int                      // items that may still hold something
	names    [96 * dname.MaxWire]byte // owner names and RDATA made for this answer
	nameLen  int
	made     int // targets of which was asked what rules make
	scratch  lookupScratch
}

// maxItems is how many RRsets are collected at most: one record each, with a pointer
// as its owner and the four octets of an IPv4 address, fills the largest message.
const maxItems = 1 << 12

// isFull reports whether a takes no further RRset.
func (a *Answer) isFull() bool {
	return len(a.Items) >= len(a.items) && (!a.Large || len(a.Items) >= maxItems)
}

// Reset makes a ready for the next query. It leaves Large as it is.
func (a *Answer) Reset() {
	a.used = max(a.used, min(len(a.Items), len(a.items)))
	a.Items = a.items[:0]
	a.Next = nil
	a.Cut = false
	a.nameLen, a.made = 0, 0
	a.Kind = Success
}

// Release is Reset that also drops the references to the zones that were asked, so that
// an idle Answer does not keep a replaced zone in memory.
func (a *Answer) Release() {
	a.Reset()
	clear(a.items[:a.used])
	a.used, a.overflow = 0, Item{}
}
