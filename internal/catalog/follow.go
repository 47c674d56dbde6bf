package catalog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// FollowerOptions are what a Follower needs.
type FollowerOptions struct {
	Journal interface {
		Notes(apex dname.Name, prefix string) ([]zone.Note, error)
		AllNotes(prefix string, yield func(apex dname.Name, notes []zone.Note, lost string)) error
		Forget(apexes []dname.Name) error
	}
	// Zones returns the zones that are served.
	Zones func() *registry.Zones
	// Content returns the last data of a zone, expired or not; nil: there are none.
	Content func(apex dname.Name) *zone.Zone
	// Serve commits zones whose claim is new or changed, with the notes of their claims, and
	// the removal of those at the apexes in gone. It returns how many zones changed.
	Serve func(changed []*Claim, gone []dname.Name) (int, error)
	// Report receives all findings after each call of Follow.
	Report func([]finding.Finding)
	Log    *slog.Logger
}

// Follower serves the zones that catalogs of other servers list. Published, Changed and Status
// may be called by any goroutine, all other methods by one.
type Follower struct {
	o       FollowerOptions
	names   atomic.Pointer[map[string]bool] // of the catalogs, by dname.Name.Key
	changed chan struct{}                   // has room for one
	status  atomic.Pointer[[]Status]

	catalogs []*followed // in the order of the configuration
	claims   map[string]*Claim
	serves   map[string]int               // claims by catalog
	findings map[string][]finding.Finding // by key of the zone
	pending  map[string]bool              // keys of zones to resolve
}

// Status is the state of a catalog that is followed.
type Status struct {
	Zone     string   `json:"zone"`
	Members  int      `json:"members"`            // that it lists
	Serves   int      `json:"serves"`             // zones that are served because of it
	Error    string   `json:"error,omitempty"`    // why it is not known what it lists
	Findings []string `json:"findings,omitempty"` // about zones that it lists in vain
}

// maxFindings is how many findings of one catalog are reported. The others are counted.
const maxFindings = 100

// NewFollower returns a Follower without catalogs.
func NewFollower(o FollowerOptions) *Follower {
	return &Follower{o: o, changed: make(chan struct{}, 1), findings: map[string][]finding.Finding{}, pending: map[string]bool{}}
}

// Restore returns the zones that catalogs listed in an earlier process, as far as zones follows
// these catalogs. They stay until their catalog can be read, even if the copy of it that was
// kept is lost or invalid (RFC 9432 §5.1).
func (f *Follower) Restore(zones *registry.Zones) (list []*registry.Zone) {
	if len(zones.Followed()) == 0 {
		return nil
	}
	err := f.o.Journal.AllNotes(NotePrefix, func(apex dname.Name, notes []zone.Note, _ string) {
		c, hasGroups := ReadClaim(apex, notes)
		if c == nil {
			return
		}
		// Without its groups a zone could have fewer restrictions than it should.
		if by := zones.Follow(c.Catalog); by != nil && (hasGroups || len(by.Groups) == 0) {
			list = append(list, &registry.Zone{Apex: apex, Owner: c})
		}
	})
	if err != nil {
		f.o.Log.Error("the zones of catalogs cannot be read from the state directory; they are served again after their catalogs are transferred", "err", err)
	}
	return list
}

