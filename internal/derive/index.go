package derive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// The index of a reverse zone has these records, at private types (RFC 6895 §3.1) that never leave
// the server:
//
//   - for each name that an address can have, a candidate below the name of the address. Its owner
//     is the candidate's name, a label with its rank, and the name of the address, as in
//     www.example.net.ff000003.7.2.0.192.in-addr.arpa: in canonical order, the candidates of an
//     address lie together and the best comes first, however many there are. Its TTL is that of
//     the address record.
//   - at the name of the address the PTRs that are chosen.
//   - at the apex what is counted, and a sum of the settings that all this follows from.
const (
	typeCandidate = rr.Type(65354)
	typeTotals    = rr.Type(65355)
)

// digestSize is the size of the sum of settings.
const digestSize = 16

// The rank label is hexadecimal digits, which are in canonical order as numbers are: the preference
// (2), the source (4) and the number of labels of the name (2).
const rankSize = 8

// maxShort is the size in octets of the longest name that is part of an owner. The RDATA of a longer one
// has it, and a hash follows the rank, so that it comes after all others of the same rank.
const maxShort = 150

// maxAll bounds the PTRs of an address with all of its names, in octets of a message without name
// compression: more would not fit into one (RFC 1035 §4.2.2).
const maxAll = 60_000

// candidate is a name that an address can have.
type candidate struct {
	name   dname.Name
	prefer int
	source int // index of From
	ttl    uint32
}

// key returns the owner and RDATA of a candidate of the address with the name owner; nil if that is too long.
func (c *candidate) key(owner dname.Name) (dname.Name, []byte) {
	rank := binary.BigEndian.AppendUint16([]byte{byte(c.prefer)}, uint16(c.source))
	label := hex.AppendEncode(nil, append(rank, byte(c.name.Labels())))
	data := []byte{0}
	name := c.name[:len(c.name)-1]
	if len(c.name) > maxShort || len(name)+1+len(label)+len(owner) > dname.MaxWire {
		lower := c.name.AppendLower(nil)
		sum := sha256.Sum256(lower)
		label, name, data = hex.AppendEncode(append(label, 'z'), sum[:16]), nil, lower
	}
	n := len(name) + 1 + len(label) + len(owner)
	if n > dname.MaxWire {
		return nil, nil
	}
	key := append(make([]byte, 0, n), name...)
	key = append(append(key, byte(len(label))), label...)
	return dname.Name(append(key, owner...)).AppendLower(nil), data
}

// candidates yields the candidates of the address with the name owner, the best first.
func candidates(index *zone.Zone, owner dname.Name) iter.Seq[candidate] {
	depth := owner.Labels()
	return func(yield func(candidate) bool) {
		for r := range index.Below(owner) {
			if r.Type == typeCandidate && !yield(newCandidate(&r, depth)) {
				return
			}
		}
	}
}

// newCandidate returns the candidate that a record is, for an address whose name has depth labels.
func newCandidate(r *zone.Record, depth int) candidate {
	label := r.Owner.Suffix(depth + 1).Label()
	var rank [rankSize / 2]byte
	hex.Decode(rank[:], label[:rankSize]) //nolint:errcheck // key wrote it
	c := candidate{prefer: int(rank[0]), source: int(binary.BigEndian.Uint16(rank[1:])), ttl: r.TTL}
	if len(label) > rankSize {
		c.name = dname.Name(r.Data).Clone()
		return c
	}
	n := len(r.Owner) - len(r.Owner.Suffix(depth+1))
	c.name = append(append(make(dname.Name, 0, n+1), r.Owner[:n]...), 0)
	return c
}

// depth returns how many labels the names of addresses in the zones have.
func (t *target) depth() int {
	owner, _, _ := t.item.Owner(t.item.Prefix.Addr())
	return owner.Labels()
}

// has reports whether a name is a candidate of an address.
func (t *target) has(index *zone.Zone, owner, name dname.Name) bool {
	c := candidate{name: name, prefer: t.preference(name)}
	for c.source = range t.From {
		if key, _ := c.key(owner); key != nil {
			if _, ok := index.Get(key, typeCandidate); ok {
				return true
			}
		}
	}
	return false
}

// choose returns the PTRs of an address, and whether they were chosen among several names without
// `prefer`, or among more than a message has room for.
func (t *target) choose(index *zone.Zone, owner dname.Name) (set commit.RRset, isConflict bool) {
	set = commit.RRset{Owner: owner, Type: rr.TypePTR}
	prefer, octets := 0, 0
	seen := map[string]bool{}
	for c := range candidates(index, owner) {
		switch {
		case len(set.Data) == 0:
			prefer, set.TTL = c.prefer, c.ttl
		case seen[string(c.name)]: // from another source too
			continue
		case !t.All:
			return set, prefer == c.prefer
		}
		if octets += len(c.name) + recordOctets; octets > maxAll {
			return set, true
		}
		seen[string(c.name)] = true
		set.TTL = min(set.TTL, c.ttl)
		set.Data = append(set.Data, c.name)
	}
	return set, false
}

// recordOctets are the octets of a PTR in a message besides its target: a pointer as the owner, type,
// class, TTL and length (RFC 1035 §4.1.3).
const recordOctets = 12

// drifts reports whether the static PTRs of an address have a name that is none of its candidates,
// although it has some.
func (t *target) drifts(index, static *zone.Zone, owner dname.Name) bool {
	if static == nil {
		return false
	}
	set, ok := static.Get(owner, rr.TypePTR)
	if !ok {
		return false
	}
	for range candidates(index, owner) {
		for _, name := range commit.ReadRRset(static, owner, set.Type).Data {
			if !t.has(index, owner, name) {
				return true
			}
		}
		break
	}
	return false
}

