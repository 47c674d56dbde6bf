package assemble

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
)

// merge merges the static layer of one item, record by record, so that only the generated
// records, of which there are few, are held in memory.
//
// Master files, the records in the configuration and hosts files are read first. They have the
// same precedence, and an RRset is the union of theirs. At the owner names of generated records,
// merge remembers what they have. Then it adds each generated RRset that they do not have.
type merge struct {
	item   *config.Zone
	table  *source.Table
	limit  int // records that $GENERATE may make
	fs     findings
	parts  []*zonePart
	read   fileReader
	worker *worker
	source string   // of the changes, for the history
	seen   []string // files that were looked for

	confirm *confirmer // of the targets of PTRs; nil: they are not checked
	damaged bool       // data of a zone in the state directory cannot be read

	soaFile string   // the first file with an SOA; empty: none has one
	soaTag  zone.Tag // of that SOA

	before, after int   // records of zones that are served for the first time since the start
	memory        int64 // octets that a zone may take
	count         int   // records that were added
	isOver        bool  // a zone took more than memory
}

// zonePart is the part of a merge that belongs to one of the item's zones.
type zonePart struct {
	apex      dname.Name
	generated []generatedRecord
	builder   *zone.Builder // nil: no zone is built, or it was built
	emit      func(r zone.Record, from Layer, rule Rule)

	top    staticNode   // what the static layers have at the apex
	others *staticNodes // and at the other owners of generated; nil: there are none

	apexNS dname.Name // the first static one
	added  int        // records that did not come from a master file
}

// staticNodes are the nodes of some owners by their keys. lengths are the lengths of those
// owners: they spare nearly every record of a large file the lookup.
type staticNodes struct {
	nodes   map[string]*staticNode
	lengths [dname.MaxWire + 1]bool
}

// staticNode is what the static layers have at one owner name.
type staticNode struct {
	types []rr.Type
	tags  []zone.Tag // of the first record of each
	data  [][][]byte // RDATA of each
}

// index returns the index of type t, -1 if there is none.
func (n *staticNode) index(t rr.Type) int { return slices.Index(n.types, t) }

// has reports whether a record with the RDATA is among those of types[i].
func (n *staticNode) has(i int, data []byte) bool {
	return slices.ContainsFunc(n.data[i], func(d []byte) bool {
		if t := n.types[i]; t == rr.TypeNS || t == rr.TypeCNAME {
			return dname.Name(d).Equal(data)
		}
		return bytes.Equal(d, data)
	})
}

func (n *staticNode) add(r *zone.Record) {
	i := n.index(r.Type)
	if i < 0 {
		i = len(n.types)
		n.types = append(n.types, r.Type)
		n.tags = append(n.tags, r.Tag)
		n.data = append(n.data, nil)
	}
	n.data[i] = append(n.data[i], bytes.Clone(r.Data))
}

// Layer is the kind of source that a record comes from.
type Layer uint8

// The layers.
const (
	LayerFile Layer = iota
	LayerConfig
	LayerHosts
	LayerGenerated
)

func (l Layer) String() string {
	return [...]string{"master file", "configuration", "hosts file", "generated"}[l]
}

// newMerge prepares the merge of an item. generated are the generated records of its zones, in
// the order of its apexes.
func newMerge(item *config.Zone, generated [][]generatedRecord, table *source.Table, limit int, w *worker) *merge {
	m := &merge{item: item, table: table, limit: limit, worker: w, read: fileReader{worker: w}}
	for i, apex := range item.Apexes {
		part := &zonePart{apex: apex, generated: generated[i]}
		for _, r := range part.generated {
			part.remember(r.Owner)
		}
		m.parts = append(m.parts, part)
	}
	return m
}

// remember has what the static layers have at owner remembered.
func (part *zonePart) remember(owner dname.Name) {
	if owner.Equal(part.apex) {
		return
	}
	if part.others == nil {
		part.others = &staticNodes{nodes: map[string]*staticNode{}}
	}
	part.others.nodes[owner.Key()] = &staticNode{}
	part.others.lengths[len(owner)] = true
}

// static returns the node of an owner; nil if it is not remembered.
func (part *zonePart) static(owner dname.Name) *staticNode {
	if len(owner) == len(part.apex) && owner.Equal(part.apex) {
		return &part.top
	}
	if part.others == nil || !part.others.lengths[len(owner)] {
		return nil
	}
	var buf [dname.MaxWire]byte
	return part.others.nodes[string(owner.AppendLower(buf[:0]))]
}

