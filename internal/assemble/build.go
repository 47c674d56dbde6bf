package assemble

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/source"
)

// notLoaded is what clients are told of a zone without data. What exactly is
// wrong is for the operator alone.
const notLoaded = "zone data could not be loaded"

// minChangeset is the octets that the changeset of a reload may take however small its
// zone is. One that takes more than this and more than its zone is not made: the
// history begins anew, and secondaries get the zone as a whole, which costs them
// about the same. In a zone of a million PTRs it is what a hundred thousand changed
// ones take.
const minChangeset = 256 << 10

// item makes the zones of one item, or finds that they are as they were.
func (r *round) item(item *config.Zone, w *worker) (end, error) {
	lists, fs := r.made(item)
	in := sumInputs(item, lists, &r.cfg.Limits)
	old := r.a.items[item.Apexes[0].Key()]
	kept, err := r.kept(item)
	switch {
	case err != nil:
		return end{}, err
	case kept.isWhole():
		return kept.end(item, in), nil
	}
	usable, unfinished := old.isUsable(r, item, in, w)
	if !usable && unfinished == nil {
		unfinished = r.unfinishedOf(item, old, w)
	}
	switch {
	case unfinished != nil:
		return r.wait(item, old, unfinished), nil
	case usable:
		old.in = in
		return end{outcome: old.asServed(r.set), reused: true}, nil
	}
	if w.room != nil {
		w.takeRoom(w.sourceOctets(item))
	}
	m := newMerge(item, lists, r.a.o.Table, r.cfg.Limits.GenerateSteps, w)
	m.fs = fs
	var builders []*zone.Builder
	for _, s := range m.parts {
		b := zone.NewBuilder(s.apex)
		b.SetPause(w.pause)
		builders = append(builders, b)
		s.take = func(rec zone.Record, _ Layer, _ Rule) {
			if m.fits(b) {
				b.Add(rec)
			}
		}
	}
	m.memory = r.zoneMemory()
	m.pour()
	e := end{outcome: &outcome{apexes: item.Apexes, in: in, files: m.read.done(m.seen), soaFile: m.soaFile}}
	if unfinished := r.changedMeanwhile(e.files, old, w); unfinished != nil {
		return r.wait(item, old, unfinished), nil
	}
	zones := make([]*zone.Zone, len(builders))
	for i, b := range builders {
		if !m.isOver {
			zones[i] = m.build(b)
		}
	}
	m.source = r.source(item, old, e.outcome)
	served, err := r.served(m, zones)
	if err != nil {
		return end{}, err
	}
	e.held = r.shrunk(m, served)
	for i, z := range zones {
		change, res, err := r.settle(m, m.parts[i], z, served[i])
		switch {
		case err != nil:
			return end{}, err
		case kept.has(i):
			change, res = kept.change(item, i)
		case res.reason != "" && old != nil && i < len(old.results):
			res.base = old.results[i].base // updates go on beside what is served
		}
		if change != nil {
			e.changes = append(e.changes, *change)
		}
		e.results = append(e.results, res)
	}
	for _, f := range kept.findings(item) {
		m.fs.add(f)
	}
	m.shrunkTogether()
	m.bothPlaces(lists)
	sortFindings(m.fs.list)
	for i := range e.results {
		if e.results[i].reason != "" {
			e.results[i].reason = firstError(m.fs.list, e.apexes[i])
		}
	}
	e.findings, e.damaged = curtail(m.fs.list), m.damaged
	return e, nil
}

// zoneMemory returns how many octets the records of one item may take.
func (r *round) zoneMemory() int64 {
	if n := r.cfg.Limits.ZoneMemory; n > 0 {
		return n
	}
	if n := machineMemory() / 2; n > 0 {
		return n
	}
	return math.MaxInt64
}

// fitsEvery is how many records are added before their memory is looked at again.
const fitsEvery = 1 << 12

// fits reports whether the zone may take another record. If not, the item gets an error,
// and keeps what it has.
func (m *merge) fits(b *zone.Builder) bool {
	if m.count++; m.count%fitsEvery == 0 && !m.isOver && b.Held() > m.memory {
		m.isOver = true
		m.fs.report(zone.Error, "zone-too-large", m.item.Pos, "%s: the zone takes more than %d octets of memory while it is loaded; remove what is not meant to be in its sources, or raise `limits.zone_memory`", m.item.Path, m.memory)
	}
	return !m.isOver
}

// maxSources is how many files the source of a change names.
const maxSources = 4

