package lease

import (
	"net/netip"

	"github.com/ptrd/ptrd/internal/priority"
	"github.com/ptrd/ptrd/zone/finding"
)

// maxEntries bounds what one file may list: a file of so many leases takes about 2 GB of memory.
const maxEntries = 1 << 24

// forever is the end of what has none.
const forever = 1<<63 - 1

// lastEnd is the last second of the year 9999, which is the last one of a date (RFC 3339 §5.6). What ends
// later has no end.
const lastEnd = 253402300799

// entry is a name of an address.
type entry struct {
	addr  netip.Addr
	name  string // in wire form
	end   int64  // Unix time from which on it is not there; forever: none
	line  int
	file  int    // in paths of the content
	place int    // in the queue; -1: not in it
	next  *entry // a further name of the address; nil: none
}

// names are those of an address that has several: a file can have as many at one, such as 0.0.0.0, as
// it has lines.
type names struct {
	byName map[string]*entry
	last   *entry
}

// content is what a file lists.
type content struct {
	entries map[netip.Addr]*entry
	several map[netip.Addr]*names   // of the addresses in entries that have several names
	count   int                     // of entries, further names included
	ends    *priority.Queue[*entry] // of entries that are there, the first end first
	paths   []string                // of the files that it was read from
	now     int64                   // what is there is there at this time
	good    int                     // records without a fault since the file was read from its start
	unnamed int                     // records of leases without a name, likewise
	skipped int                     // records with a fault, likewise
	faults  finding.List            // of the skipped
	unfit   string                  // why the file cannot be used; empty: it can
	changed map[netip.Addr]bool     // addresses whose names changed; nil: not of interest
}

func newContent(now int64) *content {
	return &content{
		entries: map[netip.Addr]*entry{},
		several: map[netip.Addr]*names{},
		ends: priority.New(func(a, b *entry) bool { return a.end < b.end },
			func(e *entry, place int) { e.place = place }),
		now: now,
	}
}

// put makes e the only name of its address, or a further one.
func (c *content) put(e *entry, further bool) {
	e.place = -1
	if e.end > lastEnd {
		e.end = forever
	}
	first, several := c.entries[e.addr], c.several[e.addr]
	var was *entry
	switch {
	case several == nil && first != nil && first.name == e.name:
		was = first
	case several != nil && further:
		was = several.byName[e.name]
	}
	if was != nil {
		c.extend(was, e)
		return
	}
	if first != nil && !further {
		c.remove(e.addr)
		first = nil
	}
	if c.count >= maxEntries {
		c.unfit = "it lists more than 16,777,216 names"
		return
	}
	c.count++
	switch {
	case first == nil:
		c.entries[e.addr] = e
	case several == nil:
		first.next = e
		c.several[e.addr] = &names{byName: map[string]*entry{first.name: first, e.name: e}, last: e}
	default:
		several.last.next, several.byName[e.name], several.last = e, e, e
	}
	c.show(e)
}

// extend moves the end of a name to that of a later record.
func (c *content) extend(was, e *entry) {
	wasThere := was.end > c.now
	c.ends.Remove(was.place)
	was.end, was.line, was.file = e.end, e.line, e.file
	if wasThere != (was.end > c.now) {
		c.mark(was.addr)
	}
	if was.end > c.now && was.end != forever {
		c.ends.Push(was)
	}
}

// show marks an entry that is there, and waits for its end.
func (c *content) show(e *entry) {
	if e.end <= c.now {
		return
	}
	c.mark(e.addr)
	if e.end != forever {
		c.ends.Push(e)
	}
}

// remove removes the names of an address.
func (c *content) remove(a netip.Addr) {
	for e := c.entries[a]; e != nil; e = e.next {
		if e.end > c.now {
			c.mark(a)
		}
		c.ends.Remove(e.place)
		c.count--
	}
	delete(c.entries, a)
	delete(c.several, a)
}

func (c *content) mark(a netip.Addr) {
	if c.changed != nil {
		c.changed[a] = true
	}
}

// move lets time pass, or go back.
func (c *content) move(now int64) {
	before := c.now
	c.now = now
	for {
		e, ok := c.ends.First()
		if !ok || e.end > now {
			break
		}
		c.ends.Pop()
		c.mark(e.addr)
	}
	if now >= before {
		return
	}
	for _, e := range c.entries { // the clock was set back
		for ; e != nil; e = e.next {
			if e.end <= before {
				c.show(e)
			}
		}
	}
}

// names calls yield with the entries of an address that are there.
func (c *content) names(a netip.Addr, yield func(*entry)) {
	for e := c.entries[a]; e != nil; e = e.next {
		if e.end > c.now {
			yield(e)
		}
	}
}

// compare marks the addresses whose names differ from those of an earlier content.
func (c *content) compare(was *content) {
	list := func(c *content, a netip.Addr) (names []string) {
		c.names(a, func(e *entry) { names = append(names, e.name) })
		return names
	}
	differ := func(a netip.Addr) bool {
		one, other := c.entries[a], was.entries[a]
		if one != nil && other != nil && one.next == nil && other.next == nil { // the usual case
			isThere := one.end > c.now
			return isThere != (other.end > was.now) || isThere && one.name != other.name
		}
		x, y := list(c, a), list(was, a)
		if len(x) != len(y) {
			return true
		}
		for i := range x {
			if x[i] != y[i] {
				return true
			}
		}
		return false
	}
	for a := range c.entries {
		if differ(a) {
			c.changed[a] = true
		}
	}
	for a := range was.entries {
		if c.entries[a] == nil && differ(a) {
			c.changed[a] = true
		}
	}
}