// readLayers hands every record of every layer to the emit of its part.
func (m *merge) readLayers() {
	for i := range m.item.Files {
		m.readMaster(&m.item.Files[i])
	}
	emitInline(m.item, m.table, &m.fs, func(r zone.Record) { m.addStatic(r, LayerConfig) })
	for i := range m.item.Hosts {
		m.readHosts(&m.item.Hosts[i])
	}
	if m.soaFile != "" {
		m.reportUnused()
	}
	for _, part := range m.parts {
		m.addGenerated(part)
	}
}

// addStatic adds a record of a static layer.
func (m *merge) addStatic(r zone.Record, from Layer) {
	m.worker.countRecord()
	i := 0
	if len(m.parts) > 1 || from != LayerFile {
		i = zoneIndex(m.item, r.Owner)
	}
	if i < 0 {
		m.reportOutside(r, from)
		return
	}
	part := m.parts[i]
	atApex := len(r.Owner) == len(part.apex) && r.Owner.Equal(part.apex)
	if from == LayerFile {
		if r.Type == rr.TypeSOA && m.rejectsSOA(&r) || r.Type == rr.TypeNS && atApex && m.rejectsNS(&r) {
			return
		}
	} else {
		part.added++
	}
	if atApex && r.Type == rr.TypeNS && part.apexNS == nil {
		part.apexNS = dname.FromWire(r.Data).Clone()
	}
	if n := part.static(r.Owner); n != nil {
		n.add(&r)
	}
	part.emit(r, from, RuleNone)
}

// reportOutside reports a record that lies in none of the item's zones. A file may have such
// records, as in BIND; in the configuration they are an error.
func (m *merge) reportOutside(r zone.Record, from Layer) {
	f := finding.Finding{Severity: finding.Warning, Rule: "out-of-zone", Tag: r.Tag, Owner: r.Owner.Clone(), Type: r.Type,
		Text: fmt.Sprintf("the owner is not in %s and is ignored; move the record to its own zone, or correct the $ORIGIN or the owner", itemName(m.item))}
	if from != LayerFile {
		f.Severity = finding.Error
		f.Text = fmt.Sprintf("the owner is not in %s; move the record to its own zone, or correct the owner", itemName(m.item))
	}
	m.fs.add(m.table.Locate(f))
}

// rejectsSOA remembers the SOA of a file. It rejects the SOA of a file for several zones, which
// could be that of one zone only.
func (m *merge) rejectsSOA(r *zone.Record) bool {
	if len(m.parts) > 1 {
		m.fs.add(m.table.Locate(finding.Finding{Severity: finding.Error, Rule: "soa-of-several", Tag: r.Tag, Owner: r.Owner.Clone(), Type: r.Type,
			Text: fmt.Sprintf("%s makes %d zones, whose SOAs are generated; remove the SOA from the file, or configure each zone with a file of its own", itemName(m.item), len(m.parts))}))
		return true
	}
	if m.soaFile == "" {
		p, _ := m.table.Position(r.Tag)
		m.soaFile, m.soaTag = p.File, r.Tag
	}
	return false
}

// rejectsNS rejects NS at the apex in a file for several zones.
func (m *merge) rejectsNS(r *zone.Record) bool {
	if len(m.parts) == 1 {
		return false
	}
	m.fs.add(m.table.Locate(finding.Finding{Severity: finding.Error, Rule: "ns-of-several", Tag: r.Tag, Owner: r.Owner.Clone(), Type: r.Type,
		Text: fmt.Sprintf("%s makes %d zones, which share `nameservers`; remove the NS from the file and give the server there", itemName(m.item), len(m.parts))}))
	return true
}

// reportUnused reports settings that have no effect because a file has an SOA.
func (m *merge) reportUnused() {
	report := func(given bool, key string, pos finding.Position) {
		if given {
			m.fs.warn("setting-not-used", m.parts[0].apex, pos, "%s.%s: not used, because %s has an SOA, and then the SOA and NS of the zone come from there; remove `%s` here, or the SOA and NS there",
				m.item.Path, key, m.soaFile, key)
		}
	}
	pos := m.item.Pos
	if len(m.item.NameServers) > 0 {
		pos = m.item.NameServers[0].Pos
	}
	report(m.item.Explicit.NameServers, "nameservers", pos)
	report(m.item.Explicit.Contact, "contact", m.item.Pos)
	report(m.item.Explicit.SOA, "soa", m.item.Pos)
}