// source says where a change of the item comes from: the files that are not what
// they were, or the configuration.
func (r *round) source(item *config.Zone, old, now *outcome) string {
	var names []string
	if old == nil || old.in.data != now.in.data {
		names = append(names, r.cfg.File)
	} else {
		for _, f := range now.files {
			i := slices.IndexFunc(old.files, func(was *fileState) bool { return was.path == f.path })
			if i < 0 || !old.files[i].id.IsOf(f.id) || old.files[i].fault != f.fault {
				names = append(names, f.path)
			}
		}
	}
	if more := len(names) - maxSources; more > 0 {
		names = append(names[:maxSources], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(append([]string{sourceReload}, names...), " ")
}

// made returns the generated records of each of the item's zones.
func (r *round) made(item *config.Zone) (lists [][]made, fs findings) {
	for _, apex := range item.Apexes {
		k := &maker{item: item, apex: apex, table: r.a.o.Table, fs: &fs, cuts: map[string]bool{}, glue: map[glueKey]uint32{}, alias: map[string]bool{}}
		k.nameServers(RuleApex, apex, configured(item.NameServers), seconds(-1, item.NSTTL))
		k.delegations()
		k.children(r.index, func(apex dname.Name) *zone.Zone { return r.done[apex.Key()] })
		lists = append(lists, k.list)
	}
	return lists, fs
}

// isUsable reports whether the outcome is still that of the item: what the
// configuration says is the same, so are the files, and the zones made then are
// those in set. It is not where unfinished has files that changed and are not complete.
func (o *outcome) isUsable(r *round, item *config.Zone, in inputs, w *worker) (ok bool, unfinished []string) {
	if o == nil || o.damaged || o.in.data != in.data || len(o.apexes) != len(item.Apexes) {
		return false, nil
	}
	if o.in.places != in.places && slices.ContainsFunc(o.findings, func(f Finding) bool { return f.Pos.File == item.Pos.File }) {
		return false, nil
	}
	for i, res := range o.results {
		if served := r.set.Get(o.apexes[i]); served == nil || served != res.zone && !r.isBelowUpdates(o.apexes[i], res) {
			return false, nil
		}
	}
	if r.how.MayShrink != nil && slices.ContainsFunc(o.held, func(h Held) bool { return r.how.MayShrink(h.Apex) }) {
		return false, nil
	}
	for _, f := range o.files {
		switch {
		case f.isProved(w):
		case !r.isComplete(f.path, w):
			unfinished = append(unfinished, f.path)
		case len(unfinished) == 0 && !f.isUnchanged(w):
			return false, nil
		}
	}
	return len(unfinished) == 0, unfinished
}

// build builds one zone and takes its findings over; nil if it has errors.
func (m *merge) build(b *zone.Builder) *zone.Zone {
	z, list := b.Build()
	others := m.fs.errors > m.fs.ofZones
	for _, f := range list {
		if others && (f.Code == "no-soa" || f.Code == "no-ns") {
			continue // the line that has it is among what is wrong already
		}
		g := m.at(f)
		g.Apex = b.Apex()
		if g.Pos == (source.Position{}) {
			g.Pos = m.place()
		}
		m.fs.add(g)
	}
	return z
}

// place is where a finding about a zone as a whole belongs: its SOA, its first
// file or hosts file, or its item.
func (m *merge) place() source.Position {
	if p, ok := m.table.Position(m.soaTag); ok {
		return p
	}
	if len(m.item.Files) > 0 {
		return source.Position{File: m.item.Files[0].Path}
	}
	if len(m.item.Hosts) > 0 {
		return source.Position{File: m.item.Hosts[0].Path}
	}
	return m.item.Pos
}

// served returns what is to be served where the sources of an item have these zones;
// nil where one cannot be used.
func (r *round) served(m *merge, static []*zone.Zone) (list []*zone.Zone, err error) {
	list = make([]*zone.Zone, len(static))
	for i, z := range static {
		if z == nil || m.fs.errors > m.fs.ofZones {
			continue
		}
		switch list[i], err = r.withUpdates(m.item, z); {
		case errors.Is(err, journal.ErrCorrupt):
			m.lose(m.parts[i].apex, err)
			list[i] = nil
		case err != nil:
			return nil, err
		}
	}
	return list, nil
}

// lose reports that what is kept of a zone cannot be read.
func (m *merge) lose(apex dname.Name, err error) {
	m.fs.add(damaged(m.item, apex, err))
	m.damaged = true
}

// settle decides what is to be served at one apex: z, of which static comes from the
// sources, with which serial, or what was served before; nil: z cannot be used.
func (r *round) settle(m *merge, s *share, static, z *zone.Zone) (*zone.Change, result, error) {
	base := r.set.Get(s.apex)
	if z == nil {
		change, res := keep(s.apex, base)
		return change, res, nil
	}
	prev, err := r.last(base, s.apex)
	switch {
	case errors.Is(err, journal.ErrCorrupt):
		m.lose(s.apex, err)
		change, res := keep(s.apex, base)
		return change, res, nil
	case err != nil:
		return nil, result{}, err
	}
	fail := func(code, text string) {
		m.fs.add(Finding{Finding: zone.Finding{Severity: zone.Error, Code: code, Text: text}, Pos: m.place(), Apex: s.apex})
	}
	if base == nil || !base.IsAvailable() {
		m.shrunkBefore(s, prev.records, z.Stats().Records)
	}
	change := &zone.Change{Zone: z, Apex: s.apex, Base: base, Kept: m.item.Dynamic}
	serial := z.Serial()
	switch {
	case m.soaFile == "":
		serial = generatedSerial(prev, z.Digest(), r.now.Unix())
	case z.IsSigned():
		change.Verbatim = true
		change.Declared, change.HasDeclared = serial, true
		if s.added > 0 {
			fail("signed-and-added", fmt.Sprintf("zone %v is signed, but %s adds %s from the configuration, which would have no signatures; put them in the file before it is signed",
				s.apex, m.item.Path, plural(s.added, "record", "records")))
			change, res := keep(s.apex, base)
			return change, res, nil
		}
		if fault := signedSerial(prev, z.Digest(), serial); fault != "" {
			fail("signed-serial", fault)
			change, res := keep(s.apex, base)
			return change, res, nil
		}
	default:
		var note string
		change.Declared, change.HasDeclared = serial, true
		if serial, note = declaredSerial(prev, z.Digest(), serial); note != "" {
			m.fs.add(Finding{Finding: zone.Finding{Severity: zone.Warning, Code: "serial-not-taken", Text: note}, Pos: m.place(), Apex: s.apex})
		}
	}
	if base != nil && base.IsAvailable() {
		if base.Serial() == serial && base.Digest() == z.Digest() {
			return nil, result{zone: base, base: baseOf(m, static)}, nil
		}
	}
	if serial != z.Serial() {
		change.Zone = z.WithSerial(serial)
	}
	if base != nil && base.IsAvailable() {
		limit := max(base.Stats().Bytes, change.Zone.Stats().Bytes, minChangeset)
		if c := zone.DiffWithin(base, change.Zone, limit, m.worker.pause); c != nil {
			change.Steps = []zone.Step{{Changeset: c, Source: m.source, At: r.now.UnixMilli()}}
		}
	}
	return change, result{zone: change.Zone, base: baseOf(m, static)}, nil
}

// keep serves on what was served at an apex before, or that there are no data.
func keep(apex dname.Name, base *zone.Zone) (*zone.Change, result) {
	if base != nil {
		return nil, result{zone: base, reason: notLoaded}
	}
	z := zone.Unavailable(apex, notLoaded)
	return &zone.Change{Zone: z, Apex: apex}, result{zone: z, reason: notLoaded}
}

// last returns what was served of a zone before.
func (r *round) last(base *zone.Zone, apex dname.Name) (last, error) {
	var l last
	if r.a.o.Journal != nil {
		e, ok, err := r.a.o.Journal.Last(apex)
		if err != nil {
			return last{}, fmt.Errorf("look up the last serial of zone %v: %w", apex, err)
		}
		if ok {
			l = last{true, e.Serial, e.Digest, e.Declared, e.HasDeclared, e.Records}
		}
	}
	if base != nil && base.IsAvailable() {
		l.known, l.serial, l.digest = true, base.Serial(), base.Digest()
	}
	return l, nil
}

// firstError returns the first error that concerns the zone at apex.
func firstError(list []Finding, apex dname.Name) string {
	for _, f := range list {
		if f.Severity == zone.Error && (f.Apex == nil || f.Apex.Equal(apex)) {
			return f.String()
		}
	}
	panic(fmt.Sprintf("assemble: zone %v is broken without an error", apex))
}

// bothPlaces adds to the errors about records that contradict each other where
// the others of them are. It reads the sources once more, which only
// happens when there is such an error.
func (m *merge) bothPlaces(lists [][]made) {
	owners := map[string][]int{} // findings by owner
	for i, f := range m.fs.list {
		switch f.Code {
		case "several-cnames", "cname-and-other-data", "several-soas", "several-dnames", "dname-and-ns":
			owners[f.Owner.Key()] = append(owners[f.Owner.Key()], i)
		}
	}
	if len(owners) == 0 {
		return
	}
	others := make(map[int][]string)
	again := newMerge(m.item, lists, m.table, m.limit, m.worker)
	for _, s := range again.parts {
		s.take = func(r zone.Record, _ Layer, _ Rule) {
			for _, i := range owners[r.Owner.Key()] {
				f := &m.fs.list[i]
				if strings.HasPrefix(f.Code, "several-") && r.Type != f.Type {
					continue
				}
				p, _ := m.table.Position(r.Tag)
				at := fmt.Sprintf("%v at %v", r.Type, p)
				if r.Tag != f.Tag && len(others[i]) < 3 && !slices.Contains(others[i], at) {
					others[i] = append(others[i], at)
				}
			}
		}
	}
	again.pour()
	for i, list := range others {
		m.fs.list[i].Text += " (there is " + strings.Join(list, ", ") + ")"
	}
}
