package config

import (
	"slices"

	"github.com/ptrd/ptrd/zone/finding"
)

// values are the values that a key at the top level has, each in another file.
type values []value

// list is [value.list] of all lists.
func (all values) list(read func(value)) {
	for _, v := range all {
		v.list(read)
	}
}

// section is a key at the top level with the function that reads its values.
type section struct {
	key      string
	isShared bool // several files may have it
	read     func(values)
}

// single is a section that one file may have.
func single(key string, read func(value)) section {
	return section{key, false, func(all values) { read(all[0]) }}
}

// shared is a section with a list or entries, of which each file may have some.
func shared(key string, read func(values)) section { return section{key, true, read} }

// sections reads the files of a configuration as one mapping, in the order of list.
func (all values) sections(list ...section) {
	fields := make([]field, len(list))
	for i := range list {
		fields[i].key = list[i].key
	}
	found := make([]values, len(list))
	first := make([]finding.Position, len(list))
	for _, v := range all {
		v.pairs(func(key string, k, child value) {
			i := slices.IndexFunc(list, func(s section) bool { return s.key == key })
			switch {
			case i < 0:
				k.unknownKey(key, fields)
				return
			case found[i] == nil:
				first[i] = k.pos()
			case !list[i].isShared:
				k.path = key
				k.fail("another file has the key too (%v); remove one of the two", first[i])
				return
			}
			child.path = key
			found[i] = append(found[i], child)
		})
	}
	for i, s := range list {
		if found[i] != nil {
			s.read(found[i])
		}
	}
}
