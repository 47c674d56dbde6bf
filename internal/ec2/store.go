package ec2

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/lookup"
	"github.com/ptrd/ptrd/internal/update"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Journal has what an earlier process knew.
type Journal interface {
	AllNotes(prefix string, yield func(apex dname.Name, notes []zone.Note, lost string)) error
}

// StoreOptions are what a Store needs.
type StoreOptions struct {
	Journal  Journal
	Set      func() *zone.Set                                           // the current snapshot
	Change   func(decide func(*zone.Set) (*update.Change, error)) error // see [update.Updater.Change]
	IsHosted func(apex dname.Name) bool                                 // the zone is a hosted zone
	Resolver lookup.Resolver                                            // nil: lookup.Ask
	Now      func() time.Time                                           // nil: time.Now
	Log      *slog.Logger
}

// Settings are what the configuration has. They are immutable.
type Settings struct {
	Prefixes  []netip.Prefix   // whose addresses can be allocated
	Resolvers []netip.AddrPort // for names of zones that are not served here
	TTL       uint32           // of PTR records, in seconds
}

// opens reports whether an address can be allocated.
func (c *Settings) opens(ip netip.Addr) bool {
	return slices.ContainsFunc(c.Prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func notOpen(ip netip.Addr) error {
	return faultf(codeNotPermitted, "Address %v is in none of the prefixes under `ec2: prefixes` any more: add its prefix again", ip)
}

// Address is an address that is allocated. It is immutable.
type Address struct {
	ID    string       `json:"-"`
	IP    netip.Addr   `json:"address"`
	Pool  netip.Prefix `json:"pool"` // that it comes from
	Group string       `json:"group"`
	At    int64        `json:"at"` // Unix milliseconds
	PTR   *PTR         `json:"ptr,omitempty"`
}

// PTR is the reverse name of an address, and where its record was put. Names are in
// presentation format.
type PTR struct {
	Target string `json:"target"`
	Owner  string `json:"owner"`
	Zone   string `json:"zone"`
}

// key is that of byPTR.
func (p *PTR) key() string { return dname.MustParse(p.Owner).Key() }

// NotePrefix begins the keys of the notes of this package: of each address, its allocation id
// follows.
const NotePrefix = "ec2/"

// shared has the notes. The label begins with an octet that no configuration of a zone and no
// query of a resolver has.
var shared = dname.Name("\x04\x00ec2\x00") // never changed

// note returns the note of an address; nil: it is released.
func note(id string, a *Address) zone.ZoneNotes {
	n := zone.Note{Key: NotePrefix + id}
	if a != nil {
		var err error
		if n.Value, err = json.Marshal(a); err != nil {
			panic("ec2: " + err.Error()) // there is nothing in it that JSON has not
		}
	}
	return zone.ZoneNotes{Apex: shared, Notes: []zone.Note{n}}
}

// Store knows the addresses that are allocated. Make one with [NewStore], and call [Store.Load]
// before anything else. Its methods may be called by several goroutines.
type Store struct {
	o        StoreOptions
	settings atomic.Pointer[Settings]
	order    sync.Mutex // held by changes

	mu    sync.RWMutex
	byID  map[string]*Address
	byIP  map[netip.Addr]*Address
	byPTR map[string]*Address // by dname.Name.Key of the owner
}

// NewStore returns a Store without addresses.
func NewStore(o StoreOptions) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Resolver == nil {
		o.Resolver = lookup.Ask
	}
	s := &Store{o: o, byID: map[string]*Address{}, byIP: map[netip.Addr]*Address{}, byPTR: map[string]*Address{}}
	s.settings.Store(&Settings{})
	return s
}

// SetSettings activates settings. Addresses that are allocated stay so.
func (s *Store) SetSettings(c *Settings) { s.settings.Store(c) }

// Load reads what an earlier process knew, and returns what of it is damaged, which stays as it
// is.
func (s *Store) Load() (damage []string, err error) {
	err = s.o.Journal.AllNotes(NotePrefix, func(_ dname.Name, notes []zone.Note, lost string) {
		if lost != "" {
			damage = append(damage, "Elastic IP addresses may be lost: "+lost)
		}
		for _, n := range notes {
			a := &Address{ID: strings.TrimPrefix(n.Key, NotePrefix)}
			if err := json.Unmarshal(n.Value, a); err != nil || !a.isValid() {
				damage = append(damage, fmt.Sprintf("what is known of Elastic IP %s cannot be read; restore a backup, or allocate the address again", a.ID))
				continue
			}
			s.adopt(a.ID, a)
		}
	})
	return damage, err
}

// isValid reports whether an address was read as it was written.
func (a *Address) isValid() bool {
	if !a.IP.IsValid() {
		return false
	}
	if a.PTR != nil {
		for _, text := range []string{a.PTR.Target, a.PTR.Owner, a.PTR.Zone} {
			if _, err := dname.Parse(text); err != nil || text == "" {
				return false
			}
		}
	}
	return true
}

// adopt makes an address the one with its id; nil: there is none from now on.
func (s *Store) adopt(id string, a *Address) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byID[id]; old != nil {
		delete(s.byIP, old.IP)
		if old.PTR != nil {
			delete(s.byPTR, old.PTR.key())
		}
	}
	delete(s.byID, id)
	if a != nil {
		s.byID[id], s.byIP[a.IP] = a, a
		if a.PTR != nil {
			s.byPTR[a.PTR.key()] = a
		}
	}
}

