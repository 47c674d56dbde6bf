package config

// unique finds what a list has twice, in a time that grows with the list and not with
// its square. The zero value is empty.
type unique[K comparable, V any] struct {
	few  [fewItems]K // the first keys
	n    int
	all  map[K]V // nil: they are few
	list []V     // of the first keys
}

// fewItems is up to how many items are compared each with each: nearly all lists are
// as short, and a table would cost each of a hundred thousand zones more.
const fewItems = 8

// add adds v, unless there was one with the key before, which it returns. steps counts
// the work.
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
