package zone

import (
	"cmp"
	"math/bits"
	"slices"
)

// pair is what is sorted when a zone is built: the beginning of a key in first,
// the rest of it, or where to find that, in second.
type pair struct{ first, second uint64 }

func (x pair) compare(y pair) int {
	if x.first != y.first {
		return cmp.Compare(x.first, y.first)
	}
	return cmp.Compare(x.second, y.second)
}

// smallSort is from how many pairs on sorting by digits beats insertion: the 256
// counters of a digit have to be cleared and added up each time.
const smallSort = 40

// sorter sorts pairs.
type sorter struct {
	pause *pauser
	tie   func(x, y pair) int // orders pairs of equal first; nil: by second
	free  *spare
	room  []pair
}

// sort sorts a. It goes by digits of 8 bits from the highest one down in which the
// pairs differ, so that a prefix that all share costs nothing.
func (s *sorter) sort(a []pair) {
	s.pause.step()
	if len(a) <= smallSort {
		for i := 1; i < len(a); i++ {
			x, j := a[i], i
			for ; j > 0 && (x.first < a[j-1].first || x.first == a[j-1].first && s.less(x, a[j-1])); j-- {
				a[j] = a[j-1]
			}
			a[j] = x
		}
		return
	}
	var d pair
	for _, x := range a[1:] {
		d.first |= x.first ^ a[0].first
		d.second |= x.second ^ a[0].second
	}
	if d.first == 0 && s.tie != nil {
		slices.SortFunc(a, func(x, y pair) int {
			s.pause.step()
			return s.tie(x, y)
		})
		return
	}
	g, ok := digitOf(d)
	if !ok {
		return
	}
	var end, at [256]int32
	for _, x := range a {
		end[g.of(x)]++
	}
	sum := int32(0)
	for i, n := range end {
		at[i] = sum
		sum += n
		end[i] = sum
	}
	for i := range end {
		for at[i] < end[i] {
			x := a[at[i]]
			for v := g.of(x); int(v) != i; v = g.of(x) {
				x, a[at[v]] = a[at[v]], x
				at[v]++
			}
			a[at[i]] = x
			at[i]++
			s.pause.step()
		}
	}
	from := int32(0)
	for _, to := range end {
		if to-from > 1 {
			s.sort(a[from:to])
		}
		from = to
	}
}

// less orders pairs of equal first.
func (s *sorter) less(x, y pair) bool {
	if s.tie != nil {
		return s.tie(x, y) < 0
	}
	return x.second < y.second
}

// digit is where in a pair 8 bits are.
type digit struct {
	second bool
	shift  uint
}

// digitOf returns the highest 8 bits in which pairs differ that differ in the
// bits of d; ok is false if that is none.
func digitOf(d pair) (g digit, ok bool) {
	w := d.first
	if g.second = w == 0; g.second {
		w = d.second
	}
	g.shift = uint(max(bits.Len64(w)-8, 0))
	return g, w != 0
}

func (g digit) of(x pair) uint8 {
	if g.second {
		return uint8(x.second >> g.shift)
	}
	return uint8(x.first >> g.shift)
}

// pairs is a list of pairs in small pages, so that its memory can be used again
// bit by bit while it is read.
type pairs struct {
	narrow bool // second is always zero and not stored
	pages  [][]uint64
	n      int
	base   pair // the first of them
	last   pair
	differ pair // the bits in which not all are equal
	mixed  bool // not in ascending order
}

const (
	// Words of a page: 4 KiB. A list that is sorted is dealt out to 256 others, each
	// with one page that is not full; smaller pages would cost more to keep.
	pageWords = 512

	// The first page of a list; each further one is twice as large until they are
	// full pages, so that small lists are small.
	firstWords = 32

	// A list up to this long is sorted in one piece of memory, of 256 KiB, which the
	// processor's caches hold.
	sortRoom = 1 << 14
)

// spare are pages that are no longer used.
type spare struct{ pages [][]uint64 }

func (p *pairs) add(x pair, from *spare) {
	if p.n == 0 {
		p.base, p.last = x, x
	}
	p.n++
	p.mixed = p.mixed || x.compare(p.last) < 0
	p.last = x
	p.differ.first |= x.first ^ p.base.first
	p.differ.second |= x.second ^ p.base.second
	end := len(p.pages) - 1
	if end < 0 || len(p.pages[end])+2 > cap(p.pages[end]) {
		var page []uint64
		if n := len(from.pages); n > 0 {
			page = from.pages[n-1]
			from.pages = from.pages[:n-1]
		} else {
			page = make([]uint64, 0, min(firstWords<<min(end+1, 10), pageWords))
		}
		p.pages = append(p.pages, page)
		end++
	}
	if p.narrow {
		p.pages[end] = append(p.pages[end], x.first)
	} else {
		p.pages[end] = append(p.pages[end], x.first, x.second)
	}
}

// drain calls yield with the pairs in the order of Add and empties the list. Its
// pages go to the spare ones.
func (p *pairs) drain(to *spare, yield func(pair)) {
	for i, page := range p.pages {
		if p.narrow {
			for _, w := range page {
				yield(pair{first: w})
			}
		} else {
			for j := 0; j+1 < len(page); j += 2 {
				yield(pair{page[j], page[j+1]})
			}
		}
		p.pages[i] = nil
		to.pages = append(to.pages, page[:0])
	}
	p.pages, p.n = nil, 0
}

// ascend is drain in ascending order.
func (s *sorter) ascend(p *pairs, yield func(pair)) {
	switch {
	case p.n == 0:
	case !p.mixed:
		p.drain(s.free, yield)
	case p.n <= sortRoom:
		a := slices.Grow(s.room[:0], p.n)
		p.drain(s.free, func(x pair) { a = append(a, x) })
		s.room = a
		s.sort(a)
		for _, x := range a {
			yield(x)
		}
	default:
		g, _ := digitOf(p.differ)
		lists := make([]pairs, 256)
		for i := range lists {
			lists[i].narrow = p.narrow
		}
		p.drain(s.free, func(x pair) {
			s.pause.step()
			lists[g.of(x)].add(x, s.free)
		})
		for i := range lists {
			s.ascend(&lists[i], yield)
		}
	}
}
