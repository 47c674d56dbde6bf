package update

import (
	"flag"
	"fmt"
	"slices"
	"testing"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "repeat the random tests with this seed alone; 0: seeds 1 to -zones")
	zonesFlag = flag.Uint64("zones", 24, "number of random zones a test makes; more find more")
)

// eachSeed runs test for every seed, which a failure names.
func eachSeed(t *testing.T, test func(t *testing.T, seed uint64)) {
	first, last := uint64(1), *zonesFlag
	if *seedFlag != 0 {
		first, last = *seedFlag, *seedFlag
	}
	for seed := first; seed <= last; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { test(t, seed) })
		if t.Failed() {
			t.Fatalf("repeat with -run '^%s$' -seed %d", t.Name(), seed)
		}
	}
}

// build makes the zone of records.
func build(t testing.TB, apex dname.Name, records []zone.Record) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(apex)
	for _, r := range records {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatalf("zone does not build: %v", findings)
	}
	return z
}

// records returns a copy of all records of a zone.
func records(z *zone.Zone) (list []zone.Record) {
	for r := range z.All() {
		r.Owner, r.Data = r.Owner.Clone(), slices.Clone(r.Data)
		list = append(list, r)
	}
	return list
}

// encode writes an UPDATE message, the names in it compressed or not.
func encode(t testing.TB, apex dname.Name, prerequisites, updates []Record, compress bool) []byte {
	t.Helper()
	const room = 1 << 16
	buf := make([]byte, room)
	n := wire.HeaderLen + copy(buf[wire.HeaderLen:], apex)
	n += copy(buf[n:], []byte{0, byte(rr.TypeSOA), 0, byte(rr.ClassIN)})
	var w wire.Writer
	w.Reset(buf, room-1, n, apex)
	h := wire.Header{ID: 1, Questions: 1, Flags: wire.Flags(0).WithOpcode(wire.OpcodeUpdate)}
	// RDATA that is none can only be written as it is.
	isWhole := func(r Record) bool {
		return len(r.Data) > 0 && rr.FormFault(r.Type, r.Data) == "" || rr.NamesIn(r.Type).Count == 0
	}
	for _, r := range slices.Concat(prerequisites, updates) {
		compress = compress && isWhole(r)
	}
	for i, list := range [][]Record{prerequisites, updates} {
		for j := range list {
			r := &list[j]
			if compress {
				if !w.Record(wire.Section(i), &wire.Owner{Name: r.Owner}, r.Type, r.Class, r.TTL, r.Data, nil) {
					t.Fatal("the message has no room")
				}
				continue
			}
			n += copy(buf[n:], r.Owner)
			n += copy(buf[n:], []byte{byte(r.Type >> 8), byte(r.Type), byte(r.Class >> 8), byte(r.Class),
				byte(r.TTL >> 24), byte(r.TTL >> 16), byte(r.TTL >> 8), byte(r.TTL), byte(len(r.Data) >> 8), byte(len(r.Data))})
			n += copy(buf[n:], r.Data)
		}
	}
	if compress {
		return buf[:w.Finish(1, h.Flags)]
	}
	h.Answers, h.Authorities = uint16(len(prerequisites)), uint16(len(updates))
	h.Put(buf)
	return buf[:n]
}

// script makes messages about a zone: mostly about what is there, in all forms,
// and now and then in one that is wrong.
type script struct {
	g    *zonetest.Random
	apex dname.Name
	pool []zone.Record // of other zones at the apex
}

func newScript(g *zonetest.Random, apex dname.Name) *script {
	return &script{g, apex, g.Zone(apex, 30).Records()}
}

func pick[T any](g *zonetest.Random, list []T) T { return list[g.IntN(len(list))] }

