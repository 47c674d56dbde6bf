package zone

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// Zone is an immutable zone. Every method may be called by any number of
// goroutines at the same time.
type Zone struct {
	// What a Lookup needs lies together, in two cache lines; a Descent has it from a
	// prefixSlot.
	storage
	root      ref // of the names
	nsec3     ref // of the NSEC3 RRs, by hash: their owners are no names of the zone (RFC 5155 §7.2.8)
	ttls      []uint32
	wildcards int    // names with a `*` label
	reason    string // why there are no data; empty: there are
	expired   bool   // they were there, and became too old

	layout
	apexValue []byte
	soa       RRset
	soaNames  soaNames
	negTTL    uint32 // seconds: min(TTL of the SOA, MINIMUM), RFC 2308 §5
	serial    Serial
	denial    denial
	salt      []byte // of NSEC3
	hashes    int    // iterations of NSEC3

	stats    Stats
	digest   Digest
	verbatim bool // see Builder.SetVerbatim
	layers   Layers
	ranges   *ranges // nil: no addresses have names by a rule
	keys     *synth.Keys
	rules    [][]byte // in addition to those at the apex

	w *zoneWriter // while being made; else nil
}

// denial is how a signed zone proves what is not there.
type denial uint8

const (
	unsigned denial = iota
	withNSEC
	withNSEC3
	unproven // signed, but no chain that can be used: nothing is proved
)

// Unavailable returns a zone without data, for an apex that is ours but whose
// data could not be read yet: queries for it get SERVFAIL.
func Unavailable(apex dname.Name, reason string) *Zone {
	if reason == "" {
		panic("zone: no reason why the zone is unavailable")
	}
	return &Zone{layout: newLayout(apex.Clone()), reason: reason}
}

// Expired returns a zone without data, for an apex that is ours but whose data are
// too old: no primary confirmed them for as long as the SOA allows (RFC 1034 §4.3.5).
func Expired(apex dname.Name, reason string) *Zone {
	z := Unavailable(apex, reason)
	z.expired = true
	return z
}

// IsExpired reports whether the zone has no data because they became too old.
func (z *Zone) IsExpired() bool { return z.expired }

// IsAvailable reports whether the zone has data.
func (z *Zone) IsAvailable() bool { return z.reason == "" }

// Reason returns why an unavailable zone has no data.
func (z *Zone) Reason() string { return z.reason }

// Apex returns the owner name of the zone's SOA, in the case it was given in.
func (z *Zone) Apex() dname.Name { return z.apex }

// Key returns the apex as a map key: [dname.Name.Key], made once.
func (z *Zone) Key() string { return z.id }

// ApexHash returns a hash of the apex without regard to case.
func (z *Zone) ApexHash() uint32 { return z.apexHash }

// ApexLabels returns the number of labels of the apex, the root not counted.
func (z *Zone) ApexLabels() int { return z.apexLabels }

// Serial returns the SERIAL of the zone's SOA.
func (z *Zone) Serial() Serial { return z.serial }

// SOA returns the SOA record of a zone with data.
func (z *Zone) SOA() Record {
	return Record{Owner: z.apex, Type: rr.TypeSOA, TTL: z.soa.TTL, Data: bytes.Clone(z.soa.First(nil))}
}

// IsSigned reports whether answers carry signatures: the zone holds an apex DNSKEY and
// a chain of NSEC or NSEC3.
func (z *Zone) IsSigned() bool { return z.denial != unsigned }

// Stats are totals over a zone.
type Stats struct {
	Names, RRsets, Records int
	Bytes                  int64 // of memory that the zone's chunks take
}

// Stats returns the zone's totals. Signatures count as records and not as
// RRsets.
func (z *Zone) Stats() Stats {
	s := z.stats
	s.Bytes = z.size()
	return s
}

// Digest is an order-independent hash of a zone's records, the SOA's serial
// left out: equal for equal content. It is the sum of the records' hashes in
// both halves, so that a change costs what it changes; it is no protection
// against forgery.
type Digest [16]byte

// Digest returns the digest of the zone's content.
func (z *Zone) Digest() Digest { return z.digest }

var base32hex = base32.HexEncoding.WithPadding(base32.NoPadding)

// account adds (sign 1) or takes away (-1) the RRsets of one name in the totals.
func (z *Zone) account(c content, sign int) {
	z.stats.Names += sign
	for _, s := range c {
		z.stats.RRsets += sign
		z.stats.Records += sign * (len(s.data) + len(s.sigs))
	}
}

