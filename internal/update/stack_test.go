package update

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// rrsets are RRsets by owner and type.
type rrsets map[string]map[rr.Type]oracleSet

func (s rrsets) put(owner string, t rr.Type, set oracleSet) {
	if s[owner] == nil {
		s[owner] = map[rr.Type]oracleSet{}
	}
	if s[owner][t] = set; len(set.data) == 0 {
		if delete(s[owner], t); len(s[owner]) == 0 {
			delete(s, owner)
		}
	}
}

func (s rrsets) clone() rrsets {
	out := rrsets{}
	for owner, sets := range s {
		out[owner] = maps.Clone(sets)
	}
	return out
}

func (s rrsets) text() string {
	var list []string
	for owner, sets := range s {
		for t, set := range sets {
			data := slices.Clone(set.data)
			slices.Sort(data)
			list = append(list, fmt.Sprintf("%v %v %d %q\n", dname.Name(owner), t, set.ttl, data))
		}
	}
	slices.Sort(list)
	return strings.Join(list, "")
}

func (s oracleSet) equal(other oracleSet) bool {
	a, b := slices.Sorted(slices.Values(s.data)), slices.Sorted(slices.Values(other.data))
	return slices.Equal(a, b) && (len(a) == 0 || s.ttl == other.ttl)
}

// rrsetsOf returns what a zone has but for the SOA.
func rrsetsOf(z *zone.Zone) rrsets {
	out := rrsets{}
	for r := range z.All() {
		if r.Type != rr.TypeSOA {
			key := r.Owner.Key()
			out.put(key, r.Type, oracleSet{r.TTL, append(out[key][r.Type].data, string(r.Data))})
		}
	}
	return out
}

// stack is what the layers of a zone are, kept by hand.
type stack struct {
	apex                           string
	static, derived, dynamic, made rrsets
	lives                          map[string]int64 // when records end, by owner, type and data
}

// merged returns what is served: of each RRset that of the first layer, unless it contradicts one of
// a higher layer. made are those that rules make among them.
func (s *stack) merged() (out, above, made rrsets) {
	out, made = s.static.clone(), rrsets{}
	isOccluded := func(in rrsets, owner string) bool {
		for n := dname.Name(owner); len(n) > len(s.apex); n = n.Parent() {
			if _, ok := in[n.Key()][rr.TypeNS]; ok {
				return true
			}
			if _, ok := in[n.Key()][rr.TypeDNAME]; ok && len(n) < len(owner) {
				return true
			}
		}
		return false
	}
	add := func(from rrsets, t rr.Type, accepts func(owner string) bool) {
	owners:
		for owner, sets := range from {
			set, ok := sets[t]
			if !ok || !accepts(owner) {
				continue
			}
			for other := range out[owner] {
				if other == t || other == rr.TypeCNAME || t == rr.TypeCNAME || other == rr.TypeNS && t == rr.TypeDNAME || other == rr.TypeDNAME && t == rr.TypeNS {
					continue owners
				}
			}
			if t == rr.TypeNS || t == rr.TypeDNAME {
				for other := range s.static {
					if other != owner && within(other, owner) {
						continue owners
					}
				}
			}
			out.put(owner, t, set)
		}
	}
	visible := func(owner string) bool { return !isOccluded(s.static, owner) }
	add(s.derived, rr.TypePTR, visible)
	above = out.clone()
	all := func(string) bool { return true }
	for _, t := range []rr.Type{rr.TypeNS, rr.TypePTR, rr.TypeTXT, rr.TypeDNAME, rr.TypeCNAME} {
		add(s.dynamic, t, all)
	}
	before := out.clone()
	add(s.made, rr.TypePTR, visible)
	for owner, sets := range out {
		for t, set := range sets {
			if _, ok := before[owner][t]; !ok {
				made.put(owner, t, set)
			}
		}
	}
	return out, above, made
}

func lifeOf(owner string, t rr.Type, data string) string { return fmt.Sprint(owner, t, data) }

// stackLab is a zone with all layers and a stack that tells what it has to be.
type stackLab struct {
	*stack
	t     *testing.T
	g     *zonetest.Random
	j     *journal.Journal
	store *commit.Writer
	u     *Updater
	now   time.Time
	life  time.Duration
	next  *commit.Refresh // what the stage adds to the next batch
	past  []version
}

