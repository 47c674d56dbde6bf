package assemble

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/platform"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
)

// notLoaded is the reason that clients get for a zone without data. Only the operator learns
// what exactly is wrong.
const notLoaded = "zone data could not be loaded"

// minChangeset is the size in octets up to which the changeset of a reload is always computed,
// however small its zone is. A changeset larger than this and than its zone is not computed: the
// history starts again, and secondaries transfer the whole zone, which costs them about the
// same. In a zone of a million PTRs it holds a hundred thousand changed ones.
const minChangeset = 256 << 10

// planItem builds the zones of one item, or finds that they did not change.
func (r *round) planItem(item *config.Zone, w *worker) (itemPlan, error) {
	generated, fs := r.generate(item)
	in := sumInputs(r.a.seed, item, generated, r.cfg, r.ranges)
	old := r.a.items[item.Apexes[0].Key()]
	kept, err := r.keptZones(item)
	switch {
	case err != nil:
		return itemPlan{}, err
	case item.Dynamic && !slices.ContainsFunc(kept, (*keptZone).isNew):
		return r.planKept(item, kept, in, &fs), nil
	}
	usable, incomplete := old.isUsable(r, item, in, w)
	if !usable && incomplete == nil {
		incomplete = r.incompleteFiles(item, old, w)
	}
	switch {
	case incomplete != nil:
		return r.postpone(item, old, incomplete), nil
	case usable:
		old.in = in
		return itemPlan{outcome: old.asServed(r.set), reused: true}, nil
	}
	if w.budget != nil {
		w.reserve(w.sourceOctets(item))
	}
	m := newMerge(item, generated, r.a.o.Table, r.cfg.Limits.GenerateSteps, w)
	m.fs = fs
	r.setBuilders(m)
	m.readLayers()
	p := itemPlan{outcome: &outcome{apexes: item.Apexes, in: in, files: m.read.states(m.seen), soaFile: m.soaFile}}
	if incomplete := r.changedMeanwhile(p.files, old, w); incomplete != nil {
		return r.postpone(item, old, incomplete), nil
	}
	m.source = r.source(item, old, p.outcome)
	next, err := r.mergeLayers(m, m.build())
	if err != nil {
		return itemPlan{}, err
	}
	p.held = r.holdShrunk(m, next)
	for i, part := range m.parts {
		change, res, err := r.decide(m, part, next[i])
		switch {
		case err != nil:
			return itemPlan{}, err
		case kept != nil && !kept[i].isNew():
			change, res = kept[i].change(r, item)
		}
		p.add(change, res)
	}
	for _, f := range damages(kept) {
		m.fs.add(f)
	}
	m.warnShrunkTogether()
	m.report(&p)
	return p, nil
}

// setBuilders has the records of a merge built into zones.
func (r *round) setBuilders(m *merge) {
	m.memory = r.memory
	m.confirm = r.newConfirmer(m.item, m.table, m.worker)
	for i, part := range m.parts {
		b := m.worker.newBuilder(i, part.apex)
		b.SetPause(m.worker.pause)
		b.SetChecks(m.item.Checks)
		b.SetRules(r.ranges.Others(part.apex), r.keys)
		part.builder = b
		part.emit = func(rec zone.Record, _ Layer, _ Rule) {
			if m.hasMemory(b) {
				b.Add(rec)
			}
			if rec.Type == rr.TypePTR && m.confirm != nil {
				m.confirm.check(rec.Owner, rec.Data, rec.Tag)
			}
		}
	}
}

// report fills in what the plan reports about the item.
func (m *merge) report(p *itemPlan) {
	list := withoutFollowing(m.fs.Sorted())
	m.addOtherPositions(list)
	for i := range p.results {
		if p.results[i].reason != "" {
			p.results[i].reason = firstError(list, p.apexes[i])
		}
	}
	if m.confirm != nil {
		list = append(list, m.confirm.fs.Sorted()...)
		p.leads = m.confirm.leads
	}
	p.findings, p.damaged = finding.Limit(list), m.damaged
}

