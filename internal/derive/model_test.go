package derive

import (
	"cmp"
	"encoding/binary"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

var rounds = flag.Int("rounds", 400, "random batches of TestModel")

const modelConfig = `
defaults: {nameservers: [ns.example.], derive: [192.0.2.0/26, 2001:db8::/33]}
zones:
  - prefix: 192.0.2.0/24
    derive:
      from: [example.org, sub.example.net, 192.0.2.0/26, example.net]
      prefer: ["*.c.example.net", b.example.net, "*.b.example.net"]
  - {prefix: 192.0.2.64/26, label: part, derive: {from: [192.0.2.64/26], ttl: 77s}}
  - {prefix: "2001:db8::/33", derive: {from: [example.net, "2001:db8::/32"], names: all}}
  - {prefix: 10.0.0.0/15, derive: {from: [example.net, deep.sub.example.net], ttl: 0s}}
  - {prefix: 192.0.3.0/24}
  - {prefix: 192.0.4.0/24, derive: []}
`

// modelWorld is a naive model: the records of forward zones in maps.
type modelWorld struct {
	rng       *rand.Rand
	cfg       *config.Config
	zones     map[string]*modelZone
	addresses []netip.Addr
}

type modelZone struct {
	apex  string
	sets  map[modelKey]map[string]uint32 // TTL by RDATA
	isOff bool                           // there are no data
	zone  *zone.Zone
}

type modelKey struct {
	owner string
	typ   rr.Type
}

func newModel(t *testing.T, seed uint64) *modelWorld {
	cfg, err := config.Parse("ptrd.yaml", []byte(modelConfig))
	if err != nil {
		t.Fatal(err)
	}
	m := &modelWorld{rng: rand.New(rand.NewPCG(seed, 1)), cfg: cfg, zones: map[string]*modelZone{}}
	for _, s := range strings.Fields("192.0.2.1 192.0.2.62 192.0.2.63 192.0.2.64 192.0.2.65 192.0.2.128 10.0.0.1 10.1.255.255 10.2.0.0 192.0.3.1 192.0.4.1 2001:db8::1 2001:db8::2 2001:db8:8000::1") {
		m.addresses = append(m.addresses, netip.MustParseAddr(s))
	}
	return m
}

func (m *modelWorld) pick(list ...string) string { return list[m.rng.IntN(len(list))] }

// build returns the zone of the model.
func (z *modelZone) build(t testing.TB, serial uint32) *zone.Zone {
	apex := dname.MustParse(z.apex)
	if z.isOff {
		return zone.Expired(apex, "expired")
	}
	b := zone.NewBuilder(apex)
	soa := slices.Concat(dname.MustParse("ns.example."), dname.MustParse("h.example."), binary.BigEndian.AppendUint32(nil, serial), make([]byte, 16))
	b.Add(zone.Record{Owner: apex, Type: rr.TypeSOA, TTL: 60, Data: soa})
	b.Add(zone.Record{Owner: apex, Type: rr.TypeNS, TTL: 60, Data: dname.MustParse("ns.example.")})
	for k, set := range z.sets {
		for data, ttl := range set {
			b.Add(zone.Record{Owner: dname.MustParse(k.owner), Type: k.typ, TTL: ttl, Data: []byte(data)})
		}
	}
	out, findings := b.Build()
	if out == nil {
		t.Fatal(findings)
	}
	return out
}

// edit changes an RRset.
func (m *modelWorld) edit(z *modelZone) {
	owner := z.apex
	for range 1 + m.rng.IntN(3) {
		owner = m.pick("a", "b", "c", "a", "b", "www", "_x", "*", "sub", "deep", strings.Repeat("long", 8)) + "." + owner
		if len(owner) > 250 {
			return
		}
	}
	switch m.rng.IntN(10) {
	case 0:
		owner = z.apex
	case 1: // longer than what an owner in the index has room for; the order of several is not documented
		if z.apex == "example.net." {
			owner = "a." + strings.Repeat(strings.Repeat("long", 12)+".", 3) + z.apex
		}
	}
	k := modelKey{owner, []rr.Type{rr.TypeA, rr.TypeA, rr.TypeAAAA, rr.TypeA, rr.TypeAAAA, rr.TypeNS, rr.TypeDNAME, rr.TypeTXT}[m.rng.IntN(8)]}
	has := func(t rr.Type) bool { return z.sets[modelKey{owner, t}] != nil }
	var data []byte
	a := m.addresses[m.rng.IntN(len(m.addresses))]
	switch k.typ {
	case rr.TypeA, rr.TypeAAAA:
		k.typ = rr.AddressType(a)
		data = a.AsSlice()
	case rr.TypeNS:
		data = dname.MustParse("ns.example.")
		if owner == z.apex || has(rr.TypeDNAME) || m.rng.IntN(2) > 0 {
			return
		}
	case rr.TypeDNAME:
		data = dname.MustParse("elsewhere.example.")
		if has(rr.TypeNS) || owner == z.apex || m.rng.IntN(3) > 0 {
			return
		}
	default:
		data = []byte("\x01x")
	}
	if old := z.sets[k]; old != nil && (len(old) > 2 || m.rng.IntN(2) == 0) {
		delete(z.sets, k)
		return
	}
	ttl := uint32(60 * (1 + m.rng.IntN(3)))
	next := map[string]uint32{string(data): ttl}
	for d := range z.sets[k] {
		next[d] = ttl
	}
	z.sets[k] = next
}

// batch returns a random change of some zones.
func (m *modelWorld) batch(t *testing.T, serial uint32) *zone.Batch {
	b := &zone.Batch{Source: "test", At: 1_700_000_000_000}
	names := []string{"example.net.", "sub.example.net.", "deep.sub.example.net.", "example.org.", "net.", "b.example.net."}
	m.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for _, apex := range names[:1+m.rng.IntN(3)] {
		z := m.zones[apex]
		c := zone.Change{Apex: dname.MustParse(apex)}
		if z != nil {
			c.Base = z.zone
		}
		switch what := m.rng.IntN(12); {
		case z == nil:
			z = &modelZone{apex: apex, sets: map[modelKey]map[string]uint32{}}
			m.zones[apex] = z
			for range m.rng.IntN(30) {
				m.edit(z)
			}
			z.zone = z.build(t, serial)
		case what == 0:
			delete(m.zones, apex)
			z.zone = nil
		case what == 1 || z.isOff:
			z.isOff = !z.isOff
			z.zone = z.build(t, serial)
		case what < 5: // without history
			for range m.rng.IntN(12) {
				m.edit(z)
			}
			z.zone = z.build(t, serial)
		default:
			for i := range 1 + m.rng.IntN(3) {
				for range m.rng.IntN(5) {
					m.edit(z)
				}
				s := zone.Diff(z.zone, z.build(t, serial+uint32(i)+1), nil)
				var err error
				if z.zone, err = z.zone.Apply(s); err != nil {
					t.Fatal(err)
				}
				c.Steps = append(c.Steps, zone.Step{Changeset: s})
			}
		}
		c.Zone = z.zone
		b.Changes = append(b.Changes, c)
	}
	return b
}

// name is a name that an item of the configuration can give an address.
type modelName struct {
	name                   dname.Name
	prefer, source, isLong int
	ttl                    uint32
}

// want returns the names of an address by the text of docs/derive.md, the best first.
func (m *modelWorld) want(d *config.Derive, a netip.Addr) (list []modelName) {
	for _, z := range m.zones {
		apex := dname.MustParse(z.apex)
		source := slices.IndexFunc(d.From, func(s config.DeriveSource) bool {
			return s.Zone != nil && s.Zone.Equal(apex) || s.Prefix.IsValid() && s.Prefix.Contains(a)
		})
		for k, set := range z.sets {
			ttl, has := set[string(a.AsSlice())]
			if source < 0 || z.isOff || k.typ != rr.AddressType(a) || !has || m.isHidden(z, k.owner) {
				continue
			}
			n := modelName{dname.MustParse(k.owner), len(d.Prefer), source, 0, ttl}
			if d.TTL >= 0 {
				n.ttl = uint32(d.TTL.Seconds())
			}
			if len(n.name) > 150 {
				n.isLong = 1
			}
			for i, p := range slices.Backward(d.Prefer) {
				if under, isWild := strings.CutPrefix(p.String(), "*."); k.owner == p.String() || isWild && strings.HasSuffix(k.owner, "."+under) {
					n.prefer = i
				}
			}
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(x, y modelName) int {
		return cmp.Or(cmp.Compare(x.prefer, y.prefer), cmp.Compare(x.source, y.source), cmp.Compare(x.name.Labels(), y.name.Labels()),
			cmp.Compare(x.isLong, y.isLong), dname.Compare(x.name, y.name))
	})
	return list
}

// isHidden reports whether a name of a zone does not count.
func (m *modelWorld) isHidden(z *modelZone, owner string) bool {
	if strings.ContainsAny(owner, "_*") {
		return true
	}
	for up := owner; up != ""; _, up, _ = strings.Cut(up, ".") {
		if up == z.apex {
			return up != owner && z.sets[modelKey{up, rr.TypeDNAME}] != nil
		}
		if m.zones[up] != nil || z.sets[modelKey{up, rr.TypeNS}] != nil || up != owner && z.sets[modelKey{up, rr.TypeDNAME}] != nil {
			return true
		}
	}
	return false
}

// modelStatic are static records of reverse zones.
var modelStatic = map[string]string{
	"1.2.0.192.in-addr.arpa.": "a.example.net.", "128.2.0.192.in-addr.arpa.": "nowhere.example.", "1.0.0.10.in-addr.arpa.": "www.example.net.",
}

// serve publishes the reverse zones with what rules derive.
func (m *modelWorld) serve(t *testing.T, d *Deriver, w *commit.Writer, r *Rules) {
	t.Helper()
	_, err := w.Commit(commit.Request{
		Propose: func(set *zone.Set) (*zone.Batch, error) {
			static := map[string]*zone.Zone{}
			b := &zone.Batch{Source: "reload"}
			for i := range m.cfg.Zones {
				for _, apex := range m.cfg.Zones[i].Apexes {
					z := &modelZone{apex: apex.String(), sets: map[modelKey]map[string]uint32{}}
					for owner, target := range modelStatic {
						if dname.MustParse(owner).IsAtOrBelow(apex) {
							z.sets[modelKey{owner, rr.TypePTR}] = map[string]uint32{string(dname.MustParse(target)): 5}
						}
					}
					static[apex.Key()] = z.build(t, 1)
				}
			}
			p := d.NewPlan(r, set)
			p.Complete(b)
			for _, s := range static {
				derived, err := p.Layer(set, s, nil)
				if err != nil {
					return nil, err
				}
				z, err := commit.Merge(zone.Layers{Static: s, Derived: derived}, nil, nil)
				if err != nil {
					return nil, err
				}
				b.Changes = append(b.Changes, zone.Change{Apex: z.Apex(), Base: set.Get(z.Apex()), Zone: z})
			}
			return b, nil
		},
		Show: func(*zone.Set) { d.SetRules(r) },
	})
	if err != nil {
		t.Fatal(err)
	}
}

// check compares all reverse zones with the model.
func (m *modelWorld) check(t *testing.T, r *Rules, set *zone.Set) {
	t.Helper()
	type count struct{ records, conflicts, drifted int }
	want := map[string]count{}
	for i := range m.cfg.Zones {
		item := &m.cfg.Zones[i]
		for _, a := range m.addresses {
			owner, apex, ok := item.Owner(a)
			if !ok {
				continue
			}
			z := set.Get(apex)
			got := commit.ReadRRset(z, owner, rr.TypePTR)
			names := []dname.Name{}
			for _, d := range got.Data {
				names = append(names, d)
			}
			slices.SortFunc(names, dname.Compare)
			var list []modelName
			if item.Derive != nil {
				list = m.want(item.Derive, a)
			}
			var wanted []dname.Name
			ttl := uint32(5)
			n := want[apex.Key()]
			if len(list) > 0 {
				n.records++
				if item.Derive.All {
					n.records += len(list) - 1
				} else if len(list) > 1 && list[0].prefer == list[1].prefer {
					n.conflicts++
				}
			}
			if static := modelStatic[owner.String()]; static != "" {
				wanted = append(wanted, dname.MustParse(static))
				if len(list) > 0 && !slices.ContainsFunc(list, func(n modelName) bool { return n.name.String() == static }) {
					n.drifted++
				}
			} else if len(list) > 0 {
				ttl = list[0].ttl
				for i, one := range list {
					if i == 0 || item.Derive.All {
						wanted, ttl = append(wanted, one.name), min(ttl, one.ttl)
					}
				}
				slices.SortFunc(wanted, dname.Compare)
			}
			want[apex.Key()] = n
			if fmt.Sprint(names) != fmt.Sprint(wanted) || len(wanted) > 0 && got.TTL != ttl {
				t.Fatalf("%v in %v: %v with TTL %d, want %v with %d", a, apex, names, got.TTL, wanted, ttl)
			}
			if origins := r.Describe(set, apex, owner); len(origins) != min(len(list), maxOrigins) || len(list) > 0 && !origins[0].Name.Equal(list[0].name) {
				t.Fatalf("%v: origins %v, want %v", a, origins, list)
			}
		}
	}
	for _, n := range r.Totals(set) {
		if got := (count{n.Records, n.Conflicts, n.Drifted}); got != want[n.Apex.Key()] {
			t.Fatalf("%v: %+v, want %+v", n.Apex, got, want[n.Apex.Key()])
		}
	}
	for _, z := range m.zones {
		if z.zone != nil && z.zone.IsAvailable() {
			if err := set.Get(dname.MustParse(z.apex)).Check(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// noNotes are notes of zones that take no updates.
type noNotes struct{}

func (noNotes) Notes(apex dname.Name, _ string) ([]zone.Note, error) {
	return nil, fmt.Errorf("notes of %v are read", apex)
}

// Derived PTRs are those of a naive model after each of many random batches, and an index that
// followed them is that of a new build.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	m := newModel(t, seed)
	d := New(Options{Notes: noNotes{}})
	var published *zone.Batch
	w := commit.New(commit.Options{Stages: []commit.Stage{d.Stage}, Published: func(b *zone.Batch) { published = b }})
	r := NewRules(m.cfg, func(*config.Neighbour) File { return nil })
	m.serve(t, d, w, r)
	m.check(t, r, w.Set())
	serials := map[string]zone.Serial{}
	for i := range *rounds {
		before := w.Set()
		if err := w.Publish(m.batch(t, uint32(10*i+10))); err != nil {
			t.Fatal(err)
		}
		for _, c := range published.Changes {
			if c.Base == nil || len(c.Steps) == 0 {
				continue
			}
			// The steps lead from one to the other, and only a change makes one.
			z := before.Get(c.Apex)
			var err error
			for _, s := range c.Steps {
				if z, err = z.Apply(s.Changeset); err != nil {
					t.Fatal(err)
				}
			}
			if z.Digest() != c.Zone.Digest() || z.Serial() != c.Zone.Serial() || z.Digest() == c.Base.Digest() && strings.HasSuffix(c.Apex.String(), "arpa.") {
				t.Fatalf("steps of %v", c.Apex)
			}
			serials[c.Apex.Key()] = c.Zone.Serial()
		}
		m.check(t, r, w.Set())
		if i%50 == 49 {
			for key, z := range mustLayers(t, d, r, w.Set()) {
				name := dname.FromWire([]byte(key))
				if now := w.Set().Get(name).Layers().Derived; now.Digest() != z.Digest() || storedDigest(t, now) != storedDigest(t, z) {
					t.Fatalf("the index of %v is not that of a new build", name)
				}
			}
		}
	}
	if len(serials) < 4 {
		t.Errorf("changes in %d zones only", len(slices.Collect(maps.Keys(serials))))
	}
}

// storedDigest returns the digest of the candidates that an index stores.
func storedDigest(t *testing.T, layer *zone.Zone) zone.Digest {
	z := index{layer: layer}.stored()
	if z == nil {
		var err error
		if z, err = commit.BuildLayer(commit.NewLayerBuilder(layer.Apex(), nil)); err != nil {
			t.Fatal(err)
		}
	}
	return z.Digest()
}

// mustLayers returns the layers of zones that have none yet.
func mustLayers(t *testing.T, d *Deriver, r *Rules, set *zone.Set) map[string]*zone.Zone {
	static := map[string]*zone.Zone{}
	var bare []*zone.Zone
	for z := range set.All() {
		if l := z.Layers(); l.Derived != nil {
			static[z.Key()] = l.Static
			bare = append(bare, z.WithLayers(zone.Layers{}))
		}
	}
	p := d.NewPlan(r, set.With(bare, nil))
	layers := map[string]*zone.Zone{}
	for key, s := range static {
		var err error
		if layers[key], err = p.Layer(p.set, s, nil); err != nil {
			t.Fatal(err)
		}
	}
	return layers
}
