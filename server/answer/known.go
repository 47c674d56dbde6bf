package answer

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"

	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone/dname"
)

// KnownOptions are the options of Known.
type KnownOptions struct {
	Prefixes []netip.Prefix // of peers: those who may transfer, update or notify; a prefix of all addresses is ignored
	Keys     []dname.Name   // that peers sign with
	Now      int64          // Unix seconds
	Seed     [32]byte       // random
}

// Known has the clients whose deferred datagrams are probably legitimate: configured peers,
// and addresses that sent a message with a valid signature within [provenFor]. The address of
// a datagram may be forged, so being known is not a permission. It is a cheap test before
// signatures are verified: known clients have a larger share of the deferred lane and a
// separate rate limit, so that a flood from random addresses leaves room for peers. Clients
// with a valid server cookie are known as well.
//
// All methods may be called by any number of goroutines.
type Known struct {
	peers  prefixSet
	newest map[string]*atomic.Int64 // by dname.Name.Key of a key: the latest time of signing of a valid message
	proven *provenTable
}

// provenFor is for how many seconds an address is known after a valid signature. Clients that
// update or transfer zones usually sign more often; after a longer pause one is unknown again.
const provenFor = 600

// NewKnown returns a Known with the addresses that old, if not nil, has learned.
func NewKnown(o KnownOptions, old *Known) *Known {
	k := &Known{newest: make(map[string]*atomic.Int64, len(o.Keys))}
	var peers []netip.Prefix
	for _, p := range o.Prefixes {
		if p.IsValid() && p.Bits() > 0 {
			peers = append(peers, p)
		}
	}
	k.peers = newPrefixSet(peers)
	for _, name := range o.Keys {
		key := name.Key()
		if old != nil {
			k.newest[key] = old.newest[key]
		}
		if k.newest[key] == nil {
			k.newest[key] = new(atomic.Int64)
			k.newest[key].Store(o.Now) // what was signed before may be a replay
		}
	}
	if old != nil {
		k.proven = old.proven
	} else {
		k.proven = newProvenTable(o.Seed)
	}
	return k
}

// has reports whether the address is known; now is in Unix seconds.
func (k *Known) has(a netip.Addr, now int64) bool {
	return k != nil && (k.peers.contains(a) || k.proven.has(a, now))
}

// learn records that a message with a valid signature came from the address. Only one
// that was signed later than all before it, by the same key, counts: a replayed message
// must not make its victim a known client.
func (k *Known) learn(a netip.Addr, key *tsig.Key, signed, now int64) {
	if k == nil {
		return
	}
	newest := k.newest[key.Name().Key()]
	if newest == nil {
		return
	}
	for {
		was := newest.Load()
		if signed <= was {
			return
		}
		if newest.CompareAndSwap(was, signed) {
			break
		}
	}
	k.proven.add(a, now)
}

// provenTable holds addresses with the time of their last signature, in 32 KiB. Only
// holders of keys get in, so strangers cannot crowd them out.
//
//	63            32 31                    0
//	┌───────────────┬──────────────────────┐
//	│ hash          │ Unix seconds         │
//	└───────────────┴──────────────────────┘
//
// A set of four has the addresses whose hashes have the same lowest bits. A new one replaces
// the oldest. For instance, f3c1a2b5_6a000000 is an address whose hash begins with f3c1a2b5
// and that was proven on 2026-05-10.
type provenTable struct {
	key  rateKey
	sets [provenSets][rateWays]atomic.Uint64
}

const provenSets = 1024

func newProvenTable(seed [32]byte) *provenTable {
	t := new(provenTable)
	for i := range t.key {
		t.key[i] = binary.LittleEndian.Uint64(seed[8*i:])
	}
	return t
}

// find returns the set of the address, and the bits that its entry begins with.
func (t *provenTable) find(a netip.Addr) (set *[rateWays]atomic.Uint64, tag uint64) {
	b := a.As16()
	h := t.key.sum(binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:]))
	return &t.sets[h%provenSets], h &^ (1<<32 - 1)
}

func (t *provenTable) has(a netip.Addr, now int64) bool {
	set, tag := t.find(a)
	for i := range set {
		if e := set[i].Load(); e&^(1<<32-1) == tag && uint32(now)-uint32(e) < provenFor {
			return true
		}
	}
	return false
}

func (t *provenTable) add(a netip.Addr, now int64) {
	set, tag := t.find(a)
	oldest, age := 0, uint32(0)
	for i := range set {
		e := set[i].Load()
		if e&^(1<<32-1) == tag {
			oldest = i
			break
		}
		if n := uint32(now) - uint32(e); n >= age {
			oldest, age = i, n
		}
	}
	set[oldest].Store(tag | uint64(uint32(now)))
}
