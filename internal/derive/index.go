package derive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// The index of a reverse zone is its derived layer: at the names of addresses the PTRs that are
// chosen, and at the apex what is counted, with a sum of the settings that all this follows from. A PTR
// alone is the only candidate of its address, and comes from the first source that addresses of the zone
// can have. All candidates of other addresses are in a zone of their own, which the layer has as the static
// data that it was made from, at private types (RFC 6895 §3.1) as well: the owner is the candidate's name, a label
// with its rank, and the name of the address, as in www.example.net.ff000003.7.2.0.192.in-addr.arpa. In canonical
// order, the candidates of an address lie together and the best comes first, however many there are. The TTL
// is that of the address record.
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
	name   dname.Name // in lower case
	prefer int
	source int // index of From
	ttl    uint32

	key  dname.Name // owner in the index; nil: not made yet
	data []byte     // RDATA there
}

// hasKeys reports whether all candidates of the address with the name owner have keys.
func hasKeys(owner dname.Name) bool {
	const longest = 1 + rankSize + 1 + 2*hashSize
	return longest+len(owner) <= dname.MaxWire
}

// hashSize is how many octets of the hash of a long name are in its key.
const hashSize = 16

// setKey makes the key of a candidate of the address with the name owner, if it has none.
func (c *candidate) setKey(owner dname.Name) {
	if c.key != nil {
		return
	}
	rank := binary.BigEndian.AppendUint16([]byte{byte(c.prefer)}, uint16(c.source))
	label := hex.AppendEncode(make([]byte, 0, rankSize), append(rank, byte(c.name.Labels())))
	name := c.name[:len(c.name)-1]
	c.data = []byte{0}
	if len(c.name) > maxShort || len(name)+1+len(label)+len(owner) > dname.MaxWire {
		sum := sha256.Sum256(c.name)
		label, name, c.data = hex.AppendEncode(append(label, 'z'), sum[:hashSize]), nil, c.name
	}
	c.key = append(make(dname.Name, 0, len(name)+1+len(label)+len(owner)), name...)
	c.key = append(append(c.key, byte(len(label))), label...)
	c.key = append(c.key, owner...).AppendLower(nil)
}

func (c *candidate) record() zone.Record {
	return zone.Record{Owner: c.key, Type: typeCandidate, TTL: c.ttl, Data: c.data}
}

// index is the index of a zone that a target derives names for.
type index struct {
	*target
	layer *zone.Zone
}

// stored returns the zone with the candidates of addresses that have several; nil: there are none.
func (x index) stored() *zone.Zone { return x.layer.Layers().Static }

// candidates yields the candidates of the address with the name owner, the best first.
func (x index) candidates(owner dname.Name) iter.Seq[candidate] {
	depth := owner.Labels()
	return func(yield func(candidate) bool) {
		isStored := false
		if z := x.stored(); z != nil {
			for r := range z.Below(owner) {
				if r.Type != typeCandidate {
					continue
				}
				if isStored = true; !yield(newCandidate(&r, depth)) {
					return
				}
			}
		}
		if isStored {
			return
		}
		if set := commit.ReadRRset(x.layer, owner, rr.TypePTR); len(set.Data) > 0 {
			c := candidate{name: set.Data[0], source: x.first, ttl: set.TTL}
			c.prefer = x.preference(c.name)
			yield(c)
		}
	}
}

// newCandidate returns the candidate that a record is, for an address whose name has depth labels.
func newCandidate(r *zone.Record, depth int) candidate {
	label := r.Owner.Suffix(depth + 1).Label()
	var rank [rankSize / 2]byte
	hex.Decode(rank[:], label[:rankSize]) //nolint:errcheck // setKey wrote it
	c := candidate{prefer: int(rank[0]), source: int(binary.BigEndian.Uint16(rank[1:])), ttl: r.TTL}
	if len(label) > rankSize {
		c.name = dname.Name(r.Data).Clone()
		return c
	}
	n := len(r.Owner) - len(r.Owner.Suffix(depth+1))
	c.name = append(append(make(dname.Name, 0, n+1), r.Owner[:n]...), 0)
	return c
}

