package hosted

import (
	"crypto/rand"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/queue"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Writer is where zones are changed: a [commit.Writer].
type Writer interface {
	Set() *zone.Set
	Commit(r commit.Request) (commit.Report, error)
}

// Journal has what an earlier process knew, and the history.
type Journal interface {
	SourceOf(apex dname.Name, serial zone.Serial) (string, error)
	AllNotes(prefix string, yield func(apex dname.Name, notes []zone.Note, lost string)) error
}

// Owners are all zones and what makes each of them.
type Owners interface {
	// Owner returns what makes the zone at apex, in words; empty: nothing does.
	Owner(apex dname.Name) string
	// With returns what shows a snapshot to which hosted zones were added, and from which
	// others were removed, and the changes of catalogs that list them. It is called in Propose
	// of a commit for set, whose Show that is.
	With(set *zone.Set, added, gone []dname.Name) (catalogs []zone.Change, show func(*zone.Set), err error)
}

// Options are what a Store needs.
type Options struct {
	Writer  Writer
	Journal Journal
	Owners  Owners
	Log     *slog.Logger
	Now     func() time.Time // nil: time.Now

	// Restore returns the content of a zone that an earlier process served.
	Restore func(apex dname.Name) (*zone.Zone, bool, error)
	// LastSerial returns the last serial that a zone had; ok is false if it had none.
	LastSerial func(apex dname.Name) (s zone.Serial, ok bool, err error)

	Yield func()                // lets connections read what has arrived; nil: nothing
	Guard *supervise.Supervisor // contains panics over single rounds; nil: they are not contained
}

// Settings are what hosted zones begin with.
type Settings struct {
	Sets     [][]dname.Name // delegation sets, in the order in which zones get them
	Contact  dname.Name     // of the SOA; nil: hostmaster in the domain of the first name server
	MName    dname.Name     // of the SOA; nil: the first name server
	Timers   [4]uint32      // of the SOA: refresh, retry, expire, minimum
	SOATTL   uint32
	NSTTL    uint32
	KeepRefs time.Duration // how long the CallerReference of a removed zone cannot be used again
}

// Store knows the hosted zones and is the source of their changes. Make one with [New], call
// [Store.Load] before anything else, and [Store.Run] once zones are served. Its methods may be
// called by several goroutines.
type Store struct {
	o        Options
	settings atomic.Pointer[Settings]
	secret   []byte // of the ids of changes
	queue    *queue.Queue[*job]
	placing
	known
}

// placing is the work of place.go: what creates, changes and removes zones, one round after
// the other.
type placing struct {
	order   sync.Mutex // held by what writes notes
	waits   sync.Mutex
	waiting []*placement
}

// known is what there is, as it was committed.
type known struct {
	mu      sync.RWMutex
	byApex  map[string]*entry // by dname.Name.Key
	byID    map[string]*entry
	parts   map[string]dname.Name // apexes, also of removed zones, by the part of the id that ids of changes have
	ids     ordered
	names   ordered           // keys of orderKey
	refs    map[string]string // CallerReference → id, also of removed zones
	removed map[string]removed
	sets    map[string]*DelegationSet
	setIDs  ordered
	setRefs map[string]bool
	next    int               // index in Settings.Sets
	loose   map[string]*entry // zones with notes that are not listed, by key of the apex
	lacking map[string]*entry // of an earlier process, until Plan has them served
}

// entry is a hosted zone.
type entry struct {
	id     string
	apex   dname.Name
	zone   *Zone                // the rest of it, which may change; nil: it is not known
	damage string               // why it is not
	texts  map[string]submitted // by rr.Key
	aliased
	index index
}

// New returns a Store without zones.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{o: o, queue: queue.New[*job](queue.Options{Jobs: roundLen, Yield: o.Yield}), known: known{
		byApex: map[string]*entry{}, byID: map[string]*entry{}, parts: map[string]dname.Name{}, refs: map[string]string{},
		removed: map[string]removed{}, sets: map[string]*DelegationSet{}, setRefs: map[string]bool{}, loose: map[string]*entry{},
		lacking: map[string]*entry{},
	}}
	s.settings.Store(&Settings{})
	return s
}