// digestContent adds (sign 1) the records of one name to the digest or takes them
// out of it (-1).
func (z *Zone) digestContent(c content, sign int, p path, nsec3 bool) {
	var d digester
	d.reset(p, nsec3)
	d.content(&z.digest, sign, c)
}

// digester hashes the records of one name after the other.
type digester struct {
	b    []byte // what is hashed: the name, then a record
	head int    // octets of the name
}

// reset begins with another name, of an NSEC3 or any other.
func (d *digester) reset(p path, nsec3 bool) {
	b := append(d.b[:0], 0, 0, 0)
	if nsec3 {
		b[2] = 1
	}
	b = binary.LittleEndian.AppendUint16(b, uint16(p.nibbles))
	b = binary.LittleEndian.AppendUint16(b, uint16(p.ordinary))
	d.b = append(b, p.octets...)
	d.head = len(d.b)
}

// content adds the RRsets of the name to a digest or takes them out.
func (d *digester) content(to *Digest, sign int, c content) {
	for _, s := range c {
		for _, rdata := range s.data {
			d.add(to, sign, s.typ, s.ttl, rdata)
		}
		for _, rdata := range s.sigs {
			d.add(to, sign, rr.TypeRRSIG, s.sigTTL, rdata)
		}
	}
}

// add adds one record of the name.
func (d *digester) add(to *Digest, sign int, t rr.Type, ttl uint32, rdata []byte) {
	le := binary.LittleEndian
	b := le.AppendUint16(d.b[:d.head], uint16(t))
	b = le.AppendUint32(b, ttl)
	b = append(b, rdata...)
	if t == rr.TypeSOA {
		clear(rr.SOANumbers(b)[:4])
	}
	for half := range 2 {
		b[0] = byte(half)
		sum := to[8*half:]
		le.PutUint64(sum, le.Uint64(sum)+uint64(sign)*xxhash.Sum64(b))
	}
	d.b = b
}

// deriveApex computes the facts of the whole zone that queries rely on, from the data at the
// apex.
func (z *Zone) deriveApex() {
	var k key
	k.reset(&z.layout)
	f := z.find(&k, false)
	z.apexValue = f.value
	z.soa = z.set(f.value, rr.TypeSOA)
	soa := z.soa.First(nil)
	z.soaNames = splitSOA(soa)
	n := rr.SOANumbers(soa)
	z.serial = Serial(binary.BigEndian.Uint32(n))
	z.negTTL = min(z.soa.TTL, binary.BigEndian.Uint32(n[16:]))
	z.denial = unsigned
	if s := z.set(f.value, rr.TypeDNSKEY); !s.Exists() || z.soa.sigs == 0 {
		return
	}
	if s := z.set(f.value, rr.TypeNSEC); s.Exists() {
		z.denial = withNSEC
	}
	params := z.set(f.value, rr.TypeNSEC3PARAM)
	for d := params.Data(); d.Next(); {
		iterations := int(binary.BigEndian.Uint16(d.Head[2:]))
		if z.verbatim && z.denial == unsigned && (d.Head[0] != hashSHA1 || iterations > maxIterations) {
			z.denial = unproven
		}
		// RFC 5155 §4.1.2: flags must be zero for the chain to be used.
		if d.Head[0] == hashSHA1 && d.Head[1] == 0 && z.nsec3 != 0 && iterations <= maxIterations {
			z.hashes = iterations
			z.salt = d.Head[5 : 5+int(d.Head[4])]
			z.hashInto(&k, z.apex, nil)
			if f := z.findIn(z.nsec3, &k, true, false); f.status == foundName && z.isOfChain(f.value) {
				z.denial = withNSEC3
				return
			}
		}
	}
}

// Get returns the RRset stored at exactly owner, occluded data and glue
// included, without wildcards; ok is false if there is none.
func (z *Zone) Get(owner dname.Name, t rr.Type) (set RRset, ok bool) {
	if !z.IsAvailable() || !owner.IsAtOrBelow(z.apex) {
		return RRset{}, false
	}
	var k key
	if t == rr.TypeNSEC3 {
		if hash, ok := z.nsec3Hash(owner); ok { // else it is at an ordinary name of a verbatim zone
			if z.nsec3 == 0 {
				return RRset{}, false
			}
			k.setHash(hash)
			if f := z.findIn(z.nsec3, &k, true, false); f.status == foundName {
				set = z.set(f.value, t)
			}
			return set, set.Exists()
		}
	}
	z.fill(&k, owner)
	if f := z.find(&k, false); f.status == foundName {
		set = z.set(f.value, t)
	}
	return set, set.Exists()
}
