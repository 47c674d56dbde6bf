package transfer

import (
	"encoding/binary"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// condense returns the chain as one changeset without records that it removes and adds
// again (RFC 1995 §5). If there are none it returns the chain itself, so that secondaries
// that keep a history get its steps.
func condense(chain []*zone.Changeset, pause func()) []*zone.Changeset {
	first, last := chain[0], chain[len(chain)-1]
	c := &zone.Changeset{Apex: first.Apex, From: first.From, To: last.To}
	// A zone has a record at most once, so that its changes add up to +1, -1 or 0.
	type change struct {
		record *zone.Record
		net    int8 // +1: added; -1: removed; 0: neither
	}
	var all []change
	at := make(map[string]int)
	var key []byte
	count := func(r *zone.Record, by int8) {
		if r.Type == rr.TypeSOA {
			return
		}
		key = appendKey(key[:0], r)
		i, known := at[string(key)]
		if !known {
			i = len(all)
			at[string(key)] = i
			all = append(all, change{record: r})
		}
		all[i].net += by
		if pause != nil {
			pause()
		}
	}
	for _, step := range chain {
		for i := range step.Removed {
			count(&step.Removed[i], -1)
		}
		for i := range step.Added {
			count(&step.Added[i], +1)
		}
	}
	c.Removed = append(c.Removed, soasOf(first.Removed)...)
	c.Added = append(c.Added, soasOf(last.Added)...)
	for _, x := range all {
		switch x.net {
		case -1:
			c.Removed = append(c.Removed, *x.record)
		case +1:
			c.Added = append(c.Added, *x.record)
		}
	}
	before := 0 // records of the chain without SOAs
	for _, step := range chain {
		before += len(step.Removed) + len(step.Added) - len(soasOf(step.Removed)) - len(soasOf(step.Added))
	}
	if after := len(c.Removed) + len(c.Added) - len(soasOf(c.Removed)) - len(soasOf(c.Added)); after == before {
		return chain
	}
	return []*zone.Changeset{c}
}

func soasOf(list []zone.Record) (out []zone.Record) {
	for _, r := range list {
		if r.Type == rr.TypeSOA {
			out = append(out, r)
		}
	}
	return out
}

// appendKey appends the key of a record: all its fields, with the owner in lower case.
func appendKey(key []byte, r *zone.Record) []byte {
	key = r.Owner.AppendLower(key)
	key = binary.BigEndian.AppendUint16(key, uint16(r.Type))
	key = binary.BigEndian.AppendUint32(key, r.TTL)
	return append(key, r.Data...)
}
