package zone

import (
	"bytes"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// Builder makes a Zone out of records in any order.
//
// What nearly all records of a reverse zone are, one PTR at a whole address, is
// written at once to where the zone will have it, and only the address is kept
// next to it (address.go, slot.go). All other records wait in a log (entry.go). Both
// are sorted once (order.go); then the trie is written from its leaves up
// (spine.go), each node with exactly the room it needs.
type Builder struct {
	layout
	w          *zoneWriter
	addresses  addresses
	digest     Digest // of the records in slots
	digester   digester
	octets     [16]byte // of the last address
	log        entryLog
	main       entries
	nsec3      entries
	findings   finding.List
	outside    int   // records out of zone
	logged     int64 // octets of the log
	maxBytes   int64 // that may be held; 0: any
	verbatim   bool
	targets    targets
	mergesCase bool     // see MergeCase
	rules      [][]byte // see SetRules
	keys       *synth.Keys
	key        key
	recent     *recent // nil: not yet
	tries      trieWriter
	pauser
}

const (
	maxMessage = 65535

	// What one name may have, repetitions included, is far above what any use needs; a
	// name with more would take a time that grows with its square. BIND serves a hundred
	// types at a name and a hundred records of each unless a larger limit is set.
	maxAtName = 1 << 16
	maxTypes  = 1000
	maxInSet  = maxMessage / rrFixed // an RRset of more fits in no message

	rrFixed = 12 // octets of a record in a message with a compressed owner, RDATA not counted
)

// NewBuilder returns a Builder of the zone at apex.
func NewBuilder(apex dname.Name) *Builder {
	b := &Builder{layout: newLayout(apex.Clone()), w: newZoneWriter()}
	b.addresses.reset(&b.layout)
	return b
}

// Reset makes a Builder, spent or not, as good as a new one of the zone at apex. It uses
// the memory again in which it built the zone before, as far as that is what small zones
// need.
func (b *Builder) Reset(apex dname.Name) {
	b.dropLarge()
	b.w.reset()
	*b = Builder{
		layout: newLayout(apex.Clone()), w: b.w, addresses: b.addresses, digester: b.digester,
		log: b.log, main: entries{list: b.main.list[:0]}, nsec3: entries{list: b.nsec3.list[:0]}, tries: b.tries,
	}
	b.log.reset()
	b.addresses.reset(&b.layout)
}

// smallBuild is up to how many octets of memory are kept for the next zone.
const smallBuild = 256 << 10

// dropLarge drops the memory that a large zone took.
func (b *Builder) dropLarge() {
	if b.Held() > smallBuild {
		b.addresses, b.log, b.main, b.nsec3, b.tries = addresses{}, nil, entries{}, entries{}, trieWriter{}
	}
}

// MergeCase makes records that differ only in the case of names in their RDATA one record, of
// which the first spelling stays (RFC 4343 §3; see [rr.AppendCanonical]). Without it, what was
// written octet by octet is read back so.
func (b *Builder) MergeCase() { b.mergesCase = true }

// SetPause makes Build, and what of Add takes longer, call pause every few
// microseconds of the work.
func (b *Builder) SetPause(pause func()) { b.pause, b.w.suffixes.pause = pause, pause }

// SetRules has the checks of Build count names that rules make, with these keys, as names of the
// zone: those of rules among its records, and those of rules in addition. The zone does not get
// them, see [Zone.WithRules].
func (b *Builder) SetRules(rules [][]byte, keys *synth.Keys) { b.rules, b.keys = rules, keys }

// SetVerbatim makes a zone of another server's: what only its signer or its operator
// could correct, and other name servers serve, is a Warning and stays in the zone. What
// remains an Error cannot be served: no SOA or several, nothing but an SOA, an SOA below
// the apex, RDATA with names that are malformed, a CNAME next to other data, several
// CNAMEs or DNAMEs at a name, an RRset that fits in no message.
func (b *Builder) SetVerbatim() { b.verbatim = true }

// SetMaxBytes bounds the memory that the zone takes while it is built, about as Held has
// it: beyond, Build returns an Error.
func (b *Builder) SetMaxBytes(n int64) { b.maxBytes = n }

// Held returns how many octets of memory the records take that were added so far.
func (b *Builder) Held() int64 {
	const pairOctets = 16
	return b.logged + pairOctets*int64(cap(b.main.list)+cap(b.nsec3.list)+b.addresses.n) + b.w.total
}

// isOver reports whether more is held than may be, which ends the building.
func (b *Builder) isOver() bool {
	if b.maxBytes == 0 || b.Held() <= b.maxBytes {
		return false
	}
	if !b.w.full {
		b.report(finding.Error, "zone-too-large", 0, nil, 0, "it takes more than %d octets of memory while it is built", b.maxBytes)
		b.w.full = true
	}
	return true
}

// flaw returns the severity of what a zone of another server may have.
func (b *Builder) flaw() finding.Severity {
	if b.verbatim {
		return finding.Warning
	}
	return finding.Error
}

// Apex returns the apex of the zone being built.
func (b *Builder) Apex() dname.Name { return b.apex }

func (b *Builder) report(s finding.Severity, code string, tag Tag, owner dname.Name, t rr.Type, format string, args ...any) {
	b.findings.Addf(finding.Finding{Severity: s, Rule: code, Tag: tag, Owner: owner, Type: t}, format, args...)
}

// Add takes a copy of one record. A record that is the same as an earlier one
// (owner, type and RDATA) is dropped; what is wrong with it or with the records
// together is reported by Build.
func (b *Builder) Add(r Record) {
	if b.w.full || b.addresses.used && formOf(r.Type) != formSets && b.addAddress(&r) {
		return
	}
	if !r.Owner.IsAtOrBelow(b.apex) {
		b.outside++
		b.report(finding.Warning, "out-of-zone", r.Tag, r.Owner, r.Type, "the owner is not in zone %v and is ignored; move the record to its own zone, or correct the $ORIGIN or the owner", b.apex)
		return
	}
	if r.Type.IsMeta() {
		b.report(finding.Error, "meta-type", r.Tag, r.Owner.Clone(), r.Type, "the type exists in queries only (RFC 6895 §3.1); remove the record")
		return
	}
	if r.TTL > maxTTL {
		b.report(finding.Error, "ttl-range", r.Tag, r.Owner.Clone(), r.Type, "TTL %d is larger than 2147483647 (RFC 2181 §8); lower it", r.TTL)
		return
	}
	if reason := badRData(r.Type, r.Data); reason != "" {
		b.report(finding.Error, "bad-rdata", r.Tag, r.Owner.Clone(), r.Type, "%s", reason)
		return
	}
	if reason := oddRData(r.Type, r.Data); reason != "" {
		b.report(b.flaw(), "odd-rdata", r.Tag, r.Owner.Clone(), r.Type, "%s", reason)
	}
	// Numbers of records in slots are odd.
	number := 2 * uint64(b.addresses.n)
	if isOfNSEC3(&r) {
		if hash, ok := b.nsec3Hash(r.Owner); ok {
			b.key.setHash(hash)
			b.addEntry(&b.nsec3, &r, number)
			return
		}
		// In a verbatim zone it is data of an ordinary name, and of no chain.
		b.report(b.flaw(), "nsec3-owner", r.Tag, r.Owner.Clone(), r.Type, nsec3Owner+"; sign the zone again")
	}
	if b.targets.on && r.Type == rr.TypePTR && isOfAddress(r.Owner) {
		b.checkTarget(&r, 0)
	}
	b.fill(&b.key, r.Owner)
	b.addEntry(&b.main, &r, number)
}

// addEntry takes a record whose key is in b.key into the log, unless it was there lately.
func (b *Builder) addEntry(to *entries, r *Record, number uint64) {
	place, repeats := b.repeats(r)
	if repeats {
		return
	}
	b.logged += int64(to.add(&b.log, &b.key, r, number))
	if place != nil {
		*place = to.list[len(to.list)-1].second + 1
	}
}

const maxTTL = 1<<31 - 1 // RFC 2181 §8

const nsec3Owner = "the owner must be one label of 32 base32hex digits below the apex (RFC 5155 §3)"

// isOfNSEC3 reports whether a record is an NSEC3 or a signature over one.
func isOfNSEC3(r *Record) bool {
	return belongsTo(r.Type, r.Data) == rr.TypeNSEC3
}

// addAddress takes a record whose type has a short form, if its owner is a whole
// address other than the last one and nothing is wrong with it.
func (b *Builder) addAddress(r *Record) bool {
	a := &b.addresses
	p, ok := a.addr(r.Owner)
	if !ok || r.TTL > maxTTL || len(r.Data) == 0 || len(r.Data) > dname.MaxWire {
		return false
	}
	place, repeats := b.repeatsAddress(p, r)
	if repeats {
		return true
	}
	if a.n > 0 && p == a.last || !a.accepts(p) {
		return false
	}
	head, suffix, ok := b.w.target(r.Data)
	if !ok {
		return false
	}
	ttl, ok := b.w.ttlIndex(r.TTL)
	if !ok {
		return false
	}
	slot := b.w.reserve(a.room(p), r.Type, ttl, head, suffix)
	a.add(p, slot, r.Tag)
	if place != nil {
		*place = recentAddress{p, slot}
	}
	if b.targets.on && r.Type == rr.TypePTR && (suffix == 0 || suffix != b.targets.suffix || !dname.IsHostLabel(head[1:])) {
		b.checkTarget(r, suffix)
	}
	b.digester.reset(p.path(a.width, &b.octets), false)
	b.digester.add(&b.digest, 1, r.Type, r.TTL, r.Data)
	return true
}

// Build makes the zone. Without an Error among the findings the zone can be
// served; with one it is nil. Findings come in the order of their records' tags.
// The Builder is spent.
func (b *Builder) Build() (*Zone, []finding.Finding) {
	b.recent = nil
	z := &Zone{layout: b.layout, verbatim: b.verbatim, w: b.w, digest: b.digest}
	c := checker{b: b, z: z}
	z.root = b.trie(z, &c)
	z.nsec3 = b.hashTrie(z)
	if b.w.full && !b.isOver() {
		b.report(finding.Error, "zone-too-large", 0, nil, 0, "the zone takes more than 16 GiB; split it at an octet or nibble boundary")
	} else if !b.w.full {
		c.checkZone()
	}
	z.storage, z.ttls, z.w = b.w.finish(), b.w.ttls, nil
	b.dropLarge()
	findings := b.findings.Sorted()
	if b.findings.Count(finding.Error) > 0 {
		return nil, findings
	}
	if z.isSparse() {
		z.compact()
	}
	z.deriveApex()
	z.deriveRanges(true)
	return z, findings
}

// trie writes the trie of the names and returns its root.
func (b *Builder) trie(z *Zone, c *checker) ref {
	b.main.sort(b.log, &b.pauser)
	t := b.trieWriter(z, c, b.family == dname.Forward)
	waiting := b.main.list
	var before addr // the next entry comes before addresses from here on
	some := true    // there are such
	seek := func() {
		if len(waiting) > 0 {
			before, some = b.log.entry(waiting[0].second).path().next()
		}
	}
	pass := func() {
		t.entry(b.log.entry(waiting[0].second))
		waiting = waiting[1:]
	}
	seek()
	b.addresses.ascend(&b.pauser, func(p addr, slot ref) {
		for len(waiting) > 0 && some && !p.isBefore(before) {
			pass()
			seek()
		}
		t.slot(p, slot)
	})
	for len(waiting) > 0 {
		pass()
	}
	return t.finish()
}

// hashTrie writes the trie of the NSEC3 RRs and returns its root.
func (b *Builder) hashTrie(z *Zone) ref {
	if len(b.nsec3.list) == 0 {
		return 0
	}
	b.nsec3.sort(b.log, &b.pauser)
	t := b.trieWriter(z, nil, true)
	for _, x := range b.nsec3.list {
		t.entry(b.log.entry(x.second))
	}
	return t.finish()
}

// nsec3Hash returns the hash that the owner of an NSEC3 stands for.
func (z *layout) nsec3Hash(owner dname.Name) (h []byte, ok bool) {
	if owner.Labels() != z.apexLabels+1 || owner[0] != 32 {
		return nil, false
	}
	h = make([]byte, 20)
	n, err := base32hex.Decode(h, bytes.ToUpper(owner.Label()))
	return h, err == nil && n == 20
}
