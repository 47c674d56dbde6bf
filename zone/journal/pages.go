package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// item is one key and value of a bucket. Its octets are valid until the function that
// got it returns.
type item struct {
	key, value []byte
	page       *pageSpan // nil: it may be older than another one with its key
}

// pageSpan is the page that an item is on and the keys that may be there.
type pageSpan struct {
	low, high []byte // keys from low to before high; nil: no bound
}

func (s *pageSpan) holds(key []byte) bool {
	return (s.low == nil || bytes.Compare(key, s.low) >= 0) && (s.high == nil || bytes.Compare(key, s.high) < 0)
}

// pages reads the pages of a database without trusting any of them.
type pages struct {
	f    io.ReaderAt
	size uint64 // octets of the file
	page uint64 // octets of a page

	heads  int // how many of the two are valid
	head   head
	roots  map[string]bucketRoot
	isUsed bitset // pages that the tree, the heads and the list of free pages take
	isFree bitset
	freeOK bool // isFree is right

	mayBeOld bool // the last transaction may be lost

	faults  int    // places that are not as the database writes them
	example string // the first of them
}

// bucketRoot is where a bucket is.
type bucketRoot struct {
	page     uint64 // 0: it is inline
	inline   []byte
	sequence uint64
}

// fault counts a place that is damaged.
func (p *pages) fault(format string, args ...any) {
	if p.faults == 0 {
		p.example = fmt.Sprintf(format, args...)
	}
	p.faults++
}

// openPages reads the heads, the list of free pages and the root. It fails where no
// part of the file can be used as a journal.
func openPages(f io.ReaderAt, size int64) (*pages, error) {
	p := &pages{f: f, size: uint64(size)}
	if err := p.readHeads(); err != nil {
		return nil, err
	}
	if p.heads < 2 {
		// The damaged head may have been the newer one, and the pages of its tree are
		// all there: what a transaction needs is not overwritten by the next one.
		newer, ok, isSure := p.findRoot()
		switch {
		case ok:
			p.head = newer
		case p.heads == 0:
			return nil, errors.New("it has no valid head and no root")
		}
		p.mayBeOld = !isSure
	}
	if n := p.size / p.page; p.head.pages > n {
		p.fault("%d octets of %d are there", p.size, p.head.pages*p.page)
		p.head.pages = n
	}
	p.isUsed, p.isFree = make(bitset, p.head.pages/64+1), make(bitset, p.head.pages/64+1)
	p.isUsed.set(0)
	if p.head.pages > 1 {
		p.isUsed.set(1)
	}
	if p.head.free != 0 {
		p.readFree()
	}
	p.roots = map[string]bucketRoot{}
	p.walkPage(p.head.root, &pageSpan{}, 0, func(it item, flags uint32) {
		if flags&elementBucket == 0 || len(it.value) < 16 {
			p.fault("page %d: %q is no bucket", p.head.root, it.key)
			return
		}
		r := bucketRoot{page: binary.NativeEndian.Uint64(it.value), sequence: binary.NativeEndian.Uint64(it.value[8:])}
		if r.page == 0 {
			r.inline = bytes.Clone(it.value[16:])
		}
		p.roots[string(it.key)] = r
	})
	return p, nil
}

// readHeads finds the size of a page and the newer of the heads.
func (p *pages) readHeads() error {
	sizes := []uint64{uint64(os.Getpagesize())}
	for n := uint64(1 << 10); n <= 64<<10; n *= 2 {
		if n != sizes[0] {
			sizes = append(sizes, n)
		}
	}
	for _, size := range sizes {
		for at := range uint64(2) {
			if h, ok := p.readHead(at*size, size); ok {
				p.page = size
				if p.heads++; p.heads == 1 || h.tx > p.head.tx {
					p.head = h
				}
			}
		}
		if p.heads > 0 {
			break
		}
	}
	if p.heads == 0 {
		p.page = sizes[0]
	}
	if p.heads < 2 {
		p.fault("%d of the 2 heads are damaged", 2-p.heads)
	}
	if p.size < 4*p.page {
		return fmt.Errorf("it has %d octets", p.size)
	}
	return nil
}

// readHead reads a head; ok is false where it is damaged or has another size of pages.
func (p *pages) readHead(off, size uint64) (h head, ok bool) {
	var b [pageHeaderLen + headLen]byte
	if n, _ := p.f.ReadAt(b[:], int64(off)); n < len(b) {
		return h, false
	}
	ne := binary.NativeEndian
	h, ok = decodeHead(b[:])
	return h, ok && ne.Uint64(b[:]) == off/size && ne.Uint16(b[8:]) == pageHead && h.pageSize == size
}

