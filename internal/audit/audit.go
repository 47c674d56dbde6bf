// Package audit confirms the reverse names in the zones served here: in the background of a
// server, and once for a command.
//
//	snapshot → subjects (walk.go) → package fcrdns over package lookup → states
//
//	audit.go     Settings, and the examination of one address
//	walk.go      the addresses of a zone, some at a time
//	auditor.go   Auditor: passes over all zones, as long as the server runs
//	failing.go   what an Auditor knows: numbers, and a bounded list of addresses
//	report.go    Examine: one pass for `ptrd audit`, and what is missing
//	fix.go       changes of sources that add what is missing
//
// Names in zones served here are looked up in the snapshot; resolvers are asked for the others.
// What they do not answer is not known, and never wrong.
package audit

import (
	"context"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/fcrdns"
	"github.com/ptrd/ptrd/internal/lookup"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// State is what is known of the reverse name of an address.
type State string

// The states.
const (
	OK        State = "ok"         // a name leads back to the address
	Mismatch  State = "mismatch"   // its names lead to other addresses
	NoAddress State = "no_address" // its names have no address of this family
	NoName    State = "no_name"    // a name served here has the address, and the address has no name
	NotKnown  State = "not_known"  // no resolver answered
)

// States returns all states.
func States() []State { return []State{OK, Mismatch, NoAddress, NoName, NotKnown} }

// Settings are what the configuration has. They are immutable.
type Settings struct {
	Interval  time.Duration              // between the beginnings of two passes
	Rate      int                        // questions to resolvers in a second; 0: any number
	Resolvers []netip.AddrPort           // for names of zones that are not served here
	IsOn      func(apex dname.Name) bool // the zone is audited in the background

	// Item returns the item of the configuration that has a zone; nil: none.
	Item func(apex dname.Name) *config.Zone
	// Classless are the items of classless zones (RFC 2317), whose parent zones may be on other
	// servers.
	Classless []*config.Zone
}

// limits bound what one address costs: names of which one leads back are nearly always the first.
func limits() fcrdns.Limits { return fcrdns.Limits{Names: 10, Addresses: 3} }

// subject is an address to examine.
type subject struct {
	apex    dname.Name // of the zone that has its PTR, or should have it
	owner   dname.Name // of the PTR
	address netip.Addr
	names   []dname.Name // targets of the PTR; or, if it is unnamed, names that have the address
	unnamed bool         // there is no PTR
}

// examiner examines addresses. It may be used by several goroutines.
type examiner struct {
	set    func() *zone.Set
	s      *Settings
	lookup lookup.Lookup
}

// newExaminer returns an examiner; wait is called before resolvers are asked.
func newExaminer(set func() *zone.Set, s *Settings, ask lookup.Resolver, wait func(context.Context) error) *examiner {
	return &examiner{set, s, lookup.Lookup{Set: set, Servers: s.Resolvers, Ask: ask, Wait: wait}}
}

// examine returns the state of an address, and why it is not known.
func (e *examiner) examine(ctx context.Context, q *subject) (State, error) {
	if q.unnamed {
		return NoName, nil
	}
	r := fcrdns.Confirm(ctx, func(ctx context.Context, name dname.Name, t rr.Type) (out []dns.RR, err error) {
		if t != rr.TypePTR {
			return e.lookup.Records(ctx, name, t)
		}
		for _, target := range q.names {
			out = append(out, &dns.PTR{Ptr: target.String()})
		}
		return out, nil
	}, q.address, limits())
	switch r.Result {
	case fcrdns.Pass:
		return OK, nil
	case fcrdns.PermError:
		return NoName, nil
	case fcrdns.TempError:
		for i := range r.Names {
			if err := r.Names[i].Err; err != nil {
				return NotKnown, err
			}
		}
		return NotKnown, r.Err
	}
	for i := range r.Names {
		if len(r.Names[i].Addresses) > 0 {
			return Mismatch, nil
		}
	}
	return NoAddress, nil
}

// address returns the address that an owner name in a zone stands for.
func (s *Settings) address(apex, owner dname.Name) (netip.Addr, bool) {
	if a, ok := dname.ToAddr(owner); ok {
		return a, true
	}
	item := s.Item(apex)
	if item == nil {
		p, ok := dname.ToClassless(apex)
		if !ok {
			return netip.Addr{}, false
		}
		item = &config.Zone{Name: apex, Prefix: p}
	}
	p, ok := item.AddressesOf(owner)
	return p.Addr(), ok && p.IsSingleIP()
}

// place returns where the PTR of an address is, or belongs, in the zones served here: f.Zone is
// the zone, f.Name the owner. ok is false if that is no zone served here.
func (s *Settings) place(x *lookup.Finder, address netip.Addr) (f lookup.Found, ok bool) {
	f = x.Find(dname.FromAddr(address), rr.TypePTR)
	if f.Zone == nil {
		var best *config.Zone
		for _, item := range s.Classless {
			if item.Prefix.Contains(address) && (best == nil || item.Prefix.Bits() > best.Prefix.Bits()) {
				best = item
			}
		}
		if best == nil {
			return f, false
		}
		owner, _, _ := best.Owner(address)
		f = x.Find(owner, rr.TypePTR)
	}
	return f, f.Zone != nil && f.Rest == nil
}
