package zonetest

import (
	"bytes"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Types are the QTYPEs worth asking everywhere.
func Types() []rr.Type {
	return []rr.Type{rr.TypePTR, rr.TypeA, rr.TypeAAAA, rr.TypeHINFO, rr.TypeNSEC3PARAM, rr.TypeNS, rr.TypeCNAME, rr.TypeSOA, rr.TypeMX, rr.TypeTXT, rr.TypeSRV, rr.TypeDNAME,
		rr.TypeDS, rr.TypeRRSIG, rr.TypeNSEC, rr.TypeNSEC3, rr.TypeDNSKEY, rr.TypeANY, 65280, 65281}
}

// Neighbours returns the names worth asking about a zone, without repetition:
// every owner name and what lies near it, in canonical order and in the tree;
// all of them at or below the apex.
func (g *Random) Neighbours(o *Oracle) []dname.Name {
	seen := map[string]bool{}
	var out []dname.Name
	add := func(n dname.Name) {
		if n.IsAtOrBelow(o.Apex) && !seen[string(n)] {
			seen[string(n)] = true
			out = append(out, n)
		}
	}
	child := func(n dname.Name, label string) {
		if m, err := n.Prepend([]byte(label)); err == nil {
			add(m)
		}
	}
	add(o.Apex)
	child(o.Apex, g.Label(o.Apex))
	for _, owner := range slices.Clone(o.Owners()) {
		add(owner)
		add(g.flipCase(owner))
		child(owner, "*")
		child(owner, "0")
		child(owner, g.Label(owner))
		child(g.below(owner, g.Label(owner)), g.Label(owner))
		for n := owner; !n.Equal(o.Apex); n = n.Parent() {
			add(n.Parent())
		}
		if owner.Equal(o.Apex) {
			continue
		}
		parent, label := owner.Parent(), owner.Label()
		child(parent, g.Label(parent))
		child(parent, "*")
		for _, near := range near(label) {
			child(parent, string(near))
		}
	}
	return out
}

// near returns the labels just before and after one in canonical order, and its
// neighbours as a number.
func near(label []byte) [][]byte {
	last := len(label) - 1
	up, down := bytes.Clone(label), bytes.Clone(label)
	up[last]++
	down[last]--
	return [][]byte{
		append(bytes.Clone(label), 0), append(bytes.Clone(label), '0'), append([]byte{'0'}, label...), append(bytes.Clone(label), 0xff),
		label[:last], up, down, append(bytes.Clone(down), 0xff),
	}
}

// flipCase changes the case of some letters.
func (g *Random) flipCase(n dname.Name) dname.Name {
	n = n.Clone()
	for i, c := range n {
		if l := dname.Lower(c); l >= 'a' && l <= 'z' && g.Chance(2) {
			n[i] = c ^ 0x20
		}
	}
	return n
}

// Shuffled returns the records of the zone in an order of chance, some twice, the
// case of owner names varied.
func (g *Random) Shuffled(o *Oracle) []zone.Record {
	records := o.Records()
	for _, r := range records {
		if g.Chance(20) {
			records = append(records, r)
		}
	}
	for i := range records {
		if g.Chance(10) {
			records[i].Owner = g.flipCase(records[i].Owner)
		}
	}
	g.Shuffle(records)
	return records
}