// zoneMemory returns how many octets the records of one item may take.
func zoneMemory(cfg *config.Config) int64 {
	if n := cfg.Limits.ZoneMemory; n > 0 {
		return n
	}
	if n := platform.Memory() / 2; n > 0 {
		return n
	}
	return math.MaxInt64
}

// memoryInterval is how many records are added between two looks at their memory.
const memoryInterval = 1 << 12

// hasMemory reports whether the zone may take another record. If not, the item gets an error and
// keeps the data that it has.
func (m *merge) hasMemory(b *zone.Builder) bool {
	if m.count++; m.count%memoryInterval == 0 && !m.isOver && b.Held() > m.memory {
		m.isOver = true
		m.fs.report(finding.Error, "zone-too-large", m.item.Pos, "%s: the zone takes more than %d octets of memory while it is loaded; remove what is not meant to be in its sources, or raise `limits.zone_memory`", m.item.Path, m.memory)
	}
	return !m.isOver
}

// maxSources is how many files the source of a change names.
const maxSources = 4

// source returns where a change of the item comes from: the configuration if it changed, else
// the files that changed.
func (r *round) source(item *config.Zone, old, now *outcome) string {
	var names []string
	if old == nil || old.in.data != now.in.data {
		names = append(names, item.Pos.File)
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
	return strings.Join(append([]string{Source}, names...), " ")
}

// isUsable reports whether the outcome still holds: the configuration of the item and its files
// did not change, and its zones are still in set. If only files changed that must not be read
// yet, it does not hold, and incomplete has them.
func (o *outcome) isUsable(r *round, item *config.Zone, in inputs, w *worker) (ok bool, incomplete []string) {
	if o == nil || o.damaged || o.in.data != in.data || len(o.apexes) != len(item.Apexes) {
		return false, nil
	}
	if o.in.places != in.places && slices.ContainsFunc(o.findings, func(f finding.Finding) bool { return f.File == item.Pos.File }) {
		return false, nil
	}
	for i, res := range o.results {
		if served := r.set.Get(o.apexes[i]); served == nil || served != res.zone && !isUpdated(res.zone, served) {
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
			incomplete = append(incomplete, f.path)
		case len(incomplete) == 0 && !f.isUnchanged(w):
			return false, nil
		}
	}
	return len(incomplete) == 0 && o.isConfirmed(r, item, w), incomplete
}

// build builds the zones and adds their findings; nil for a zone that has errors.
func (m *merge) build() []*zone.Zone {
	static := make([]*zone.Zone, len(m.parts))
	for i, part := range m.parts {
		if !m.isOver {
			static[i] = m.buildZone(part.builder)
		}
		part.builder, part.emit = nil, nil // they hold the memory of the records
	}
	return static
}

// buildZone builds one zone and adds its findings; nil if it has errors.
func (m *merge) buildZone(b *zone.Builder) *zone.Zone {
	z, list := b.Build()
	hasOtherErrors := m.fs.errors() > m.fs.ofZones
	for _, f := range list {
		if hasOtherErrors && (f.Rule == "no-soa" || f.Rule == "no-ns") {
			continue // the line that has it may be one of those with an error
		}
		f = m.table.Locate(f)
		f.Zone = b.Apex()
		if f.Position == (finding.Position{}) {
			f.Position = m.place()
		}
		m.fs.add(f)
	}
	return z
}

// place returns the position of findings about a zone as a whole: its SOA, its first file or
// hosts file, or its item.
func (m *merge) place() finding.Position {
	if p, ok := m.table.Position(m.soaTag); ok {
		return p
	}
	if files := sourceFiles(m.item); len(files) > 0 {
		return finding.Position{File: files[0].Path}
	}
	return m.item.Pos
}

// reportZone adds a finding about one zone as a whole.
func (m *merge) reportZone(s finding.Severity, rule string, apex dname.Name, format string, args ...any) {
	m.fs.add(finding.Finding{Severity: s, Position: m.place(), Zone: apex, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

// reportDamaged reports that the data of a zone in the state directory cannot be read.
func (m *merge) reportDamaged(apex dname.Name, err error) {
	m.fs.add(damaged(m.item, apex, err))
	m.damaged = true
}

// mergeLayers returns what is to be served where the sources of an item have the zones static;
// nil for a zone that cannot be used.
func (r *round) mergeLayers(m *merge, static []*zone.Zone) (next []*zone.Zone, err error) {
	next = make([]*zone.Zone, len(static))
	for i, z := range static {
		if z == nil || m.fs.errors() > m.fs.ofZones || r.rejectsRanges(m, z) {
			continue
		}
		switch next[i], err = r.withLayers(m, z); {
		case errors.Is(err, journal.ErrCorrupt):
			m.reportDamaged(m.parts[i].apex, err)
			next[i] = nil
		case err != nil:
			return nil, err
		}
	}
	return next, nil
}

// rejectsRanges rejects names of ranges in a signed zone, and more records of them than may be. Rules
// in a signed zone are rejected with all other records that the configuration adds.
func (r *round) rejectsRanges(m *merge, z *zone.Zone) bool {
	apex := z.Apex()
	list := r.ranges.Of(apex)
	if len(list) == 0 || m.item.SynthTransfer == config.TransferRule {
		return false
	}
	reject := func(rule, format string, args ...any) bool {
		m.fs.add(finding.Finding{Severity: finding.Error, Position: list[0].Pos, Zone: apex, Rule: rule, Text: fmt.Sprintf(format, args...)})
		return true
	}
	if z.IsPreSigned() {
		return reject("signed-and-added", "zone %v is signed, and the names of %v (%s) would have no signatures; remove the range, or serve the zone unsigned", apex, list[0].Prefix, list[0].Template)
	}
	count, limit := r.ranges.Count(apex), r.cfg.Limits.Materialize
	if r.ranges.IsMaterialized(apex) && count.Cmp(big.NewInt(int64(limit))) > 0 {
		return reject("materialize-limit", "zone %v has names of %v addresses in its ranges, and limits.materialize allows %d records of them; make the ranges smaller, raise the limit, or write `synth_transfer: rule`, so that secondaries that run ptrd have the names, or `omit`", apex, count, limit)
	}
	return false
}

// decide returns the change at one apex, nil if there is none, and its result. z is what is to be
// served. If it is nil or cannot follow what was served before, that stays.
func (r *round) decide(m *merge, part *zonePart, z *zone.Zone) (*zone.Change, result, error) {
	base := r.set.Get(part.apex)
	hasBase := base != nil && base.IsAvailable()
	change := &zone.Change{Apex: part.apex, Base: base, Kept: m.item.Dynamic}
	var serial zone.Serial
	if z != nil {
		prev, err := commit.ReadLast(r.a.o.Journal, base, part.apex)
		switch {
		case errors.Is(err, journal.ErrCorrupt):
			m.reportDamaged(part.apex, err)
			z = nil
		case err != nil:
			return nil, result{}, err
		default:
			if !hasBase {
				m.warnShrunk(part, prev.Records, z.Stats().Records)
			}
			var ok bool
			if serial, ok = m.setSerial(change, part, &prev, z, r.now.Unix()); !ok {
				z = nil
			}
		}
	}
	switch {
	case z == nil:
		change, res := keepServed(part.apex, base)
		return change, res, nil
	case hasBase && base.Serial() == serial && base.Digest() == z.Digest():
		if change.Zone = r.attach(base.WithLayers(z.Layers()), m.item); change.Zone == base {
			return nil, result{zone: base}, nil
		}
		return change, result{zone: change.Zone}, nil
	}
	z = r.attach(z.WithSerial(serial), m.item)
	change.Zone = z
	if hasBase {
		limit := max(base.Stats().Bytes, z.Stats().Bytes, minChangeset)
		if c := zone.DiffWithin(base, z, limit, m.worker.pause); c != nil {
			change.Steps = []zone.Step{{Changeset: c, Source: m.source, At: r.now.UnixMilli()}}
		}
	}
	return change, result{zone: z}, nil
}

// attach returns a zone of an item with the keys and rules of ranges that are no part of its data.
func (r *round) attach(z *zone.Zone, item *config.Zone) *zone.Zone {
	return r.ranges.Attach(z, item.Dynamic)
}

// setSerial returns the serial that z is to be served with, and fills in what change says about
// it. ok is false if z cannot be served; then there is an error.
func (m *merge) setSerial(change *zone.Change, part *zonePart, prev *commit.Last, z *zone.Zone, unix int64) (serial zone.Serial, ok bool) {
	if m.soaFile == "" {
		return prev.GeneratedSerial(z.Digest(), unix), true
	}
	serial = z.Serial()
	change.Declared, change.HasDeclared = serial, true
	if !z.IsPreSigned() {
		serial, warning := declaredSerial(prev, z.Digest(), serial)
		if warning != "" {
			m.reportZone(finding.Warning, "serial-not-taken", part.apex, "%s", warning)
		}
		return serial, true
	}
	change.Verbatim = true
	if part.added > 0 {
		m.reportZone(finding.Error, "signed-and-added", part.apex,
			"zone %v is signed, but %s adds %s from the configuration, which would have no signatures; put them in the file before it is signed",
			part.apex, m.item.Path, spelling.Number(part.added, "record"))
		return 0, false
	}
	if m.item.Derive != nil && m.item.Explicit.Derive {
		m.reportZone(finding.Error, "signed-and-derived", part.apex,
			"zone %v is signed, but %s derives PTRs, which would have no signatures; remove `derive`, or name a file that is not signed", part.apex, m.item.Path)
		return 0, false
	}
	if fault := signedSerial(prev, z.Digest(), serial); fault != "" {
		m.reportZone(finding.Error, "signed-serial", part.apex, "%s", fault)
		return 0, false
	}
	return serial, true
}

// keepServed returns the change and result where the zone at an apex stays as it is. A zone that
// was not served yet gets no data.
func keepServed(apex dname.Name, base *zone.Zone) (*zone.Change, result) {
	if base != nil {
		return nil, result{zone: base, reason: notLoaded}
	}
	z := zone.Unavailable(apex, notLoaded)
	return &zone.Change{Zone: z, Apex: apex}, result{zone: z, reason: notLoaded}
}

// firstError returns the first error that concerns the zone at apex.
func firstError(list []finding.Finding, apex dname.Name) string {
	for _, f := range list {
		if f.Severity == finding.Error && (f.Zone == nil || f.Zone.Equal(apex)) {
			return f.String()
		}
	}
	panic(fmt.Sprintf("assemble: zone %v is broken without an error", apex))
}

// addOtherPositions adds to the errors about records that contradict each other where the other
// records are. Only if there is such an error does it read the sources again.
func (m *merge) addOtherPositions(list []finding.Finding) {
	owners := map[string][]int{} // findings by owner
	for i, f := range list {
		if f.More > 0 {
			continue
		}
		switch f.Rule {
		case "several-cnames", "cname-and-other-data", "several-soas", "several-dnames", "dname-and-ns":
			owners[f.Owner.Key()] = append(owners[f.Owner.Key()], i)
		}
	}
	if len(owners) == 0 {
		return
	}
	others := make(map[int][]string)
	var generated [][]generatedRecord
	for _, part := range m.parts {
		generated = append(generated, part.generated)
	}
	again := newMerge(m.item, generated, m.table, m.limit, m.worker)
	for _, part := range again.parts {
		part.emit = func(r zone.Record, _ Layer, _ Rule) {
			for _, i := range owners[r.Owner.Key()] {
				f := &list[i]
				if strings.HasPrefix(f.Rule, "several-") && r.Type != f.Type {
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
	again.readLayers()
	for i, records := range others {
		list[i].Text += " (there is " + strings.Join(records, ", ") + ")"
	}
}