// Published observes a batch. It does not wait.
func (f *Follower) Published(b *zone.Batch) {
	names := f.names.Load()
	if names == nil || !slices.ContainsFunc(b.Changes, func(c zone.Change) bool { return (*names)[c.Apex.Key()] }) {
		return
	}
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Changed receives when a catalog has changed, so that Follow is to be called.
func (f *Follower) Changed() <-chan struct{} { return f.changed }

// Status returns the state of the catalogs as of the last call of Follow.
func (f *Follower) Status() []Status {
	if s := f.status.Load(); s != nil {
		return slices.Clone(*s)
	}
	return nil
}

// Reload adopts a new configuration that is served, and follows its catalogs.
func (f *Follower) Reload() {
	zones := f.o.Zones()
	known := map[string]*followed{}
	for _, c := range f.catalogs {
		known[c.key] = c
	}
	f.catalogs, f.claims, f.serves = nil, map[string]*Claim{}, map[string]int{}
	names := map[string]bool{}
	for _, conf := range zones.Followed() {
		key := conf.Name.Key()
		c := known[key]
		if c == nil {
			c = &followed{name: conf.Name, key: key}
		}
		c.name = conf.Name
		names[key] = true
		f.catalogs = append(f.catalogs, c)
	}
	for z := range zones.All {
		if c, ok := z.Owner.(*Claim); ok {
			f.claims[z.Apex.Key()] = c
			f.serves[c.Catalog]++
		}
	}
	f.resolveAll()
	f.names.Store(&names)
	f.Follow()
}

// resolveAll has all zones resolved.
func (f *Follower) resolveAll() {
	clear(f.findings)
	for key := range f.claims {
		f.pending[key] = true
	}
	for _, c := range f.catalogs {
		for key := range c.members {
			f.pending[key] = true
		}
	}
}

// Follow serves the zones that the catalogs list now, and no longer those that they do not. It
// costs what changed. What fails is tried again by the next call.
func (f *Follower) Follow() {
	if len(f.catalogs) == 0 && len(f.claims) == 0 {
		f.status.Store(nil)
		return
	}
	zones := f.o.Zones()
	for _, c := range f.catalogs {
		was := c.isKnown()
		for key := range c.read(f.o.Content(c.name), zones.Follow(c.key).MaxMembers) {
			f.pending[key] = true
		}
		if c.isKnown() != was {
			f.resolveAll()
		}
	}
	if err := f.serve(zones); err != nil {
		f.o.Log.Error("zones that catalogs list cannot be served yet; it is tried again when a catalog changes, and at the next reload", "err", err)
	}
	f.report()
}

// serve resolves the pending zones and commits what differs.
func (f *Follower) serve(zones *registry.Zones) error {
	r := resolver{f.catalogs, func(apex dname.Name) string {
		if z := zones.Get(apex); z != nil {
			if _, ours := z.Owner.(*Claim); !ours {
				return z.Path()
			}
		}
		return ""
	}, f.ownerBefore}
	var changed, reset []*Claim
	var gone, forget []dname.Name
	for key := range f.pending {
		old := f.claims[key]
		c, findings := r.resolve(key, old)
		if c != nil {
			if why := c.refusal(zones); why != "" {
				findings = append(findings, ignored(r.catalog(c.Catalog).name, c.Apex, why))
				c = nil
			}
		}
		if f.findings[key] = findings; len(findings) == 0 {
			delete(f.findings, key)
		}
		if old != nil && (c == nil || c.Reset) {
			gone = append(gone, old.Apex)
		}
		switch {
		case c == nil:
		case c.Reset:
			reset, forget = append(reset, c), append(forget, c.Apex)
		case old == nil || !old.Equal(c):
			changed = append(changed, c)
		}
	}
	// What belongs to another label goes with all that is kept of it before the zone comes.
	err := f.commit(changed, gone)
	if len(reset) > 0 {
		if err == nil {
			err = f.o.Journal.Forget(forget)
		}
		if err == nil {
			err = f.commit(reset, nil)
		}
	}
	if err == nil {
		clear(f.pending)
	}
	return err
}

// commit serves zones with these claims, and no longer those that are gone. What is kept of the
// latter stays for a time (reload.keep_removed): a catalog may lose a zone by mistake, and list
// it again.
func (f *Follower) commit(changed []*Claim, gone []dname.Name) error {
	if len(changed)+len(gone) == 0 {
		return nil
	}
	served, err := f.o.Serve(changed, gone)
	if err != nil {
		return err
	}
	set := func(key string, c *Claim) {
		if old := f.claims[key]; old != nil {
			f.serves[old.Catalog]--
			delete(f.claims, key)
		}
		if c != nil {
			f.serves[c.Catalog]++
			f.claims[key] = c
		}
	}
	for _, apex := range gone {
		set(apex.Key(), nil)
	}
	for _, c := range changed {
		set(c.Apex.Key(), c)
	}
	f.o.Log.Info("zones of catalogs were added, changed or removed", "zones", len(f.claims), "removed", len(gone), "changed", served)
	return nil
}

// ownerBefore returns the owner of a zone that an earlier process served.
func (f *Follower) ownerBefore(apex dname.Name) (o Owner, ok bool) {
	notes, err := f.o.Journal.Notes(apex, OwnerNote)
	if err != nil {
		f.o.Log.Error("the state directory does not say which catalog a zone belongs to", "zone", apex.String(), "err", err)
		return o, false
	}
	if c, _ := ReadClaim(apex, notes); c != nil {
		return c.Owner, true
	}
	return o, false
}

// report stores the status and reports the findings.
func (f *Follower) report() {
	list := make([]Status, len(f.catalogs))
	at := map[string]*Status{}
	for i, c := range f.catalogs {
		list[i] = Status{Zone: c.name.String(), Members: len(c.members), Serves: f.serves[c.key]}
		if c.err != nil {
			list[i].Error = c.err.Error()
		}
		at[c.key] = &list[i]
	}
	findings := slices.Concat(slices.Collect(maps.Values(f.findings))...)
	slices.SortFunc(findings, func(a, b finding.Finding) int { return strings.Compare(a.Text, b.Text) })
	more := map[*Status]int{}
	findings = slices.DeleteFunc(findings, func(g finding.Finding) bool {
		s := at[g.Zone.Key()]
		if len(s.Findings) == maxFindings {
			more[s]++
			return true
		}
		s.Findings = append(s.Findings, g.Text)
		return false
	})
	for s, n := range more {
		s.Findings = append(s.Findings, fmt.Sprintf("%d more", n))
	}
	f.status.Store(&list)
	f.o.Report(findings)
}

// Print writes the status for the operator.
func (s *Status) Print(w io.Writer) {
	zones := "1 zone"
	if s.Members != 1 {
		zones = fmt.Sprintf("%d zones", s.Members)
	}
	fmt.Fprintf(w, "\ncatalog %s lists %s, %d served", s.Zone, zones, s.Serves)
	if s.Error != "" {
		fmt.Fprintf(w, "; not used: %s", s.Error)
	}
	fmt.Fprintln(w)
	for _, f := range s.Findings {
		fmt.Fprintf(w, "  %s\n", f)
	}
}

// followed is a catalog that is followed.
type followed struct {
	name    dname.Name
	key     string // of the name
	zone    *zone.Zone
	most    int
	members map[string]*Member // by key of the apex
	nodes   map[string]string  // by label: key of the apex
	err     error              // why it is not known what the catalog lists
}

// isKnown reports whether members are what the catalog lists.
func (c *followed) isKnown() bool { return c.zone != nil && c.err == nil }

var errNotTransferred = errors.New("it was not transferred from a primary yet")

// read reads the catalog if z is not the zone that was read last, and returns the keys of the
// zones whose listing changed.
func (c *followed) read(z *zone.Zone, most int) map[string]bool {
	touched := map[string]bool{}
	if z != nil && z == c.zone && most == c.most {
		return touched
	}
	old := c.zone
	c.zone = z
	if old != nil && z != nil && c.err == nil && most == c.most && c.readChanges(old, touched) {
		return touched
	}
	was := c.members
	c.most, c.members, c.nodes, c.err = most, nil, nil, errNotTransferred
	if z != nil {
		var list []Member
		list, c.err = Read(z, most)
		c.set(list)
	}
	for _, members := range [...]map[string]*Member{was, c.members} {
		for key := range members {
			touched[key] = true
		}
	}
	return touched
}

// set sets the members of the catalog.
func (c *followed) set(list []Member) {
	c.members, c.nodes = make(map[string]*Member, len(list)), make(map[string]string, len(list))
	for i := range list {
		m := &list[i]
		key := m.Apex.Key()
		c.members[key], c.nodes[m.Label] = m, key
	}
}

// maxChanges is the size in octets of a changeset up to which only the changed nodes are read:
// some ten thousand.
const maxChanges = 4 << 20

// readChanges reads the member nodes that differ from old, and adds the keys of their zones to
// touched. It returns false if the catalog must be read as a whole: because it is invalid, or
// much of it changed.
func (c *followed) readChanges(old *zone.Zone, touched map[string]bool) bool {
	changes := zone.DiffWithin(old, c.zone, maxChanges, nil)
	if changes == nil {
		return false
	}
	depth := c.zone.ApexLabels()
	nodes := map[string]dname.Name{} // by label
	for _, list := range [...][]zone.Record{changes.Removed, changes.Added} {
		for i := range list {
			if owner := list[i].Owner; owner.Labels() >= depth+2 && isZones(owner.Suffix(depth+1)) {
				node := owner.Suffix(depth + 2)
				nodes[lower(node.Label())] = node
			}
		}
	}
	for label := range nodes {
		if key, ok := c.nodes[label]; ok {
			touched[key] = true
			delete(c.members, key)
			delete(c.nodes, label)
		}
	}
	for label, node := range nodes {
		m, err := readNode(c.zone, node)
		if err != nil {
			return false
		}
		if m == nil {
			continue
		}
		key := m.Apex.Key()
		if c.members[key] != nil {
			return false // it is listed twice
		}
		touched[key] = true
		c.members[key], c.nodes[label] = m, key
	}
	return len(c.members) <= c.most && checkVersion(c.zone) == nil
}