// findRoot looks through the file for the root page of the latest transaction: the
// sequence of the bucket of meta data counts them. It has no list of free pages. ok is not
// set where there is none that is later than that of the valid head. isSure is set where no
// later one can be damaged.
func (p *pages) findRoot() (h head, ok, isSure bool) {
	latest := uint64(0)
	if p.heads > 0 {
		// A root whose number cannot be read may be a later one than any that is found.
		latest, _ = generation(p.readDamaged(p.head.root))
		isSure = latest > 0
	}
	for n := uint64(2); n < p.size/p.page; n++ {
		b, err := p.read(n)
		if err != nil || binary.NativeEndian.Uint16(b[8:]) != pageLeaf || checkElements(b, p.page) != nil {
			continue
		}
		if g, isRoot := generation(b); isRoot && g > latest {
			latest, ok = g, true
			h = head{root: n, pages: p.size / p.page}
		}
	}
	return h, ok, ok && isSure
}

// generation returns the number of the transaction whose root a page is, which may be
// damaged in part: 0 where it cannot be read. isRoot is set where the page has the names of
// buckets of a root.
func generation(b []byte) (g uint64, isRoot bool) {
	if b == nil || binary.NativeEndian.Uint16(b[8:]) != pageLeaf {
		return 0, false
	}
	names := 0
	for i := range int(binary.NativeEndian.Uint16(b[10:])) {
		k, v, flags, ok := leafElement(b, i)
		if !ok || flags&elementBucket == 0 || len(v) < 16 {
			continue
		}
		switch string(k) {
		case bucketMeta:
			g = binary.NativeEndian.Uint64(v[8:])
			names++
		case bucketZones, bucketChanges:
			names++
		}
	}
	return g, names == 3
}

// readFree reads the list of free pages.
func (p *pages) readFree() {
	fail := func(format string, args ...any) { p.fault("list of free pages: "+format, args...) }
	n := p.head.free
	if n < 2 || n >= p.head.pages {
		fail("page %d of %d", n, p.head.pages)
		return
	}
	ne := binary.NativeEndian
	var header [pageHeaderLen + 8]byte
	if _, err := p.f.ReadAt(header[:], int64(n*p.page)); err != nil {
		fail("%v", err)
		return
	}
	more, count, at := uint64(ne.Uint32(header[12:])), uint64(ne.Uint16(header[10:])), uint64(pageHeaderLen)
	if count == 0xffff { // it does not fit there
		count, at = ne.Uint64(header[pageHeaderLen:]), pageHeaderLen+8
	}
	if ne.Uint64(header[:]) != n || ne.Uint16(header[8:]) != pageFree || more >= p.head.pages-n || count > ((more+1)*p.page-at)/8 {
		fail("page %d is none", n)
		return
	}
	for i := range more + 1 {
		p.isUsed.set(n + i)
	}
	b := make([]byte, 8*count)
	if _, err := p.f.ReadAt(b, int64(n*p.page+at)); err != nil {
		fail("%v", err)
		return
	}
	for last := uint64(1); len(b) > 0; b = b[8:] { // in order
		id := ne.Uint64(b)
		if id <= last || id >= p.head.pages || p.isUsed.has(id) {
			fail("page %d", id)
			return
		}
		p.isFree.set(id)
		last = id
	}
	p.freeOK = true
}

// read reads a page with all that it takes. It checks the header and that the page
// is as long as its elements need.
func (p *pages) read(n uint64) ([]byte, error) {
	ne := binary.NativeEndian
	b := make([]byte, p.page)
	if _, err := p.f.ReadAt(b, int64(n*p.page)); err != nil {
		return nil, err
	}
	if ne.Uint64(b) != n {
		return nil, fmt.Errorf("its header has page number %d", ne.Uint64(b))
	}
	more := uint64(ne.Uint32(b[12:]))
	if more == 0 {
		return b, nil
	}
	if more >= p.size/p.page-n {
		return nil, fmt.Errorf("it takes %d pages more than are there", more)
	}
	// The lengths of the elements must agree before so much is allocated.
	if total := elementsEnd(b, p.page); total/p.page != more {
		return nil, fmt.Errorf("it takes %d pages for %d octets", more+1, total)
	}
	b = append(b, make([]byte, more*p.page)...)
	if _, err := p.f.ReadAt(b[p.page:], int64((n+1)*p.page)); err != nil {
		return nil, err
	}
	return b, nil
}

