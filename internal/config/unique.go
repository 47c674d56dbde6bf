package config

import (
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// distinct returns the items that read returns ok for, and reports those whose key an
// item before had. The method each visits the values; the key is printed.
func distinct[T any, K comparable](each func(func(value)), read func(value) (item T, key K, ok bool)) []T {
	var list []T
	var seen unique[K, finding.Position]
	each(func(v value) {
		item, key, ok := read(v)
		if !ok {
			return
		}
		if pos, twice := seen.add(key, v.pos(), &v.doc.steps); twice {
			v.fail("%v is in the list already (%v); remove one of the two", key, pos)
			return
		}
		list = append(list, item)
	})
	return list
}

// nameKey is the [dname.Name.Key] of a name; it prints as the name.
type nameKey string

func (k nameKey) String() string { return dname.Name(k).String() }

// unique finds duplicates in a time that is linear in the number of items. The zero
// value is empty.
type unique[K comparable, V any] struct {
	few  [fewItems]K // the first keys
	n    int
	all  map[K]V // nil: they are few
	list []V     // of the first keys
}

// fewItems is the largest number of items that are compared pairwise: nearly all lists are
// as short, and a map for each list of a hundred thousand zones would be slower.
const fewItems = 8

// add adds v, or returns the earlier value with the same key. It counts the work in
// steps.
func (u *unique[K, V]) add(k K, v V, steps *int) (before V, twice bool) {
	*steps++
	if u.all != nil {
		if before, twice = u.all[k]; !twice {
			u.all[k] = v
		}
		return before, twice
	}
	for i := range u.n {
		*steps++
		if u.few[i] == k {
			return u.list[i], true
		}
	}
	if u.n < fewItems {
		u.few[u.n], u.list = k, append(u.list, v)
		u.n++
		return before, false
	}
	u.all = make(map[K]V, 2*fewItems)
	for i, k := range u.few {
		u.all[k] = u.list[i]
	}
	u.all[k] = v
	return before, false
}