// version is the zone before and after a step of updates.
type version struct {
	from, to zone.Serial
	before   rrsets // nil: no update made the step
	touched  map[string]map[rr.Type]bool
}

func (l *stackLab) zone() *zone.Zone { return l.store.Set().Get(dname.Name(l.apex)) }

func newStackLab(t *testing.T, seed uint64) *stackLab {
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	l := &stackLab{t: t, g: zonetest.NewRandom(seed), j: j, now: time.Unix(1_800_000_000, 0),
		stack: &stack{apex: dname.MustParse(parent).Key(), static: rrsets{}, derived: rrsets{}, dynamic: rrsets{}, made: rrsets{}, lives: map[string]int64{}}}
	if seed%2 == 0 {
		l.life = time.Hour
	}
	l.store = commit.New(commit.Options{Journal: j, Stages: []commit.Stage{l.stage}, Published: l.published})
	l.u = New(Options{Store: l.store, Notes: j, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return l.now }})
	l.reload()
	policy := anybody(false)
	policy.Lifetime = l.life
	if err := l.u.Adopt(&Policy{Zones: map[string]*ZonePolicy{l.apex: policy}}); err != nil {
		t.Fatal(err)
	}
	return l
}

// stage is a commit.Stage that changes a layer.
func (l *stackLab) stage(set *zone.Set, b *zone.Batch) error {
	if l.next == nil {
		return nil
	}
	return l.next.AddTo(b, set, l.j)
}

// published checks that the steps of a change lead from one version to the next.
func (l *stackLab) published(b *zone.Batch) {
	for i := range b.Changes {
		c := &b.Changes[i]
		z, err := c.Base, error(nil)
		if z == nil {
			continue
		}
		for _, s := range c.Steps {
			v := version{from: s.Changeset.From, to: s.Changeset.To}
			if !strings.HasSuffix(s.Source, "(derived)") && s.Source != "reload" {
				v.before, v.touched = rrsetsOf(z), map[string]map[rr.Type]bool{}
				for _, r := range slices.Concat(s.Changeset.Removed, s.Changeset.Added) {
					if v.touched[r.Owner.Key()] == nil {
						v.touched[r.Owner.Key()] = map[rr.Type]bool{}
					}
					v.touched[r.Owner.Key()][r.Type] = true
				}
			}
			l.past = append(l.past, v)
			if s.Changeset.From != z.Serial() || !z.Serial().Before(s.Changeset.To) {
				l.t.Fatalf("a step from %d to %d after %d", s.Changeset.From, s.Changeset.To, z.Serial())
			}
			if z, err = z.Apply(s.Changeset); err != nil {
				l.t.Fatal(err)
			}
		}
		if len(c.Steps) == 0 || z.Digest() != c.Zone.Digest() || z.Serial() != c.Zone.Serial() {
			l.t.Fatalf("%d steps lead to %s %d, want %s %d", len(c.Steps), oracleOf(z).Text(), z.Serial(), oracleOf(c.Zone).Text(), c.Zone.Serial())
		}
	}
}

func (l *stackLab) owner() dname.Name {
	return dname.MustParse([]string{"", "", "", "", "x."}[l.g.IntN(5)] + fmt.Sprint(l.g.IntN(6)) + "." + parent)
}

func (l *stackLab) data(t rr.Type) []byte {
	if t == rr.TypeTXT {
		return []byte{1, byte('a' + l.g.IntN(2))}
	}
	return dname.MustParse(string(rune('a'+l.g.IntN(2))) + ".")
}

// random returns RRsets of the types, one at a name.
func (l *stackLab) random(types ...rr.Type) rrsets {
	out := rrsets{}
	for range l.g.IntN(5) {
		t := types[l.g.IntN(len(types))]
		owner := l.owner().Key()
		if len(out[owner]) == 0 {
			out.put(owner, t, oracleSet{uint32(60 + l.g.IntN(2)), []string{string(l.data(t))}})
		}
	}
	return out
}

