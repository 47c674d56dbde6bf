package derive

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// bulk collects the candidates of new indexes, to be built in the order of addresses. It has no pointers
// to single ones, so that millions cost the garbage collector nothing.
type bulk struct {
	list []found
	log  [][]byte // source 2, TTL 4, name, of each
}

// found is where the log has a candidate of an address.
type found struct {
	addr      [16]byte
	chunk, at uint32
}

// logChunk is the size in octets of a part of the log.
const logChunk = 1 << 18

func (b *bulk) add(a netip.Addr, c *candidate) {
	last := len(b.log) - 1
	if last < 0 || cap(b.log[last])-len(b.log[last]) < 6+len(c.name) {
		b.log = append(b.log, make([]byte, 0, logChunk))
		last++
	}
	b.list = append(b.list, found{a.As16(), uint32(last), uint32(len(b.log[last]))})
	chunk := binary.BigEndian.AppendUint16(b.log[last], uint16(c.source))
	chunk = binary.BigEndian.AppendUint32(chunk, c.ttl)
	b.log[last] = c.name.AppendLower(chunk)
}

// candidate returns a candidate, whose name is a part of the log.
func (b *bulk) candidate(f found) candidate {
	e := b.log[f.chunk][f.at:]
	return candidate{name: dname.FromWire(e[6:]), source: int(binary.BigEndian.Uint16(e)), ttl: binary.BigEndian.Uint32(e[2:])}
}

// build adds the candidates of a target that were collected to its new indexes.
func (w *work) build(t *target) {
	b := w.bulk[t]
	if b == nil {
		return
	}
	delete(w.bulk, t)
	steps := 0
	mayPause := func() {
		if steps++; steps%pauseSteps == 0 && w.pause != nil {
			w.pause()
		}
	}
	slices.SortFunc(b.list, func(x, y found) int {
		mayPause()
		return bytes.Compare(x.addr[:], y.addr[:])
	})
	var group []candidate
	for i := 0; i < len(b.list); {
		first := &b.list[i]
		for group = group[:0]; i < len(b.list) && b.list[i].addr == first.addr; i++ {
			c := b.candidate(b.list[i])
			c.prefer = t.preference(c.name)
			group = append(group, c)
			mayPause()
		}
		if owner, apex, ok := t.item.Owner(netip.AddrFrom16(first.addr).Unmap()); ok && hasKeys(owner) {
			if l := w.layer(apex, t); l != nil {
				l.first.add(owner, group)
			}
		}
	}
}

// pauseSteps is how many candidates are compared or read between two pauses: some microseconds of work.
const pauseSteps = 64

// builder builds a new index.
type builder struct {
	*target
	ptrs   *zone.Builder
	stored *zone.Builder // nil: no candidates are stored yet
	totals totals
	pause  func()
}

func newBuilder(t *target, apex dname.Name, pause func()) *builder {
	return &builder{target: t, ptrs: commit.NewLayerBuilder(apex, pause), totals: totals{digest: t.digest}, pause: pause}
}

// add adds an address with its candidates, in any order, which may be more than once there.
func (b *builder) add(owner dname.Name, list []candidate) {
	if len(list) > 1 {
		for i := range list {
			list[i].setKey(owner)
		}
		slices.SortFunc(list, func(x, y candidate) int { return dname.Compare(x.key, y.key) })
		list = slices.CompactFunc(list, func(x, y candidate) bool { return x.key.Equal(y.key) })
	}
	if b.areStored(slices.Values(list)) {
		if b.stored == nil {
			b.stored = commit.NewLayerBuilder(b.ptrs.Apex(), b.pause)
		}
		for i := range list {
			list[i].setKey(owner)
			b.stored.Add(list[i].record())
		}
	}
	set, isConflict := b.choose(owner, slices.Values(list))
	b.totals.conflicts += count(isConflict)
	b.totals.records += int32(len(set.Data))
	for _, name := range set.Data {
		b.ptrs.Add(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: set.TTL, Data: name})
	}
}

// build returns the index, without drift.
func (b *builder) build() (*zone.Zone, error) {
	b.ptrs.Add(b.totals.record(b.ptrs.Apex()))
	layer, err := commit.BuildLayer(b.ptrs)
	if err != nil || b.stored == nil {
		return layer, err
	}
	stored, err := commit.BuildLayer(b.stored)
	if err != nil {
		return nil, err
	}
	return layer.WithLayers(zone.Layers{Static: stored}), nil
}