// readDamaged reads a page of the tree whose header or table of elements is damaged, as
// if it were a leaf unless it is a branch. It returns nil if the page cannot be read.
func (p *pages) readDamaged(n uint64) []byte {
	ne := binary.NativeEndian
	b := make([]byte, p.page)
	if _, err := p.f.ReadAt(b, int64(n*p.page)); err != nil {
		return nil
	}
	if ne.Uint16(b[8:]) == pageBranch {
		return b
	}
	ne.PutUint16(b[8:], pageLeaf)
	more := uint64(ne.Uint32(b[12:]))
	counts := elementCounts(b)
	pagesFor := func(count uint64) uint64 {
		ne.PutUint16(b[10:], uint16(count))
		return elementsEnd(b, p.page) / p.page
	}
	switch {
	case counts[0] == counts[1] || counts[0] == counts[2]:
		more = pagesFor(counts[0])
	case counts[1] == counts[2]:
		more = pagesFor(counts[1])
	case pagesFor(counts[1]) != more && pagesFor(counts[0]) != more:
		return b
	}
	if more >= p.size/p.page-n {
		return b
	}
	b = append(b, make([]byte, more*p.page)...)
	if _, err := p.f.ReadAt(b[p.page:], int64((n+1)*p.page)); err != nil {
		return b[:p.page]
	}
	return b
}

// elementCounts returns the number of elements of a leaf as the header has it, and as it follows
// from where the keys of the first two elements are. If one of the three is damaged, the two
// others agree; a page with one element has only two.
func elementCounts(b []byte) [3]uint64 {
	ne := binary.NativeEndian
	first, second := b[pageHeaderLen:], b[pageHeaderLen+elementLen:]
	length := uint64(ne.Uint32(first[8:])) + uint64(ne.Uint32(first[12:]))
	return [...]uint64{
		uint64(ne.Uint16(b[10:])),
		uint64(ne.Uint32(first[4:])) / elementLen,
		(elementLen + uint64(ne.Uint32(second[4:])) - length) / elementLen,
	}
}

// walk calls visit with each item of a bucket that lies on a valid page, in the order
// of the tree.
func (p *pages) walk(bucket string, visit func(item)) {
	r, ok := p.roots[bucket]
	if !ok {
		return
	}
	leaf := func(it item, flags uint32) {
		if flags != 0 {
			p.fault("bucket %s: %q is a bucket", bucket, it.key)
			return
		}
		visit(it)
	}
	if r.page == 0 {
		p.walkInline(bucket, r.inline, leaf)
		return
	}
	p.walkPage(r.page, &pageSpan{}, 0, leaf)
}

// secondPass forgets which pages were seen in a bucket, for a second walk.
func (p *pages) secondPass() *pages {
	q := *p
	q.faults, q.isUsed = 0, make(bitset, len(p.isUsed))
	return &q
}

// walkInline walks a bucket that is so small that it is part of the root.
func (p *pages) walkInline(bucket string, b []byte, visit func(item, uint32)) {
	ne := binary.NativeEndian
	if len(b) < pageHeaderLen || ne.Uint16(b[8:]) != pageLeaf {
		p.fault("bucket %s: it is no page", bucket)
		return
	}
	// It ends where its elements do.
	if total := elementsEnd(b, uint64(len(b))); total != uint64(len(b)) {
		p.fault("bucket %s: it has %d octets, not %d", bucket, len(b), total)
		return
	}
	padded := append(bytes.Clone(b), make([]byte, p.page-uint64(len(b))%p.page)...)
	if err := checkElements(padded, p.page); err != nil {
		p.fault("bucket %s: %v", bucket, err)
		return
	}
	p.walkLeaf(0, padded, &pageSpan{}, false, visit)
}