// totals are counted over an index.
type totals struct {
	digest                      [digestSize]byte // of the settings
	records, conflicts, drifted int32
}

// totalsOf returns the totals of an index; the zero value if there is none.
func totalsOf(index *zone.Zone) (t totals) {
	if index == nil {
		return t
	}
	if set, ok := index.Get(index.Apex(), typeTotals); ok {
		b := set.First(nil)
		copy(t.digest[:], b)
		for i, n := range []*int32{&t.records, &t.conflicts, &t.drifted} {
			*n = int32(binary.BigEndian.Uint32(b[digestSize+4*i:]))
		}
	}
	return t
}

func (t *totals) record(apex dname.Name) zone.Record {
	b := bytes.Clone(t.digest[:])
	for _, n := range []int32{t.records, t.conflicts, t.drifted} {
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	return zone.Record{Owner: apex, Type: typeTotals, Data: b}
}

// replace returns the index with other totals than it has.
func (t *totals) replace(index *zone.Zone, was totals) (*zone.Zone, error) {
	if *t == was {
		return index, nil
	}
	return index.Apply(&zone.Changeset{Removed: []zone.Record{was.record(index.Apex())}, Added: []zone.Record{t.record(index.Apex())}})
}

// complete returns the index with the candidates in first, without drift.
func (t *target) complete(first *zone.Zone, pause func()) (*zone.Zone, error) {
	apex, depth, n := first.Apex(), t.depth(), totals{digest: t.digest}
	return commit.NewLayer(apex, func(yield func(zone.Record) bool) {
		var last dname.Name
		for r := range first.All() {
			if r.Type != typeCandidate {
				continue
			}
			if owner := r.Owner.Suffix(depth); last == nil || !owner.Equal(last) {
				last = owner.Clone()
				set, isConflict := t.choose(first, last)
				n.records += int32(len(set.Data))
				n.conflicts += count(isConflict)
				for _, ptr := range set.Records() {
					yield(ptr)
				}
			}
			yield(r)
		}
		yield(n.record(apex))
	}, pause)
}

// edit adds a candidate, or removes it.
type edit struct {
	owner dname.Name // of the address
	key   dname.Name // of the candidate
	data  []byte     // its RDATA
	ttl   uint32
	isOn  bool
}

// apply returns the index after some edits, and the addresses whose PTRs changed. It costs what it
// changes.
func (t *target) apply(index, static *zone.Zone, edits []edit, pause func()) (next *zone.Zone, changed []dname.Name, err error) {
	c := &zone.Changeset{Apex: index.Apex()}
	owners := map[string]dname.Name{}
	for i := range edits {
		e := &edits[i]
		was := commit.ReadRRset(index, e.key, typeCandidate)
		if len(was.Data) == 0 && !e.isOn || len(was.Data) > 0 && e.isOn && was.TTL == e.ttl {
			continue
		}
		owners[e.owner.Key()] = e.owner
		c.Removed = append(c.Removed, was.Records()...)
		if e.isOn {
			c.Added = append(c.Added, zone.Record{Owner: e.key, Type: typeCandidate, TTL: e.ttl, Data: e.data})
		}
	}
	if len(owners) == 0 {
		return index, nil, nil
	}
	if next, err = index.ApplyPaused(c, pause); err != nil {
		return nil, nil, fmt.Errorf("derived names of zone %v: %w", index.Apex(), err)
	}
	was := totalsOf(index)
	now := was
	c.Removed, c.Added = c.Removed[:0], c.Added[:0]
	for _, owner := range owners {
		had := commit.ReadRRset(index, owner, rr.TypePTR)
		_, hadConflict := t.choose(index, owner)
		has, hasConflict := t.choose(next, owner)
		now.conflicts += count(hasConflict) - count(hadConflict)
		now.drifted += count(t.drifts(next, static, owner)) - count(t.drifts(index, static, owner))
		now.records += int32(len(has.Data) - len(had.Data))
		if !isSame(&had, &has) {
			c.Removed, c.Added = append(c.Removed, had.Records()...), append(c.Added, has.Records()...)
			changed = append(changed, owner)
		}
	}
	if now != was {
		c.Removed, c.Added = append(c.Removed, was.record(index.Apex())), append(c.Added, now.record(index.Apex()))
	}
	if next, err = next.ApplyPaused(c, pause); err != nil {
		return nil, nil, fmt.Errorf("derived PTRs of zone %v: %w", index.Apex(), err)
	}
	return next, changed, nil
}

// isSame reports whether two RRsets of one owner have the same records.
func isSame(a, b *commit.RRset) bool {
	return a.TTL == b.TTL && len(a.Data) == len(b.Data) && !slices.ContainsFunc(a.Data, func(d []byte) bool {
		return !slices.ContainsFunc(b.Data, func(e []byte) bool { return bytes.Equal(d, e) })
	})
}

func count(is bool) int32 {
	if is {
		return 1
	}
	return 0
}

// recount returns the index of a zone whose static data are others than before.
func (t *target) recount(index, static *zone.Zone) (*zone.Zone, error) {
	was := totalsOf(index)
	now := was
	now.drifted = 0
	if static != nil && was.records > 0 {
		for owner := range ownersOf(static) {
			now.drifted += count(t.drifts(index, static, owner))
		}
	}
	return now.replace(index, was)
}