// record returns a record of the zone, or of another one, or with parts of both.
func (s *script) record(z []zone.Record) Record {
	from := z
	if s.g.Chance(2) {
		from = s.pool
	}
	r := pick(s.g, from)
	rec := Record{Owner: r.Owner, Type: r.Type, Class: rr.ClassIN, TTL: r.TTL, Data: r.Data}
	if s.g.Chance(3) {
		rec.Owner = pick(s.g, z).Owner
	}
	if s.g.Chance(8) {
		rec.Owner = s.apex
	}
	if s.g.Chance(8) && rec.Type != rr.TypeSOA {
		rec.TTL = pick(s.g, []uint32{0, 1, 60, 1 << 31})
	}
	if s.g.Chance(4) { // names compare without case, text does not
		data := slices.Clone(rec.Data)
		for i, c := range data {
			if c >= 'a' && c <= 'z' && (i > 0 || rec.Type != rr.TypeTXT) {
				data[i] = c - 'a' + 'A'
			}
		}
		rec.Data = data
	}
	if rec.Type == rr.TypeSOA && s.g.Chance(2) {
		data := slices.Clone(rec.Data)
		copy(data[len(data)-20:], []byte{byte(s.g.IntN(256)), byte(s.g.IntN(256)), byte(s.g.IntN(256)), byte(s.g.IntN(256))})
		rec.Data = data
	}
	return rec
}

// spoil makes a record wrong, now and then.
func (s *script) spoil(r *Record) {
	if !s.g.Chance(60) {
		return
	}
	switch s.g.IntN(5) {
	case 0:
		r.TTL ^= 1
	case 1:
		r.Class = pick(s.g, []rr.Class{rr.ClassCH, rr.ClassHS, 0, 7, rr.ClassIN, rr.ClassANY, rr.ClassNONE})
	case 2:
		r.Type, r.Data = pick(s.g, []rr.Type{rr.TypeAXFR, rr.TypeIXFR, rr.TypeMAILA, rr.TypeMAILB, rr.TypeANY, rr.TypeOPT, rr.TypeTSIG, rr.TypeNone}), nil
	case 3:
		r.Owner = dname.MustParse("elsewhere.test.")
	case 4:
		r.Type, r.Data = pick(s.g, []rr.Type{rr.TypeNSEC3PARAM}), []byte{1, 0, 0, 0, 0}
	}
}

func (s *script) prerequisites(z []zone.Record) (list []Record) {
	for range pick(s.g, []int{0, 0, 0, 1, 1, 2, 3}) {
		r := s.record(z)
		r.TTL = 0
		switch s.g.IntN(5) {
		case 0:
			r.Class, r.Type, r.Data = rr.ClassANY, rr.TypeANY, nil
		case 1:
			r.Class, r.Data = rr.ClassANY, nil
		case 2:
			r.Class, r.Type, r.Data = rr.ClassNONE, rr.TypeANY, nil
		case 3:
			r.Class, r.Data = rr.ClassNONE, nil
		case 4: // the whole RRset, or nearly
			for _, other := range z {
				if other.Owner.Equal(r.Owner) && other.Type == r.Type && !s.g.Chance(20) {
					list = append(list, Record{Owner: other.Owner, Type: other.Type, Class: rr.ClassIN, Data: other.Data})
				}
			}
		}
		s.spoil(&r)
		list = append(list, r)
	}
	return list
}

func (s *script) updates(z []zone.Record) (list []Record) {
	for range pick(s.g, []int{0, 1, 1, 1, 2, 3, 5, 10}) {
		r := s.record(z)
		switch s.g.IntN(8) {
		case 0:
			r.Class, r.Type, r.Data, r.TTL = rr.ClassANY, rr.TypeANY, nil, 0
		case 1, 2:
			r.Class, r.Data, r.TTL = rr.ClassANY, nil, 0
		case 3, 4:
			r.Class, r.TTL = rr.ClassNONE, 0
		}
		s.spoil(&r)
		list = append(list, r)
	}
	return list
}