// areStored reports whether the candidates of an address are stored, as its PTR alone does not show them.
func (t *target) areStored(list iter.Seq[candidate]) bool {
	n := 0
	for c := range list {
		if n++; n > 1 || c.source != t.first {
			return true
		}
	}
	return false
}

// depth returns how many labels the names of addresses in the zones have.
func (t *target) depth() int {
	owner, _, _ := t.item.Owner(t.item.Prefix.Addr())
	return owner.Labels()
}

// has reports whether a name is a candidate of an address.
func (x index) has(owner, name dname.Name) bool {
	if z := x.stored(); z != nil {
		name = name.AppendLower(nil)
		for source := range x.From {
			c := candidate{name: name, prefer: x.preference(name), source: source}
			c.setKey(owner)
			if _, ok := z.Get(c.key, typeCandidate); ok {
				return true
			}
		}
	}
	return slices.ContainsFunc(commit.ReadRRset(x.layer, owner, rr.TypePTR).Data, func(d []byte) bool { return name.Equal(d) })
}

// choose returns the PTRs of the address with the name owner, and whether they were chosen among several
// names without `prefer`, or among more than a message has room for.
func (t *target) choose(owner dname.Name, list iter.Seq[candidate]) (set commit.RRset, isConflict bool) {
	set = commit.RRset{Owner: owner, Type: rr.TypePTR}
	prefer, octets := 0, 0
	var seen map[string]bool
	for c := range list {
		switch {
		case len(set.Data) == 0:
			prefer, set.TTL = c.prefer, c.ttl
		case seen[string(c.name)]: // from another source too
			continue
		case !t.All && !c.name.Equal(set.Data[0]):
			return set, prefer == c.prefer
		case !t.All:
			continue
		}
		if octets += len(c.name) + recordOctets; octets > maxAll {
			return set, true
		}
		if t.All {
			if seen == nil {
				seen = map[string]bool{}
			}
			seen[string(c.name)] = true
		}
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
func (x index) drifts(static *zone.Zone, owner dname.Name) bool {
	names := commit.ReadRRset(static, owner, rr.TypePTR).Data
	if len(names) == 0 {
		return false
	}
	_, isDerived := x.layer.Get(owner, rr.TypePTR)
	return isDerived && slices.ContainsFunc(names, func(name []byte) bool { return !x.has(owner, name) })
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

// edit adds a candidate, or removes it.
type edit struct {
	candidate
	addr  netip.Addr
	owner dname.Name // of the address
	isOn  bool
}

// compare orders edits as apply needs them. Addresses are compared faster than their names.
func (e edit) compare(other edit) int {
	if c := e.addr.Compare(other.addr); c != 0 {
		return c
	}
	return dname.Compare(e.key, other.key)
}

// short returns what list yields as a slice, if room has the capacity for it: it is gone through several times.
func short(list iter.Seq[candidate], room []candidate) iter.Seq[candidate] {
	room = room[:0]
	for c := range list {
		if len(room) == cap(room) {
			return list
		}
		room = append(room, c)
	}
	return slices.Values(room)
}

// edited returns candidates of an address after edits of these, all in the order of keys.
func edited(owner dname.Name, list iter.Seq[candidate], edits []edit) iter.Seq[candidate] {
	return func(yield func(candidate) bool) {
		rest := edits
		for c := range list {
			isEdited := false
			for len(rest) > 0 && !isEdited {
				c.setKey(owner)
				order := dname.Compare(rest[0].key, c.key)
				if order > 0 {
					break
				}
				if isEdited = order == 0; rest[0].isOn && !yield(rest[0].candidate) {
					return
				}
				rest = rest[1:]
			}
			if !isEdited && !yield(c) {
				return
			}
		}
		for _, e := range rest {
			if e.isOn && !yield(e.candidate) {
				return
			}
		}
	}
}

// apply returns the index after some edits, of which the last of a candidate counts, and the addresses whose
// PTRs changed. It costs what it changes.
func (x index) apply(static *zone.Zone, edits []edit, pause func()) (next index, changed []dname.Name, err error) {
	slices.SortStableFunc(edits, edit.compare)
	slices.Reverse(edits)
	edits = slices.CompactFunc(edits, func(a, b edit) bool { return a.compare(b) == 0 })
	slices.Reverse(edits)
	var rooms [2][4]candidate
	next = x
	ptrs, stored := &zone.Changeset{Apex: x.layer.Apex()}, &zone.Changeset{Apex: x.layer.Apex()}
	was := totalsOf(x.layer)
	now := was
	var owners []dname.Name
	for len(edits) > 0 {
		owner, n := edits[0].owner, 1
		for n < len(edits) && edits[n].addr == edits[0].addr {
			n++
		}
		before := short(x.candidates(owner), rooms[0][:])
		after := short(edited(owner, before, edits[:n]), rooms[1][:])
		x.store(stored, owner, before, after, edits[:n])
		had, hadConflict := x.choose(owner, before)
		has, hasConflict := x.choose(owner, after)
		now.conflicts += count(hasConflict) - count(hadConflict)
		now.records += int32(len(has.Data) - len(had.Data))
		if !had.Equal(has) {
			ptrs.Removed, ptrs.Added = append(ptrs.Removed, had.Records()...), append(ptrs.Added, has.Records()...)
			changed = append(changed, owner)
		}
		owners, edits = append(owners, owner), edits[n:]
	}
	if !stored.IsEmpty() {
		z := x.stored()
		if z == nil {
			if z, err = commit.BuildLayer(commit.NewLayerBuilder(stored.Apex, pause)); err != nil {
				return x, nil, err
			}
		}
		if z, err = z.ApplyPaused(stored, pause); err != nil {
			return x, nil, fmt.Errorf("derived names of zone %v: %w", stored.Apex, err)
		}
		next.layer = next.layer.WithLayers(zone.Layers{Static: z})
	}
	if !ptrs.IsEmpty() {
		if next.layer, err = next.layer.ApplyPaused(ptrs, pause); err != nil {
			return x, nil, fmt.Errorf("derived PTRs of zone %v: %w", ptrs.Apex, err)
		}
	}
	for _, owner := range owners {
		now.drifted += count(next.drifts(static, owner)) - count(x.drifts(static, owner))
	}
	next.layer, err = now.replace(next.layer, was)
	return next, changed, err
}

// store adds to a changeset of the zone with stored candidates what some edits of an address change there.
func (x index) store(c *zone.Changeset, owner dname.Name, before, after iter.Seq[candidate], edits []edit) {
	switch had, has := x.areStored(before), x.areStored(after); {
	case had && has:
		for i := range edits {
			e := &edits[i]
			was := commit.ReadRRset(x.stored(), e.key, typeCandidate)
			if len(was.Data) > 0 && e.isOn && was.TTL == e.ttl {
				continue
			}
			c.Removed = append(c.Removed, was.Records()...)
			if e.isOn {
				c.Added = append(c.Added, e.record())
			}
		}
	case had:
		for one := range before { // they were edited, but for one at most
			one.setKey(owner)
			c.Removed = append(c.Removed, one.record())
		}
	case has:
		for one := range after {
			one.setKey(owner)
			c.Added = append(c.Added, one.record())
		}
	}
}

func count(is bool) int32 {
	if is {
		return 1
	}
	return 0
}

// recount returns the index of a zone whose static data are others than before.
func (x index) recount(static *zone.Zone) (*zone.Zone, error) {
	was := totalsOf(x.layer)
	now := was
	now.drifted = 0
	if static != nil && was.records > 0 {
		for owner := range zone.Owners(static.All(), rr.TypePTR) {
			now.drifted += count(x.drifts(static, owner))
		}
	}
	return now.replace(x.layer, was)
}
