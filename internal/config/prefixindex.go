package config

import (
	"iter"
	"net/netip"
)

// prefixIndex finds the prefixes that cover another one, with one look-up for each
// length that occurs. The zero value is empty.
type prefixIndex[T any] struct {
	at      map[netip.Prefix][]T
	lengths [129]bool
}

func (x *prefixIndex[T]) add(p netip.Prefix, v T) {
	if x.at == nil {
		x.at = map[netip.Prefix][]T{}
	}
	x.at[p] = append(x.at[p], v)
	x.lengths[p.Bits()] = true
}

// covering yields what was added at each prefix that contains p, the longest first.
func (x *prefixIndex[T]) covering(p netip.Prefix) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for bits := p.Bits(); bits >= 0; bits-- {
			if !x.lengths[bits] {
				continue
			}
			if found := x.at[netip.PrefixFrom(p.Addr(), bits).Masked()]; found != nil && !yield(found) {
				return
			}
		}
	}
}

// longest returns what was added at the longest prefix that contains p.
func (x *prefixIndex[T]) longest(p netip.Prefix) []T {
	for found := range x.covering(p) {
		return found
	}
	return nil
}
