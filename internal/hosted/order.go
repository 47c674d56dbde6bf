package hosted

import (
	"slices"
	"strings"
)

// maxBlock is how many keys a block of an ordered list has at most. To insert one moves half
// of them, eight KiB, which is less than a microsecond.
const maxBlock = 1024

// ordered is a sorted list of distinct strings in blocks, so that one can be inserted into a
// million for the cost of a block. The zero value is empty.
type ordered struct {
	blocks [][]string // none of them is empty
	count  int
}

// newOrdered returns the list of keys, which it sorts.
func newOrdered(keys []string) *ordered {
	slices.Sort(keys)
	keys = slices.Compact(keys)
	o := &ordered{count: len(keys)}
	for part := range slices.Chunk(keys, maxBlock/2) {
		o.blocks = append(o.blocks, slices.Clone(part))
	}
	return o
}

// find returns where the first key is that is not before key.
func (o *ordered) find(key string) (block, at int, found bool) {
	block, found = slices.BinarySearchFunc(o.blocks, key, func(b []string, key string) int {
		return strings.Compare(b[len(b)-1], key)
	})
	if found || block == len(o.blocks) {
		if found {
			at = len(o.blocks[block]) - 1
		}
		return block, at, found
	}
	at, found = slices.BinarySearch(o.blocks[block], key)
	return block, at, found
}

func (o *ordered) insert(key string) {
	block, at, found := o.find(key)
	if found {
		return
	}
	o.count++
	if block == len(o.blocks) { // behind all others
		if block == 0 {
			o.blocks = append(o.blocks, nil)
		} else {
			block--
		}
		at = len(o.blocks[block])
	}
	b := slices.Insert(o.blocks[block], at, key)
	if len(b) <= maxBlock {
		o.blocks[block] = b
		return
	}
	half := len(b) / 2
	if block == len(o.blocks)-1 && at == len(b)-1 {
		half = maxBlock // keys that come in order fill their blocks
	}
	o.blocks[block] = b[:half:half]
	o.blocks = slices.Insert(o.blocks, block+1, slices.Clone(b[half:]))
}

func (o *ordered) remove(key string) {
	block, at, found := o.find(key)
	if !found {
		return
	}
	o.count--
	if b := slices.Delete(o.blocks[block], at, at+1); len(b) > 0 {
		o.blocks[block] = b
	} else {
		o.blocks = slices.Delete(o.blocks, block, block+1)
	}
}

// from yields the keys in order, beginning with the first that is not before start.
func (o *ordered) from(start string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		block, at, _ := o.find(start)
		for ; block < len(o.blocks); block, at = block+1, 0 {
			for _, key := range o.blocks[block][at:] {
				if !yield(key) {
					return
				}
			}
		}
	}
}