// All returns all addresses in their order.
func (s *Store) All() []*Address {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*Address, 0, len(s.byID))
	for _, a := range s.byID {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *Address) int { return a.IP.Compare(b.IP) })
	return out
}

// get returns the address with an id.
func (s *Store) get(id string) (*Address, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if a := s.byID[id]; a != nil {
		return a, nil
	}
	return nil, faultf(codeNoAllocation, "The allocation ID '%.100s' does not exist", id)
}

// IDOf returns the id of the address whose reverse name is the PTR at owner; empty: none is.
func (s *Store) IDOf(owner dname.Name) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if a := s.byPTR[owner.Key()]; a != nil {
		return a.ID
	}
	return ""
}

// Update is what DNS has for an address with a reverse name.
type Update struct {
	Served  string // by the zones here; empty: nothing
	Pending string // why this is not the reverse name of the address; empty: it is
}

// Served compares the reverse names of addresses, which all have one, with what the zones here
// have at one moment.
func (s *Store) Served(list ...*Address) (out []Update) {
	x := newFinder(s.o.Set())
	for _, a := range list {
		out = append(out, s.served(x, a))
	}
	return out
}

func (s *Store) served(x *finder, a *Address) (u Update) {
	names := x.reverseNames(a.IP)
	want := dname.MustParse(a.PTR.Target) // it was made from a name
	if len(names) > 0 {
		u.Served = names[0].String()
	}
	if len(names) == 1 && names[0].Equal(want) {
		return u
	}
	owner, apex := dname.MustParse(a.PTR.Owner), dname.MustParse(a.PTR.Zone)
	z := x.Set.Get(apex)
	if z == nil || !z.IsAvailable() {
		u.Pending = fmt.Sprintf("zone %v is not served", apex)
		return u
	}
	isAbove, isDerived := commit.Above(z, owner, rr.TypePTR)
	switch {
	case isDerived:
		u.Pending = fmt.Sprintf("zone %v has another PTR at %v, which is derived from forward data", apex, owner)
	case isAbove:
		u.Pending = fmt.Sprintf("the sources of zone %v have another PTR at %v", apex, owner)
	case !s.settings.Load().opens(a.IP):
		u.Pending = fmt.Sprintf("%v is in none of the prefixes under `ec2: prefixes` any more", a.IP)
	case hasPTR(z, owner) && !commit.IsMade(z, owner, rr.TypePTR):
		u.Pending = fmt.Sprintf("another client changed the PTR at %v", owner)
	default:
		u.Pending = fmt.Sprintf("the PTR at %v was removed; set the name again, or reset it", owner)
	}
	return u
}

func hasPTR(z *zone.Zone, owner dname.Name) bool {
	_, ok := z.Get(owner, rr.TypePTR)
	return ok
}

// Order is who asks for a change, and whether it is only to be tried.
type Order struct {
	By    string // for the history
	Allow func(netip.Addr) error
	Dry   bool
}

// change carries out what decide returns, which changes one address: it becomes the one of the
// result, nil if it is released.
func (s *Store) change(o *Order, decide func(*zone.Set) (id string, now *Address, c *update.Change, err error)) (*Address, error) {
	s.order.Lock()
	defer s.order.Unlock()
	var id string
	var now *Address
	err := s.o.Change(func(set *zone.Set) (c *update.Change, err error) {
		id, now, c, err = decide(set)
		if err == nil && o.Dry {
			err = faultf(codeDryRun, "Request would have succeeded, but DryRun flag is set.")
		}
		if err != nil {
			return nil, err
		}
		c.By = o.By + ", Elastic IP " + id
		c.Notes = append(c.Notes, note(id, now))
		return c, nil
	})
	if err != nil {
		if faultOf(err).Code == codeUnavailable || errors.Is(err, commit.ErrNotDurable) {
			s.o.Log.Error("an Elastic IP address could not be changed", "allocation", id, "err", err)
		}
		return nil, err
	}
	s.adopt(id, now)
	return now, nil
}

