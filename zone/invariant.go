package zone

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/ptrd/ptrd/zone/dname"
)

// Check walks the whole structure and returns the first broken invariant: refs
// inside their chunks, runs and nodes in their shortest form, address labels
// whole, flags and totals as the data have them. It is for tests and costs as
// much as reading the zone.
func (z *Zone) Check() error {
	if !z.IsAvailable() {
		return nil
	}
	var total Stats
	var sum Zone
	sum.layout = z.layout
	wild := 0
	c := structure{z: z, live: make([]uint32, len(z.chunks)), visit: func(k *key, v []byte, flags uint32, hashed bool) error {
		sets := z.content(v)
		if len(sets) == 0 {
			return fmt.Errorf("a name has a value without RRsets")
		}
		total.Names++
		for i, s := range sets {
			if len(s.data) == 0 && !(z.verbatim && len(s.sigs) > 0) {
				return fmt.Errorf("an RRset of type %v has no records", s.typ)
			}
			if i > 0 && sets[i-1].typ >= s.typ {
				return fmt.Errorf("RRsets are not in the order of their types")
			}
			total.RRsets++
			total.Records += len(s.data) + len(s.sigs)
		}
		if !hashed {
			if want := flagsOf(sets, k.n); want != flags {
				return fmt.Errorf("flags %#x, the RRsets ask for %#x", flags, want)
			}
			if hasWildcard(k.b[:], k.n, k.ordinary) {
				wild++
			}
		}
		sum.digestContent(sets, 1, k.path(), hashed)
		return nil
	}}
	c.k.reset(&z.layout)
	if err := c.node(z.root, 0, z.family == dname.Forward, false); err != nil {
		return err
	}
	if z.nsec3 != 0 {
		c.k.reset(&layout{})
		if err := c.node(z.nsec3, 0, true, true); err != nil {
			return err
		}
	}
	if err := z.checkChunks(c.live); err != nil {
		return err
	}
	switch {
	case total != z.stats:
		return fmt.Errorf("totals %+v, counted %+v", z.stats, total)
	case wild != z.wildcards:
		return fmt.Errorf("%d wildcards, counted %d", z.wildcards, wild)
	case sum.digest != z.digest:
		return fmt.Errorf("digest %x, computed %x", z.digest, sum.digest)
	}
	return nil
}

// checkChunks holds what is known of the chunks against the octets in them that
// nodes and values take.
func (z *Zone) checkChunks(live []uint32) error {
	var total, sum int64
	for i, c := range z.chunks {
		f := z.fills[i]
		total += int64(len(c))
		sum += int64(f.live)
		switch {
		case f.suffixes && f.live < live[i], !f.suffixes && f.live != live[i]:
			return fmt.Errorf("chunk %d: %d octets are said to be used, counted %d", i, f.live, live[i])
		case c == nil && f != fill{}:
			return fmt.Errorf("chunk %d is gone, and said to be %+v", i, f)
		case f.condemned && z.sweep == nil:
			return fmt.Errorf("chunk %d is condemned and not swept", i)
		}
	}
	if total != z.total || sum != z.live {
		return fmt.Errorf("%d octets of chunks, %d of them used; counted %d and %d", z.total, z.live, total, sum)
	}
	return nil
}

// structure checks nodes on the way down.
type structure struct {
	z     *Zone
	k     key
	live  []uint32 // octets by chunk
	visit func(k *key, v []byte, flags uint32, hashed bool) error
}

func (c *structure) node(r ref, depth int, inOrdinary, hashed bool) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("node %#x at depth %d: %s", uint32(r), depth, fmt.Sprintf(format, args...))
	}
	fits := func(r ref) bool {
		chunk := int(r >> chunkShift)
		return r != 0 && chunk < len(c.z.chunks) && int(r&(chunkUnits-1))<<2 < len(c.z.chunks[chunk])
	}
	if !fits(r) {
		return fail("ref outside the chunks")
	}
	view := c.z.node(r, depth)
	var room [maxRun]byte
	n := c.z.decode(r, depth, room[:0])
	save := c.k.n
	defer func() { c.k.n = save }()
	for _, v := range n.run {
		c.k.push(v)
	}
	end := depth + len(n.run)
	children := view.children()
	address := c.z.family != dname.Forward && !inOrdinary
	nibbles := 1 // of an address label
	if c.z.family == dname.InAddr {
		nibbles = 2
	}
	switch {
	case n.value == nil && view.isLeaf():
		return fail("neither value nor children")
	case n.value == nil && n.flags != 0:
		return fail("flags %#x without a value", n.flags)
	case (n.value != nil || n.ordinary != 0) && address && end%nibbles != 0:
		return fail("a name ends inside an octet")
	case address && end > nibbles*c.z.address:
		return fail("more address labels than an address has")
	case n.at != 0 && !fits(n.at):
		return fail("ref of the value outside the chunks")
	case n.ordinary != 0 && inOrdinary:
		return fail("an ordinary branch below another")
	}
	if n.value == nil && n.ordinary == 0 && bits.OnesCount32(children) == 1 {
		below := c.z.node(n.children[bits.TrailingZeros32(children)], end+1)
		if len(n.run)+1+below.run() <= maxRun {
			return fail("a run is in two pieces")
		}
	}
	c.live[r>>chunkShift] += uint32(view.size())
	if n.at != 0 {
		c.live[n.at>>chunkShift] += uint32(align(len(n.value)))
	}
	if n.value != nil {
		if n.value[0] != formSets {
			if s := ref(binary.LittleEndian.Uint32(n.value[3:])); s != 0 && (!fits(s) || !c.z.fills[s>>chunkShift].suffixes) {
				return fail("suffix %#x is not in a chunk of suffixes", uint32(s))
			}
		}
		if err := c.visit(&c.k, n.value, n.flags, hashed); err != nil {
			return fail("%v", err)
		}
	}
	for v, child := range n.children {
		if child == 0 {
			continue
		}
		c.k.push(byte(v))
		if err := c.node(child, end+1, inOrdinary, hashed); err != nil {
			return err
		}
		c.k.n = end
	}
	if n.ordinary != 0 {
		old := c.k.ordinary
		c.k.ordinary = end
		if err := c.node(n.ordinary, end, true, hashed); err != nil {
			return err
		}
		c.k.ordinary = old
	}
	return nil
}
