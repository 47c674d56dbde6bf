package update

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Policy has the zones that accept updates, and from which clients. It is immutable.
type Policy struct {
	Zones map[string]*ZonePolicy // by dname.Name.Key of the apex
}

// ZonePolicy is what holds for one zone.
type ZonePolicy struct {
	Rules []Rule // any of them is enough

	// Addresses returns the addresses that an owner name of the zone stands for, in a
	// classless zone as well; ok is false for a name that stands for none.
	Addresses func(owner dname.Name) (p netip.Prefix, ok bool)

	Lifetime        time.Duration // of a record that an update adds, from the last time it did; 0: it stays
	FollowClassless bool          // an update of a name that is an alias into a zone of ours goes there
	Dynamic         bool          // the zone has no source but updates
}

// Rule permits changes. All of its conditions must hold.
type Rule struct {
	Key      string         // dname.Name.Key of the key that the request is signed with; empty: signed or not
	From     []netip.Prefix // that the client is in; nil: anywhere
	Prefixes []netip.Prefix // that the owner stands for a part of; nil: any owner
	Owners   []Owners       // any of which has the owner; nil: any owner
	Self     Self
	Types    []rr.Type // nil: any
}

// Owners are the names at a name, below it, or both.
type Owners struct {
	Name      dname.Name
	At, Below bool
}

func (o Owners) has(n dname.Name) bool {
	if n.Equal(o.Name) {
		return o.At
	}
	return o.Below && n.IsAtOrBelow(o.Name)
}

// String returns the names as the configuration has them.
func (o Owners) String() string {
	switch {
	case !o.At:
		return "*." + o.Name.String()
	case o.Below:
		return "the subtree " + o.Name.String()
	}
	return o.Name.String()
}

// Self says which names a client may change because they are its own.
type Self int

// The values of Self.
const (
	SelfNone    Self = iota // others too
	SelfKey                 // the name of the key that signs the request
	SelfSubtree             // and names below that
	SelfAddress             // the name that stands for its address alone, over TCP
)

// Who is the client of a request.
type Who struct {
	Addr   netip.Addr
	Key    dname.Name // nil: the request is not signed
	Proven bool       // it cannot have sent the request from the address of another client
}

func (w Who) String() string {
	if w.Key == nil {
		return w.Addr.String()
	}
	return fmt.Sprintf("%v with key %v", w.Addr, w.Key)
}

// isFor reports whether a rule applies to the client.
func (r *Rule) isFor(w Who) bool {
	if r.Key != "" && (w.Key == nil || w.Key.Key() != r.Key) {
		return false
	}
	a := w.Addr.Unmap().WithZone("")
	return r.From == nil || slices.ContainsFunc(r.From, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Knows reports whether any rule applies to the client. Others do not even learn whether a
// prerequisite holds.
func (p *ZonePolicy) Knows(w Who) bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.isFor(w) })
}

// Allow returns why the client may not change records of a type at owner; empty
// if it may. Type ANY stands for whatever is there.
func (p *ZonePolicy) Allow(w Who, owner dname.Name, t rr.Type) string {
	var at netip.Prefix
	hasAddress := false
	if p.Addresses != nil {
		at, hasAddress = p.Addresses(owner)
	}
	why, near := "no update rule of the zone is about it", false
	isIn := func(o Owners) bool { return o.has(owner) }
	for i := range p.Rules {
		r := &p.Rules[i]
		if !r.isFor(w) {
			continue
		}
		within := func(p netip.Prefix) bool { return p.Bits() <= at.Bits() && p.Contains(at.Addr()) }
		isWithin := r.Prefixes == nil || hasAddress && slices.ContainsFunc(r.Prefixes, within)
		isNamed := r.Owners == nil || slices.ContainsFunc(r.Owners, isIn)
		notOwn := r.Self.reject(w, owner, at, hasAddress)
		covers := isWithin && isNamed && notOwn == ""
		switch {
		case covers && (r.Types == nil || t == rr.TypeANY || slices.Contains(r.Types, t)):
			return ""
		case covers:
			why, near = fmt.Sprintf("types %s only", list(r.Types)), true
		case near: // the reason is that of the rule that comes nearest
		case !isNamed:
			why = fmt.Sprintf("the name is not among %s", list(r.Owners))
		case isWithin:
			why = notOwn
		case hasAddress:
			why = fmt.Sprintf("%v is not in %s", at, list(r.Prefixes))
		default:
			why = fmt.Sprintf("the name is not that of an address in %s", list(r.Prefixes))
		}
	}
	return fmt.Sprintf("%v may not change %v at %v: %s", w, t, owner, why)
}

// reject returns why an owner is none of the client's own names, or an empty string. at is what
// the owner stands for.
func (s Self) reject(w Who, owner dname.Name, at netip.Prefix, hasAddress bool) string {
	switch s {
	case SelfKey, SelfSubtree:
		key := Owners{w.Key, true, s == SelfSubtree}
		if w.Key == nil {
			return "the request is not signed by the key of that name"
		} else if !key.has(owner) {
			return fmt.Sprintf("its key may change %v only", key)
		}
	case SelfAddress:
		if !hasAddress || !at.IsSingleIP() || at.Addr() != w.Addr.Unmap().WithZone("") {
			return "it may change the name of its own address only"
		} else if !w.Proven {
			return "a client may change the name of its address over TCP only, because UDP does not prove the address"
		}
	}
	return ""
}

// list writes a few values one behind the other.
func list[T fmt.Stringer](all []T) (s string) {
	for i, v := range all {
		if i > 0 {
			s += ", "
		}
		s += v.String()
	}
	return s
}
