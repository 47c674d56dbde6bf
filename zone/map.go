package zone

import "github.com/ptrd/ptrd/zone/dname"

// Map is an immutable map from the apexes of zones to values. Like a [Set], it costs what
// one entry costs to add or remove one of many. The zero Map is not valid; nil is empty.
type Map[V any] struct {
	entries table[mapSlot[V], *mapSlot[V]]
	count   int
}

type mapSlot[V any] struct {
	apex  string // its key; empty: the slot is free
	hash  uint32
	value *V
}

func (e *mapSlot[V]) key() string  { return e.apex }
func (e *mapSlot[V]) home() uint32 { return e.hash }

// MapChange is the entry that a [Map] has at an apex from now on.
type MapChange[V any] struct {
	Apex  dname.Name
	Value *V // nil: none
}

// With returns the map with the changes made, one after the other.
func (m *Map[V]) With(changes []MapChange[V]) *Map[V] {
	n := &Map[V]{entries: newTable[mapSlot[V], *mapSlot[V]](pageSlots)}
	if m.Len() > 0 {
		*n = *m
	}
	n.entries.begin()
	for _, c := range changes {
		e := mapSlot[V]{c.Apex.Key(), hashName(c.Apex), c.Value}
		had := n.get(e.hash, e.apex) != nil
		switch {
		case c.Value != nil:
			if !had {
				n.count++
			}
			n.entries.put(e, maxTableBits(n.count))
		case had:
			n.count--
			n.entries.remove(e.hash, e.apex, maxTableBits(n.count))
		}
	}
	return n
}

// Of returns the value of a zone; nil if there is none.
func (m *Map[V]) Of(z *Zone) *V { return m.get(z.apexHash, z.id) }

// Get returns the value at an apex; nil if there is none.
func (m *Map[V]) Get(apex dname.Name) *V { return m.get(hashName(apex), apex.Key()) }

func (m *Map[V]) get(h uint32, key string) *V {
	if m.Len() == 0 {
		return nil
	}
	p := m.entries.page(h)
	for i := range uint32(pageSlots) {
		e := &p.slots[(h+i)%pageSlots]
		if e.apex == "" || e.hash == h && e.apex == key {
			return e.value
		}
	}
	return m.entries.crowded[key].value
}

// All yields the values in no order.
func (m *Map[V]) All(yield func(*V) bool) {
	if m.Len() == 0 {
		return
	}
	for e := range m.entries.all {
		if !yield(e.value) {
			return
		}
	}
}

// Len returns the number of values.
func (m *Map[V]) Len() int {
	if m == nil {
		return 0
	}
	return m.count
}
