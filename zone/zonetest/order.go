package zonetest

import (
	"maps"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// SortKey returns a string that sorts by octets as the name does canonically
// (RFC 4034 §6.1): the labels from the root down in lower case, each ended by two
// zero octets, a zero octet within a label written as zero and one.
func SortKey(n dname.Name) string {
	var labels [][]byte
	for ; !n.IsRoot(); n = n.Parent() {
		labels = append(labels, n.Label())
	}
	var key []byte
	for _, label := range slices.Backward(labels) {
		for _, c := range label {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			key = append(key, c)
			if c == 0 {
				key = append(key, 1)
			}
		}
		key = append(key, 0, 0)
	}
	return string(key)
}

// Owners returns the owner names of the zone in canonical order, in lower case.
func (o *Oracle) Owners() []dname.Name {
	if o.sorted == nil {
		byKey := map[string]dname.Name{}
		for owner := range o.sets {
			byKey[SortKey(dname.Name(owner))] = dname.Name(owner)
		}
		o.keys = slices.Sorted(maps.Keys(byKey))
		for _, key := range o.keys {
			o.sorted = append(o.sorted, byKey[key])
		}
	}
	return o.sorted
}

// Predecessor returns the last name in canonical order that is n or before it
// and owns an RRset of type t; the last of all where none is, as the chain of
// NSEC goes round; nil if no name owns one.
func (o *Oracle) Predecessor(n dname.Name, t rr.Type) dname.Name {
	var before, last dname.Name
	key := SortKey(n)
	for i, owner := range o.Owners() {
		if o.Get(owner, t) == nil {
			continue
		}
		if o.keys[i] <= key {
			before = owner
		}
		last = owner
	}
	if before == nil {
		return last
	}
	return before
}