// Allocation is what a new address is to be. The zero value is any.
type Allocation struct {
	Address string
	Pool    string // a prefix of the settings
	Group   string
}

// Allocate allocates an address: the one that is asked for, or the first free IPv4 address that
// has no name.
func (s *Store) Allocate(want Allocation, o *Order) (*Address, error) {
	return s.change(o, func(set *zone.Set) (string, *Address, *update.Change, error) {
		ip, pool, err := s.pick(set, want, o)
		if err != nil {
			return "", nil, nil, err
		}
		var b [8]byte
		rand.Read(b[:]) // never fails
		a := &Address{ID: "eipalloc-0" + hex.EncodeToString(b[:]), IP: ip, Pool: pool, Group: want.Group, At: s.o.Now().UnixMilli()}
		return a.ID, a, &update.Change{}, nil
	})
}

func (s *Store) pick(set *zone.Set, want Allocation, o *Order) (ip netip.Addr, pool netip.Prefix, err error) {
	var pools []netip.Prefix
	for _, p := range s.settings.Load().Prefixes {
		if want.Pool == "" || want.Pool == "amazon" || want.Pool == p.String() {
			pools = append(pools, p)
		}
	}
	if want.Pool != "" && len(pools) == 0 {
		return ip, pool, faultf("InvalidPublicIpv4PoolID.NotFound", "The pool ID '%.100s' does not exist: pools are the prefixes under `ec2: prefixes`", want.Pool)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if want.Address != "" {
		if ip, err = netip.ParseAddr(want.Address); err != nil || ip.Zone() != "" {
			return ip, pool, faultf("InvalidAddress.Malformed", "Address '%.100s' is not an IP address", want.Address)
		}
		i := slices.IndexFunc(pools, func(p netip.Prefix) bool { return p.Contains(ip) })
		switch {
		case i < 0:
			return ip, pool, faultf(codeParameter, "Address %v is in none of the prefixes under `ec2: prefixes`", ip)
		case s.byIP[ip] != nil:
			return ip, pool, faultf(codeParameter, "Address %v is allocated already", ip)
		}
		return ip, pools[i], o.Allow(ip)
	}
	x := newFinder(set)
	for _, p := range pools {
		if !p.Addr().Is4() {
			continue
		}
		for ip := p.Addr(); p.Contains(ip); ip = ip.Next() {
			if s.byIP[ip] == nil && o.Allow(ip) == nil && len(x.reverseNames(ip)) == 0 {
				return ip, p, nil
			}
		}
	}
	return ip, pool, faultf(codeLimit, "The maximum number of addresses has been reached: no IPv4 address is left that has no name.")
}

// SetName gives an address its reverse name and returns after DNS has it. It is refused unless
// an A or AAAA record at that name leads to the address.
func (s *Store) SetName(ctx context.Context, id string, target dname.Name, o *Order) (*Address, error) {
	a, err := s.get(id)
	if err == nil {
		err = o.Allow(a.IP)
	}
	if err == nil {
		err = s.confirm(ctx, target, a.IP)
	}
	if err != nil {
		return nil, err
	}
	return s.change(o, func(set *zone.Set) (string, *Address, *update.Change, error) {
		a, err := s.get(id)
		if err != nil {
			return id, nil, nil, err
		}
		settings := s.settings.Load()
		if !settings.opens(a.IP) {
			return id, nil, nil, notOpen(a.IP)
		}
		z, owner, err := newFinder(set).place(a.IP)
		if err != nil {
			return id, nil, nil, err
		}
		next := *a
		next.PTR = &PTR{Target: target.String(), Owner: owner.String(), Zone: z.Apex().String()}
		if a.PTR != nil && (a.PTR.Owner != next.PTR.Owner || a.PTR.Zone != next.PTR.Zone) {
			return id, nil, nil, faultf(codeNotPermitted, "The reverse name of %v is at %s in zone %s, and would now be at %s in zone %s: reset it first", a.IP, a.PTR.Owner, a.PTR.Zone, next.PTR.Owner, next.PTR.Zone)
		}
		return id, &next, &update.Change{Zone: z.Apex(), Dynamic: s.o.IsHosted(z.Apex()), Updates: []update.Record{
			{Owner: owner, Type: rr.TypePTR, Class: rr.ClassANY},
			{Owner: owner, Type: rr.TypePTR, Class: rr.ClassIN, TTL: settings.TTL, Data: target},
		}}, nil
	})
}

// confirm returns why a name does not lead to an address; nil: it does.
func (s *Store) confirm(ctx context.Context, name dname.Name, ip netip.Addr) error {
	t := rr.AddressType(ip)
	f := newFinder(s.o.Set()).Find(name, t)
	got := f.Addresses()
	if f.Rest != nil {
		servers := s.settings.Load().Resolvers
		switch {
		case f.Zone != nil && !f.Zone.IsAvailable():
			return faultf(codeUnavailable, "Zone %v has no data, so that it is not known whether %v leads to %v.", f.Zone.Apex(), name, ip)
		case len(servers) == 0:
			return faultf(codeParameter, "No zone served here has %v, and no resolver is configured (`ec2: resolvers`), so that no %v record of %v leads to %v.", f.Rest, t, name, ip)
		}
		records, err := lookup.Resolve(ctx, s.o.Resolver, servers, f.Rest, t)
		if err != nil {
			s.o.Log.Warn("no resolver knows the addresses of a name", "name", f.Rest.String(), "err", err)
			return faultf(codeUnavailable, "No resolver answered a question for the %v records of %v.", t, f.Rest)
		}
		for _, record := range records {
			got = append(got, delegation.AddressOf(record))
		}
	}
	if slices.Contains(got, ip) {
		return nil
	}
	have := "it has none"
	if len(got) > 0 {
		have = fmt.Sprintf("it has %v", got[:min(len(got), 8)])
	}
	return faultf(codeParameter, "There is no %v record for %v that leads to %v (%s): create it before the reverse name.", t, name, ip, have)
}

// ResetName removes the reverse name of an address. A PTR that another client put in its place
// stays.
func (s *Store) ResetName(id string, o *Order) (*Address, error) {
	now, err := s.change(o, func(set *zone.Set) (string, *Address, *update.Change, error) {
		a, err := s.get(id)
		if err == nil {
			err = o.Allow(a.IP)
		}
		if err != nil {
			return id, nil, nil, err
		}
		next := *a
		next.PTR = nil
		c := &update.Change{}
		if a.PTR == nil {
			return id, &next, c, nil
		}
		owner, apex := dname.MustParse(a.PTR.Owner), dname.MustParse(a.PTR.Zone)
		z := set.Get(apex)
		isAbove := false
		if z != nil {
			isAbove, _ = commit.Above(z, owner, rr.TypePTR)
		}
		switch {
		case z == nil, isAbove:
			c.Notes = append(c.Notes, update.Forget(apex, owner, rr.TypePTR))
		default:
			c.Zone, c.Dynamic = apex, s.o.IsHosted(apex)
			c.Updates = []update.Record{{Owner: owner, Type: rr.TypePTR, Class: rr.ClassNONE, Data: dname.MustParse(a.PTR.Target)}}
		}
		return id, &next, c, nil
	})
	if a, notThere := s.get(id); err != nil && notThere == nil && !s.settings.Load().opens(a.IP) && isRefused(err) {
		return nil, notOpen(a.IP) // so that the layer of updates, where the PTR is, is not served
	}
	return now, err
}

// isRefused reports whether the zone does not accept a change.
func isRefused(err error) bool {
	var f *update.Fault
	return errors.As(err, &f) && f.RCode == wire.RCodeRefused
}

// Release releases an address that has no reverse name.
func (s *Store) Release(id, group string, o *Order) error {
	_, err := s.change(o, func(*zone.Set) (string, *Address, *update.Change, error) {
		a, err := s.get(id)
		if err == nil {
			err = o.Allow(a.IP)
		}
		switch {
		case err != nil:
			return id, nil, nil, err
		case group != "" && group != a.Group:
			return id, nil, nil, faultf(codeNoAddress, "Address %v is not in the network border group %.100s", a.IP, group)
		case a.PTR != nil:
			return id, nil, nil, faultf(codeHasName, "The address %v has the reverse name %s: reset its attribute domain-name before it is released.", a.IP, a.PTR.Target)
		}
		return id, nil, &update.Change{}, nil
	})
	return err
}
