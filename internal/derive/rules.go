package derive

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// File has the names that a file of another program has for addresses. Its methods may be called
// by several goroutines at once.
type File interface {
	// All yields what the file has now, without what has expired, the names of an address together.
	All() iter.Seq[Entry]
	// At returns what the file has for an address now.
	At(netip.Addr) []Entry
}

// Entry is one name of an address in a file.
type Entry struct {
	Addr netip.Addr
	Name dname.Name // must not be changed
	Pos  finding.Position
	End  time.Time // from which on it does not have it; zero: none
}

// Rules are the derivations of a configuration. They are immutable; nil has none.
type Rules struct {
	cfg      *config.Config
	targets  []*target
	byApex   map[string]*target // by key
	prefixes map[netip.Prefix][]*target
	lengths  [2][]int            // of the prefixes, by family
	zones    map[string]struct{} // keys of the forward zones that are named
	anyZone  bool                // a prefix means all forward zones
}

// target is an item of the configuration that derives names.
type target struct {
	*config.Derive
	item   *config.Zone
	files  []File // for each of From; nil: it is no file
	ttl    uint32 // seconds, of names from files
	first  int    // of From, that addresses of item can have
	digest [digestSize]byte

	takesUpdates bool // the zone has a layer of updates
}

// Files returns the files of other programs that names are derived from.
func Files(cfg *config.Config) (list []*config.Neighbour) {
	for i := range cfg.Zones {
		if d := cfg.Zones[i].Derive; d != nil {
			for j := range d.From {
				if f := d.From[j].File; f != nil {
					list = append(list, f)
				}
			}
		}
	}
	return list
}

// NewRules compiles the derivations of a configuration. open returns a file, or nil, as if it were
// empty.
func NewRules(cfg *config.Config, open func(*config.Neighbour) File) *Rules {
	r := &Rules{cfg: cfg, byApex: map[string]*target{}, prefixes: map[netip.Prefix][]*target{}, zones: map[string]struct{}{}}
	for i := range cfg.Zones {
		item := &cfg.Zones[i]
		if item.Derive == nil {
			continue
		}
		t := &target{Derive: item.Derive, item: item, ttl: uint32(item.TTL / time.Second)}
		if t.TTL >= 0 {
			t.ttl = uint32(t.TTL / time.Second)
		}
		t.takesUpdates = cfg.TakesUpdates(item)
		for j := range t.From {
			s := &t.From[j]
			var file File
			switch {
			case s.Zone != nil:
				r.zones[s.Zone.Key()] = struct{}{}
			case s.File != nil:
				file = open(s.File)
			default:
				r.anyZone = true
			}
			t.files = append(t.files, file)
		}
		t.first = max(0, slices.IndexFunc(t.From, func(s config.DeriveSource) bool { return !s.Prefix.IsValid() || s.Prefix.Overlaps(item.Prefix) }))
		t.digest = t.sum()
		r.targets = append(r.targets, t)
		for _, apex := range item.Apexes {
			if key := apex.Key(); r.byApex[key] == nil {
				r.byApex[key] = t
			}
		}
		r.prefixes[item.Prefix] = append(r.prefixes[item.Prefix], t)
	}
	for p := range r.prefixes {
		f := family(p.Addr())
		if !slices.Contains(r.lengths[f], p.Bits()) {
			r.lengths[f] = append(r.lengths[f], p.Bits())
		}
	}
	return r
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// isEmpty reports whether nothing is derived.
func (r *Rules) isEmpty() bool { return r == nil || len(r.targets) == 0 }

// at yields the targets that have an address.
func (r *Rules) at(a netip.Addr) iter.Seq[*target] {
	return func(yield func(*target) bool) {
		for _, bits := range r.lengths[family(a)] {
			p, err := a.Prefix(bits)
			if err != nil {
				continue
			}
			for _, t := range r.prefixes[p] {
				if !yield(t) {
					return
				}
			}
		}
	}
}

// concerns reports whether names of the zone at an apex may count.
func (r *Rules) concerns(apex dname.Name) bool {
	if _, is := r.zones[apex.Key()]; is {
		return true
	}
	return r.anyZone && apex.IsForward()
}

// Shares reports whether changes of two zones may change a zone that derives from both, or from one of them and
// is the other.
func (r *Rules) Shares(a, b dname.Name) bool {
	if r == nil {
		return false
	}
	return slices.ContainsFunc(r.targets, func(t *target) bool {
		fromA, fromB := t.isFrom(a), t.isFrom(b)
		return fromA && (fromB || t.has(b)) || fromB && t.has(a)
	})
}

// isFrom reports whether the zone at an apex is a source of the target.
func (t *target) isFrom(apex dname.Name) bool {
	return slices.ContainsFunc(t.From, func(s config.DeriveSource) bool {
		return s.Zone != nil && s.Zone.Equal(apex) || s.Prefix.IsValid() && apex.IsForward()
	})
}

func (t *target) has(apex dname.Name) bool { return slices.ContainsFunc(t.item.Apexes, apex.Equal) }

// apexes yields the zones of all targets.
func (r *Rules) apexes(yield func(dname.Name, *target) bool) {
	if r == nil {
		return
	}
	for _, t := range r.targets {
		for _, apex := range t.item.Apexes {
			if !yield(apex, t) {
				return
			}
		}
	}
}

// target returns the target that has the zone at an apex; nil: none.
func (r *Rules) target(apex dname.Name) *target {
	if r == nil {
		return nil
	}
	return r.byApex[apex.Key()]
}

// sum returns a sum of all that the index depends on besides forward data.
func (t *target) sum() (sum [digestSize]byte) {
	h := sha256.Sum256(fmt.Append(nil, t.item.Prefix, t.item.Name, t.ttl, t.Key()))
	copy(sum[:], h[:])
	return sum
}

// source returns which of the sources has an address of a name of the zone at apex; -1: none.
func (t *target) source(apex dname.Name, a netip.Addr) int {
	return slices.IndexFunc(t.From, func(s config.DeriveSource) bool {
		return s.Zone != nil && s.Zone.Equal(apex) || s.Prefix.IsValid() && s.Prefix.Contains(a)
	})
}

// preference returns the place that `prefer` gives a name, the first being the best.
func (t *target) preference(name dname.Name) int {
	i := slices.IndexFunc(t.Prefer, func(p dname.Name) bool {
		if p.IsWildcard() {
			p = p.Parent()
			return name.IsAtOrBelow(p) && !name.Equal(p)
		}
		return name.Equal(p)
	})
	if i < 0 {
		return notPreferred
	}
	return i
}

// notPreferred is the place of names that `prefer` does not have; the configuration allows fewer.
const notPreferred = 0xff

// isHost reports whether a name is that of a host (RFC 1123 §2.1).
func isHost(name dname.Name) bool {
	for ; !name.IsRoot(); name = name.Parent() {
		if !dname.IsHostLabel(name.Label()) {
			return false
		}
	}
	return true
}