// addGenerated adds those generated RRsets that no static layer has.
func (m *merge) addGenerated(part *zonePart) {
	if m.soaFile == "" {
		m.addSOA(part)
	}
	for i := range part.generated {
		r := &part.generated[i]
		if m.soaFile != "" && r.rule.needsOwnSOA() {
			continue
		}
		n := part.static(r.Owner)
		switch {
		case r.Type == rr.TypeCNAME && len(n.types) > 0:
			m.reportCollision(r, n)
		case n.index(r.Type) >= 0:
			m.reportOverruled(r, n)
		default:
			part.added++
			part.emit(r.Record, LayerGenerated, r.rule)
		}
	}
}

// addSOA generates the SOA of a zone that has none in its files.
func (m *merge) addSOA(part *zonePart) {
	ns := part.apexNS
	if ns == nil && len(m.item.NameServers) > 0 {
		ns = m.item.NameServers[0].Name
	}
	if ns == nil && m.lostSOA() {
		return // it may have been in the file
	}
	if ns == nil {
		m.fs.report(finding.Error, "no-name-servers", m.item.Pos, "%s: zone %v has no name servers; give `nameservers` here or in `defaults`, as the zone's parent has them", m.item.Path, part.apex)
		return
	}
	part.added++
	part.emit(generateSOA(m.item, part.apex, ns, m.table), LayerGenerated, RuleApex)
}

// lostSOA reports whether an error may have kept an SOA from being read.
func (m *merge) lostSOA() bool {
	return slices.ContainsFunc(m.fs.Listed(), func(f finding.Finding) bool {
		return f.Severity == finding.Error && (f.Type == rr.TypeSOA || slices.Contains(ofFiles[:], f.Rule))
	})
}

// ofFiles are the rules that files as a whole break.
var ofFiles = [...]string{"unreadable-file", "not-text", "not-a-master-file", "empty-file"}

// reportOverruled reports a generated record that is not served because a static layer has other
// records of its type. With `defaults` this is intended; with settings of this very zone it is a
// contradiction.
func (m *merge) reportOverruled(r *generatedRecord, n *staticNode) {
	i := n.index(r.Type)
	if n.has(i, r.Data) || r.rule == RuleApex && !m.item.Explicit.NameServers {
		return
	}
	where, _ := m.table.Position(n.tags[i])
	m.fs.add(m.table.Locate(finding.Finding{Severity: finding.Warning, Rule: "overruled", Tag: r.Tag, Owner: r.Owner, Type: r.Type,
		Text: fmt.Sprintf("%s is not served: %v has %v at this name, which takes precedence over what is generated (%v); make both the same, or remove one",
			rr.Text(r.Type, r.Data), where, r.Type, r.rule)}))
}

// reportCollision reports a generated CNAME at a name that has other static data. Against a
// `delegate` entry other data are a contradiction. Against a zone below they are a choice, since
// static data have precedence, but one that hides what that zone has.
func (m *merge) reportCollision(r *generatedRecord, n *staticNode) {
	target := dname.FromWire(r.Data)
	if i := n.index(rr.TypeCNAME); i >= 0 && n.has(i, r.Data) {
		return
	}
	i := max(slices.IndexFunc(n.types, func(t rr.Type) bool { return t != rr.TypeRRSIG && t != rr.TypeNSEC }), 0)
	rule, _ := m.table.Position(r.Tag)
	f := finding.Finding{Severity: finding.Error, Rule: "alias-collision", Tag: n.tags[i], Owner: r.Owner, Type: n.types[i],
		Text: fmt.Sprintf("the address is delegated at %v, which makes this name a CNAME to %v, and a CNAME excludes other data (RFC 2317 §4, RFC 2181 §10.1); remove the %v, or delegate without this address", rule, target, n.types[i])}
	if r.rule == RuleChildAlias {
		f.Severity = finding.Warning
		f.Rule = "alias-hidden"
		f.Text = fmt.Sprintf("this record hides %v of the zone configured at %v; move it there, so that the CNAME to that zone can be made", target, rule)
	}
	m.fs.add(m.table.Locate(f))
}