// Messages of every form, applied one after the other, do to the zone what they
// do to the oracle: the RCODE, the content, the serial. The changeset is exact, so
// that Apply takes it, and its reverse leads back; a fresh build of the content
// agrees. In every second zone part of the content comes from sources.
func TestEngineAgainstOracle(t *testing.T) {
	eachSeed(t, func(t *testing.T, seed uint64) {
		g := zonetest.NewRandom(seed)
		apex := dname.MustParse(zonetest.Apexes()[int(seed)%len(zonetest.Apexes())])
		first := g.Zone(apex, 3+g.IntN(40)).Records()
		z := build(t, apex, first)
		o := newOracle(apex, first)
		target := &Target{}
		if seed%2 == 0 {
			z, o.static = z.WithLayers(zone.Layers{Static: z}), o.clone().names
		}
		if seed%3 == 0 {
			target.Allow = func(owner dname.Name, typ rr.Type) string {
				if len(owner)%7 == 3 && typ%2 == 1 {
					return "odd"
				}
				return ""
			}
			o.allow = target.Allow
		}
		s := newScript(g, apex)
		seen := map[wire.RCode]int{}
		changed := 0
		for range 200 {
			now := records(z)
			prerequisites, updates := s.prerequisites(now), s.updates(now)
			parsed, fault := Parse(encode(t, apex, prerequisites, updates, g.Chance(2)))
			if fault != nil {
				malformed := slices.ContainsFunc(updates, func(r Record) bool { return len(r.Data) == 0 && rr.FormFault(r.Type, r.Data) != "" })
				if want := o.clone().update(prerequisites, updates); want == wire.RCodeNoError && !malformed {
					t.Fatalf("the message is not read: %v", fault)
				}
				continue
			}
			want := o.update(prerequisites, updates)
			target.Zone = z
			effect, fault := parsed.Run(target)
			got := wire.RCodeNoError
			if fault != nil {
				got = fault.RCode
			}
			if got != want {
				t.Fatalf("%v (%v), want %v\nprerequisites %v\nupdates %v\nof %s", got, fault, want, prerequisites, updates, o.records().Text())
			}
			seen[got]++
			if fault != nil || effect.Changeset == nil {
				if !zonetest.Equal(o.records(), oracleOf(z)) {
					t.Fatalf("no change, but the oracle changed: %v\n%s", updates, o.records().Text())
				}
				continue
			}
			changed++
			next, err := z.Apply(effect.Changeset)
			if err != nil {
				t.Fatalf("%v\nupdates %v", err, updates)
			}
			if want, got := o.records(), oracleOf(next); !zonetest.Equal(want, got) {
				t.Fatalf("updates %v\ngave\n%s\nwant\n%s", updates, got.Text(), want.Text())
			}
			if effect.Changeset.To != next.Serial() || effect.Changeset.From != z.Serial() || !z.Serial().Before(next.Serial()) {
				t.Fatalf("from %d to %d, the zones have %d and %d", effect.Changeset.From, effect.Changeset.To, z.Serial(), next.Serial())
			}
			back, err := next.Apply(effect.Changeset.Reverse())
			if err != nil || back.Digest() != z.Digest() || back.Serial() != z.Serial() {
				t.Fatalf("the reverse does not lead back: %v", err)
			}
			if fresh := build(t, apex, records(next)); fresh.Digest() != next.Digest() {
				t.Fatal("a fresh build has another digest")
			}
			if err := next.Check(); err != nil {
				t.Fatal(err)
			}
			for _, r := range effect.Added {
				if set, ok := next.Get(r.Owner, r.Type); !ok || !contains(&set, r) {
					t.Fatalf("%v is told as added and is not there", r)
				}
			}
			z = next
		}
		if changed < 5 || len(seen) < 3 {
			t.Errorf("%d changes, results %v: too tame", changed, seen)
		}
	})
}

func contains(set *zone.RRset, r Record) bool {
	for it := set.Data(); it.Next(); {
		if r.is(set.Type, append(slices.Clone(it.Head), it.Tail...)) {
			return true
		}
	}
	return false
}

func oracleOf(z *zone.Zone) *zonetest.Oracle {
	o := zonetest.New(z.Apex())
	o.Add(records(z)...)
	return o
}