func (s rrsets) records(yield func(zone.Record) bool) {
	for owner, sets := range s {
		for t, set := range sets {
			for _, d := range set.data {
				if !yield(zone.Record{Owner: dname.Name(owner), Type: t, TTL: set.ttl, Data: []byte(d)}) {
					return
				}
			}
		}
	}
}

func (l *stackLab) layer(s rrsets) *zone.Zone {
	z, err := commit.NewLayer(dname.Name(l.apex), s.records, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return z
}

// whole merges all layers from scratch, as at a start.
func (l *stackLab) whole(layers zone.Layers) *zone.Zone {
	dynamic, err := commit.ReadDynamic(l.j, dname.Name(l.apex))
	if err != nil {
		l.t.Fatal(err)
	}
	z, err := commit.Merge(layers, dynamic, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return z
}

// reload replaces the static data.
func (l *stackLab) reload() string {
	l.static = l.random(rr.TypePTR, rr.TypePTR, rr.TypeTXT, rr.TypeCNAME, rr.TypeNS, rr.TypeDNAME)
	static := build(l.t, dname.Name(l.apex), append(zonetest.MustParse(parent, soaNS).Records(), slices.Collect(l.static.records)...))
	l.static = rrsetsOf(static)
	z := l.whole(zone.Layers{Static: static, Derived: l.layer(l.derived), Made: l.layer(l.made)})
	base := l.zone()
	b := &zone.Batch{Source: "reload", At: l.now.UnixMilli(), Changes: []zone.Change{{Zone: z, Apex: z.Apex(), Base: base}}}
	switch c := &b.Changes[0]; {
	case base == nil:
	case rrsetsOf(base).text() == rrsetsOf(z).text():
		b.Layers, b.Changes = []zone.Change{{Zone: base.WithLayers(z.Layers()), Apex: z.Apex(), Base: base}}, nil
	default:
		c.Zone = z.WithSerial(base.Serial().Next(l.now.Unix()))
		c.Steps = []zone.Step{{Changeset: zone.Diff(base, c.Zone, nil), Source: "reload", At: b.At}}
	}
	if err := l.store.Publish(b); err != nil {
		l.t.Fatal(err)
	}
	return "reload"
}

// replace prepares a change of a layer that is a zone.
func (l *stackLab) replace(layer *rrsets, set func(*zone.Layers, *zone.Zone)) (what string, apply func()) {
	was := *layer
	now := l.random(rr.TypePTR)
	if layer == &l.derived { // an address can have several names
		for _, owner := range slices.Sorted(maps.Keys(now)) {
			set, more := now[owner][rr.TypePTR], string(l.data(rr.TypePTR))
			if !slices.Contains(set.data, more) {
				now.put(owner, rr.TypePTR, oracleSet{set.ttl, append(set.data, more)})
			}
		}
	}
	z := l.layer(now)
	l.next = &commit.Refresh{Apex: dname.Name(l.apex), Source: "update by a client of another zone (derived)", Layers: func(l *zone.Layers) { set(l, z) }}
	for owner := range was {
		l.next.Owners = append(l.next.Owners, dname.Name(owner))
	}
	for owner := range now {
		l.next.Owners = append(l.next.Owners, dname.Name(owner))
	}
	return fmt.Sprintf("layer of\n%s", now.text()), func() { *layer = now }
}

// update carries out a random message.
func (l *stackLab) update() string {
	m := &Message{Zone: dname.Name(l.apex)}
	types := []rr.Type{rr.TypePTR, rr.TypePTR, rr.TypePTR, rr.TypeTXT, rr.TypeCNAME, rr.TypeNS, rr.TypeDNAME}
	record := func(classes ...rr.Class) Record {
		r := Record{Owner: l.owner(), Type: types[l.g.IntN(len(types))], Class: classes[l.g.IntN(len(classes))]}
		if r.Class == rr.ClassANY && l.g.IntN(3) == 0 {
			r.Type = rr.TypeANY
		}
		return r
	}
	if l.g.IntN(2) == 0 {
		r := record(rr.ClassIN, rr.ClassANY, rr.ClassNONE)
		if r.Class == rr.ClassIN {
			r.Data = l.data(r.Type)
		}
		m.Prerequisites = append(m.Prerequisites, r)
	}
	for range 1 + l.g.IntN(2) {
		r := record(rr.ClassIN, rr.ClassIN, rr.ClassIN, rr.ClassANY, rr.ClassNONE)
		if r.Class != rr.ClassANY {
			r.Data = l.data(r.Type)
		}
		if r.Class == rr.ClassIN {
			r.TTL = uint32(60 + l.g.IntN(2))
		}
		m.Updates = append(m.Updates, r)
	}
	out, above, made := l.merged()
	for owner, sets := range made {
		for t := range sets {
			out.put(owner, t, oracleSet{})
		}
	}
	o := &oracle{apex: l.apex, names: map[string]map[rr.Type]oracleSet{}, static: l.static, above: above, made: rrsets{},
		derived: map[string]oracleSet{}, hidden: map[string]oracleSet{}}
	for owner, sets := range above {
		if _, isStatic := l.static[owner][rr.TypePTR]; !isStatic && len(sets[rr.TypePTR].data) > 0 {
			o.derived[owner], o.hidden[owner] = sets[rr.TypePTR], l.dynamic[owner][rr.TypePTR]
		}
	}
	for owner, sets := range made { // where no delegation or redirection of an update hides them
		if !l.zone().IsOccluded(dname.Name(owner)) {
			o.made[owner] = sets
		}
	}
	for owner, sets := range out {
		for t, set := range sets {
			o.put(owner, t, set)
		}
	}
	o.put(l.apex, rr.TypeSOA, oracleSet{60, []string{strings.Repeat("\x00", 22)}})
	want := o.update(m.Prerequisites, slices.Clone(m.Updates))
	j := &job{Request: &Request{}, m: m}
	l.u.commit([]*job{j}, func() {})
	got := wire.RCodeNoError
	if j.fault != nil {
		got = j.fault.RCode
	}
	what := fmt.Sprintf("update %+v", m)
	if got != want {
		l.t.Fatalf("%s: %v (%v), want %v", what, got, j.fault, want)
	}
	if got != wire.RCodeNoError {
		return what
	}
	for owner, same := range o.same {
		if len(same.data) == 0 {
			for _, d := range o.derived[owner].data {
				delete(l.lives, lifeOf(owner, rr.TypePTR, d))
			}
		}
		l.dynamic.put(owner, rr.TypePTR, same)
	}
	for _, both := range []rrsets{out, o.names} {
		for owner, sets := range both.clone() {
			for t := range sets {
				was, is := out[owner][t], o.names[owner][t]
				if t == rr.TypeSOA || was.equal(is) {
					continue
				}
				l.dynamic.put(owner, t, is)
				for _, d := range was.data {
					if !slices.Contains(is.data, d) {
						delete(l.lives, lifeOf(owner, t, d))
					}
				}
			}
		}
	}
	for _, r := range m.Updates {
		if r.Class == rr.ClassIN && l.life > 0 && slices.Contains(o.names[r.Owner.Key()][r.Type].data, string(r.Data)) {
			l.lives[lifeOf(r.Owner.Key(), r.Type, string(r.Data))] = l.now.Add(l.life).Unix()
		}
	}
	return what
}

// expire lets lifetimes end, of records that show and of others.
func (l *stackLab) expire() string {
	l.u.expire()
	for owner, sets := range l.dynamic.clone() {
		for t, set := range sets {
			set.data = slices.DeleteFunc(slices.Clone(set.data), func(d string) bool {
				end := l.lives[lifeOf(owner, t, d)]
				return end != 0 && end <= l.now.Unix()
			})
			l.dynamic.put(owner, t, set)
		}
	}
	maps.DeleteFunc(l.lives, func(_ string, end int64) bool { return end <= l.now.Unix() })
	return "end of lifetimes"
}

// rollback undoes what updates changed since a version.
func (l *stackLab) rollback() string {
	if len(l.past) == 0 || l.life > 0 {
		return "nothing"
	}
	i := l.g.IntN(len(l.past))
	to := l.past[i].from
	what := fmt.Sprintf("rollback from %d to %d", l.zone().Serial(), to)
	hides := func(owner string, t rr.Type, set oracleSet) bool {
		s := *l.stack
		s.made, s.dynamic = rrsets{}, rrsets{}
		s.dynamic.put(owner, t, set)
		out, above, _ := s.merged()
		_, isAbove := above[owner][t]
		return len(set.data) > 0 && (isAbove || !out[owner][t].equal(set))
	}
	next, changed := l.dynamic.clone(), false
	known := map[string]bool{}
	for _, v := range l.past[i:] {
		for owner, types := range v.touched {
			for t := range types {
				if key := fmt.Sprint(owner, t); t == rr.TypeSOA || known[key] {
					continue
				} else {
					known[key] = true
				}
				was, is := v.before[owner][t], l.dynamic[owner][t]
				if made := l.made[owner][t]; len(made.data) > 0 && was.equal(made) && !was.equal(is) {
					was = oracleSet{}
				}
				if !hides(owner, t, is) && !hides(owner, t, was) {
					next.put(owner, t, was)
					changed = changed || !was.equal(is)
				}
			}
		}
	}
	_, err := l.u.Rollback(dname.Name(l.apex), to, past{l.j})
	switch {
	case err == nil:
		l.dynamic = next
	case changed && !strings.Contains(err.Error(), "no update that can be undone"):
		l.t.Fatalf("%s: %v", what, err)
	}
	return what
}

// Whatever happens to the layers of a zone, it has what a merge of all of them from scratch has: static
// data, derived data, updates with and without lifetimes, what rules make, and rollbacks, one after the
// other or in one batch.
func TestLayersAgainstModel(t *testing.T) {
	const changes = 40
	eachSeed(t, func(t *testing.T, seed uint64) {
		if *seedFlag == 0 && seed > *zonesFlag/3 { // each takes as long as three of the others
			return
		}
		l := newStackLab(t, seed)
		for i := range changes {
			l.now = l.now.Add(time.Duration(l.g.IntN(15)) * time.Minute)
			what, apply := "", func() {}
			if l.g.IntN(4) == 0 {
				if l.g.IntN(2) == 0 {
					what, apply = l.replace(&l.derived, func(l *zone.Layers, z *zone.Zone) { l.Derived = z })
				} else {
					what, apply = l.replace(&l.made, func(l *zone.Layers, z *zone.Zone) { l.Made = z })
				}
				if l.g.IntN(2) == 0 {
					if err := l.store.Publish(&zone.Batch{At: l.now.UnixMilli()}); err != nil {
						t.Fatal(err)
					}
					apply()
					l.next, apply = nil, func() {}
				}
			}
			sum := fmt.Sprintf("%p", l.zone())
			switch n := l.g.IntN(12); {
			case n < 7:
				what += l.update()
			case n < 9:
				what += l.expire()
			case n < 11 && l.next == nil:
				what += l.rollback()
			case l.next == nil:
				what += l.reload()
			}
			if l.next != nil && fmt.Sprintf("%p", l.zone()) != sum { // the batch had both
				apply()
			}
			l.next = nil
			l.check(i, what)
		}
	})
}

func (l *stackLab) check(i int, what string) {
	l.t.Helper()
	z := l.zone()
	want, _, _ := l.merged()
	if got, want := rrsetsOf(z).text(), want.text(); got != want {
		l.t.Fatalf("%d: after %s: got\n%swant\n%s\nstatic\n%sderived\n%smade\n%sdynamic\n%s", i, what, got, want, l.static.text(), l.derived.text(), l.made.text(), l.dynamic.text())
	}
	list, err := commit.ReadDynamic(l.j, dname.Name(l.apex))
	if err != nil {
		l.t.Fatal(err)
	}
	noted := rrsets{}
	for _, s := range list {
		set := oracleSet{ttl: s.TTL}
		for _, d := range s.Data {
			set.data = append(set.data, string(d))
		}
		noted.put(s.Owner.Key(), s.Type, set)
	}
	if got, want := noted.text(), l.dynamic.text(); got != want {
		l.t.Fatalf("%d: after %s: the dynamic layer is\n%swant\n%s", i, what, got, want)
	}
	if whole := l.whole(z.Layers()).WithSerial(z.Serial()); whole.Digest() != z.Digest() {
		l.t.Fatalf("%d: after %s: a restart would change the zone", i, what)
	}
	if err := z.Check(); err != nil {
		l.t.Fatal(err)
	}
}