// walkPage walks the tree below a page whose keys are in the span.
func (p *pages) walkPage(n uint64, span *pageSpan, depth int, visit func(item, uint32)) {
	if n < 2 || n >= p.head.pages || depth > maxDepth {
		p.fault("page %d is asked for, there are %d", n, p.head.pages)
		return
	}
	if p.isUsed.has(n) {
		p.fault("page %d is used twice", n)
		return
	}
	b, err := p.read(n)
	if err == nil {
		err = checkElements(b, p.page)
	}
	if err != nil {
		p.fault("page %d: %v", n, err)
		// The leaves below a damaged branch are orphans, and so is another page in the place
		// of this one. Any other page is taken for a leaf, because the number of its kind may
		// be what is damaged.
		if b := p.readDamaged(n); b != nil && p.origin(n, b) == n && binary.NativeEndian.Uint16(b[8:]) != pageBranch {
			p.isUsed.set(n)
			p.walkLeaf(n, b, span, true, visit)
		}
		return
	}
	for i := range uint64(len(b)) / p.page {
		if n+i >= p.head.pages || p.isUsed.has(n+i) {
			p.fault("page %d is used twice", n+i)
			return
		}
		if p.isFree.has(n + i) { // the page itself is part of the tree
			p.fault("page %d is listed as free", n+i)
			p.freeOK = false
		}
		p.isUsed.set(n + i)
	}
	if binary.NativeEndian.Uint16(b[8:]) == pageLeaf {
		p.walkLeaf(n, b, span, false, visit)
		return
	}
	ne := binary.NativeEndian
	count := int(ne.Uint16(b[10:]))
	key := func(i int) []byte {
		e := b[pageHeaderLen+i*elementLen:]
		pos, ks := ne.Uint32(e), ne.Uint32(e[4:])
		return e[pos : pos+ks : pos+ks]
	}
	for i := range count {
		below := &pageSpan{key(i), span.high}
		if i+1 < count {
			below.high = key(i + 1)
		}
		// The first key of a page may be later than the one in its parent.
		if span.low != nil && bytes.Compare(below.low, span.low) < 0 || !below.holds(below.low) {
			p.fault("page %d: key %d is not in order", n, i)
			below = span
		}
		p.walkPage(ne.Uint64(b[pageHeaderLen+i*elementLen+8:]), below, depth+1, visit)
	}
}

// walkLeaf calls visit with the elements of a leaf page. Of a damaged one these are the
// elements that lie in it; their checksums show which of them are intact.
func (p *pages) walkLeaf(n uint64, b []byte, span *pageSpan, isDamaged bool, visit func(item, uint32)) {
	var last []byte
	for i := range int(binary.NativeEndian.Uint16(b[10:])) {
		k, v, flags, ok := leafElement(b, i)
		switch {
		case !ok:
			continue
		case isDamaged:
			flags = 0
		case last != nil && bytes.Compare(k, last) <= 0 || !span.holds(k):
			p.fault("page %d: key %d is not in order", n, i)
		default:
			last = k
		}
		visit(item{k, v, span}, flags)
	}
}

// origin returns the number of the page that lies in the place of page n: a disk may have
// written or copied another one there, which may be free and so have old values. A page
// whose number alone is damaged is page n.
func (p *pages) origin(n uint64, b []byte) uint64 {
	other := binary.NativeEndian.Uint64(b)
	if other == n || other >= p.size/p.page {
		return n
	}
	there := make([]byte, p.page)
	if _, err := p.f.ReadAt(there, int64(other*p.page)); err != nil {
		return n
	}
	switch number := binary.NativeEndian.Uint64(there); {
	case number == 0 && other != 0, number >= p.size/p.page: // not used yet, or the rest of a page
		return n
	case number == other && !bytes.Equal(there[pageHeaderLen:], b[pageHeaderLen:p.page]):
		return n // the other page is in its own place
	}
	return other
}

// orphans calls visit with the items of leaf pages that are neither in the tree as far
// as it could be walked, nor free: they were in it, below a page that is damaged, or lie in
// the place of another page.
// Only checksums show which bucket they belong to. Without the list of free pages there
// are none: what is outside of the tree may be old.
func (p *pages) orphans(visit func(item)) {
	if !p.freeOK {
		return
	}
	p.leaves(func(n uint64, it item) {
		if n < p.head.pages && !p.isUsed.has(n) && !p.isFree.has(n) {
			visit(it)
		}
	})
}

// leaves calls visit with the items of all leaf pages of the file, also of free and of
// damaged ones, and with the number of the page that they are from.
func (p *pages) leaves(visit func(n uint64, it item)) {
	for n := uint64(2); n < p.size/p.page; n++ {
		if b := p.readDamaged(n); b != nil && binary.NativeEndian.Uint16(b[8:]) == pageLeaf {
			of := p.origin(n, b)
			p.walkLeaf(n, b, nil, true, func(it item, _ uint32) { visit(of, it) })
		}
	}
}