// SetSettings sets what zones begin with from now on.
func (s *Store) SetSettings(c *Settings) { s.settings.Store(c) }

// Start makes the secret of the ids of changes if there is none yet. It is called when the
// journal can be written, before any change.
func (s *Store) Start() error {
	if s.secret != nil {
		return nil
	}
	secret := make([]byte, 32)
	rand.Read(secret) // never fails
	_, err := s.o.Writer.Commit(commit.Request{Propose: func(*zone.Set) (*zone.Batch, error) {
		return &zone.Batch{Notes: []zone.ZoneNotes{{Apex: shared, Notes: []zone.Note{{Key: noteSecret, Value: secret}}}}}, nil
	}})
	if err == nil {
		s.secret = secret
	}
	return err
}

func (s *Store) put(e *entry) {
	z := e.zone
	s.byApex[z.Apex.Key()], s.byID[z.ID] = e, e
	s.parts[partOf(z.ID)] = z.Apex
	s.ids.insert(z.ID)
	s.names.insert(orderKey(z.Apex, 0))
	delete(s.loose, z.Apex.Key())
	if z.From == "" {
		s.refs[z.CallerReference] = z.ID
	}
}

func (s *Store) drop(e *entry) {
	z := e.zone
	delete(s.byApex, z.Apex.Key())
	delete(s.byID, z.ID)
	s.ids.remove(z.ID)
	s.names.remove(orderKey(z.Apex, 0))
}

func (s *Store) putSet(set *DelegationSet) {
	s.sets[set.ID] = set
	s.setIDs.insert(set.ID)
	s.setRefs[set.CallerReference] = true
}

// Apexes returns the apexes of all hosted zones.
func (s *Store) Apexes() []dname.Name {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]dname.Name, 0, len(s.byApex))
	for _, e := range s.byApex {
		if e.zone.From == "" {
			out = append(out, e.apex)
		}
	}
	slices.SortFunc(out, dname.Compare)
	return out
}

// Has returns the id of the hosted zone at apex; empty: there is none.
func (s *Store) Has(apex dname.Name) (id string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.byApex[apex.Key()]; e != nil {
		return e.id
	}
	return ""
}

// apexOf returns the apex of the zone whose id begins with part, and whether it is there now.
// The apex is nil if no such zone is known.
func (s *Store) apexOf(part string) (apex dname.Name, isThere bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	apex = s.parts[part]
	if apex == nil {
		return nil, false
	}
	e := s.byApex[apex.Key()]
	return apex, e != nil && partOf(e.id) == part
}

func partOf(id string) string { return id[:1+changeZone] }

// Published observes a batch. It does not wait.
func (s *Store) Published(b *zone.Batch) {
	for i := range b.Changes {
		c := &b.Changes[i]
		if e := s.follow(c); e != nil {
			e.index.published(c)
		}
	}
}

// follow takes over what a change means for what is known of its zone, and returns that zone; nil:
// there is none.
func (s *Store) follow(c *zone.Change) *entry {
	key := c.Apex.Key()
	gone := map[string]bool{} // aliases that Derive, or a batch, takes away
	for _, n := range c.Notes {
		if alias, ok := strings.CutPrefix(n.Key, noteAlias); ok {
			gone[alias] = n.Value == nil
		}
	}
	s.mu.RLock()
	e, lacks := s.byApex[key], s.lacking[key] != nil
	s.mu.RUnlock()
	if lacks && c.Zone != nil && c.Zone.IsAvailable() {
		s.mu.Lock()
		delete(s.lacking, key)
		s.mu.Unlock()
	}
	if e != nil && len(gone) > 0 {
		s.mu.Lock()
		for alias, is := range gone {
			if is {
				e.aliased.set(alias, nil)
			}
		}
		s.mu.Unlock()
	}
	return e
}

// text implements facts.
func (e *entry) text(key string) (submitted, bool) {
	sub, ok := e.texts[key]
	return sub, ok
}

// entryOf returns the zone with an id.
func (s *Store) entryOf(id string) (*entry, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.byID[id]; e != nil {
		return e, nil
	}
	return nil, noSuchZone(id)
}
