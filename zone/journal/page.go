package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
)

// The database reads its pages through a memory map and trusts them: an
// offset with one flipped bit leads outside of the file. Its pages have no checksums
// but for the two that it begins with. So the whole tree is read here first, with
// every number checked against the page and the file, before the database sees it.
//
// A page (numbers in the order of octets of the machine):
//
//	8  its number
//	2  kind: 1 branch, 2 leaf, 4 head, 16 free pages
//	2  how many elements
//	4  how many pages more it takes
//
// Elements follow, and behind them all keys and values without a gap:
//
//	branch  position of the key relative to the element (4), its length (4), page (8)
//	leaf    flags (4), position (4), length of the key (4), of the value (4)
//
// A head: magic, version, size of a page, flags (4 each); page of the root and its
// sequence (8 each); page of the list of free pages, number of pages, transaction (8
// each); FNV-1a of all that (8). The older of the two heads is overwritten.

const (
	pageHeaderLen = 16
	elementLen    = 16
	headLen       = 64

	pageBranch = 1
	pageLeaf   = 2
	pageHead   = 4
	pageFree   = 16

	elementBucket = 1 // flag of a leaf element: its value is a bucket

	headMagic   = 0xED0CDAED
	headVersion = 2

	// maxDepth is more than the levels that a tree can have: each page of a branch has
	// at least two elements.
	maxDepth = 64
)

// head is what one of the two first pages contains.
type head struct {
	root, free, pages, tx uint64
	sequence              uint64
	pageSize              uint64
}

// decodeHead reads a head from its page; ok is false where it is damaged.
func decodeHead(b []byte) (h head, ok bool) {
	ne := binary.NativeEndian
	m := b[pageHeaderLen:]
	sum := fnv.New64a()
	sum.Write(m[:headLen-8])
	if ne.Uint32(m) != headMagic || ne.Uint32(m[4:]) != headVersion || sum.Sum64() != ne.Uint64(m[headLen-8:]) {
		return head{}, false
	}
	return head{
		pageSize: uint64(ne.Uint32(m[8:])), root: ne.Uint64(m[16:]), sequence: ne.Uint64(m[24:]),
		free: ne.Uint64(m[32:]), pages: ne.Uint64(m[40:]), tx: ne.Uint64(m[48:]),
	}, true
}

// leafElement returns an element of a leaf page; ok is false where it lies outside.
func leafElement(b []byte, i int) (k, v []byte, flags uint32, ok bool) {
	ne := binary.NativeEndian
	at := pageHeaderLen + i*elementLen
	if at+elementLen > len(b) {
		return nil, nil, 0, false
	}
	e := b[at:]
	pos, ks, vs := uint64(ne.Uint32(e[4:])), uint64(ne.Uint32(e[8:])), uint64(ne.Uint32(e[12:]))
	if pos+ks+vs > uint64(len(e)) {
		return nil, nil, 0, false
	}
	return e[pos : pos+ks : pos+ks], e[pos+ks : pos+ks+vs : pos+ks+vs], ne.Uint32(e), true
}

// elementsEnd returns how many octets a page takes by its elements, as far as their
// table is in b.
func elementsEnd(b []byte, page uint64) uint64 {
	ne := binary.NativeEndian
	count := uint64(ne.Uint16(b[10:]))
	total := pageHeaderLen + count*elementLen
	for i := uint64(0); i < count && pageHeaderLen+(i+1)*elementLen <= page; i++ {
		e := b[pageHeaderLen+i*elementLen:]
		if ne.Uint16(b[8:]) == pageBranch {
			total += uint64(ne.Uint32(e[4:]))
		} else {
			total += uint64(ne.Uint32(e[8:])) + uint64(ne.Uint32(e[12:]))
		}
	}
	return total
}

// checkElements returns an error unless the elements of a page are as the database
// writes them: keys and values follow each other without a gap and end in the page.
func checkElements(b []byte, page uint64) error {
	ne := binary.NativeEndian
	kind, count := ne.Uint16(b[8:]), uint64(ne.Uint16(b[10:]))
	if kind != pageBranch && kind != pageLeaf {
		return fmt.Errorf("it is of kind %d", kind)
	}
	at := pageHeaderLen + count*elementLen
	for i := range count {
		off := pageHeaderLen + i*elementLen
		if off+elementLen > uint64(len(b)) {
			return fmt.Errorf("%d elements do not fit", count)
		}
		e := b[off:]
		pos, length := uint64(ne.Uint32(e)), uint64(ne.Uint32(e[4:]))
		if kind == pageLeaf {
			if ne.Uint32(e)&^elementBucket != 0 {
				return fmt.Errorf("element %d has flags %x", i, ne.Uint32(e))
			}
			pos, length = uint64(ne.Uint32(e[4:])), uint64(ne.Uint32(e[8:]))+uint64(ne.Uint32(e[12:]))
		}
		if off+pos != at || at+length > uint64(len(b)) {
			return fmt.Errorf("element %d is at %d with %d octets", i, off+pos, length)
		}
		at += length
	}
	if kind == pageBranch && count < 1 {
		return errors.New("it is an empty branch")
	}
	if uint64(len(b)) != (at/page+1)*page {
		return fmt.Errorf("%d octets are in %d", at, len(b))
	}
	return nil
}

type bitset []uint64

func (b bitset) has(i uint64) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b bitset) set(i uint64)      { b[i/64] |= 1 << (i % 64) }
