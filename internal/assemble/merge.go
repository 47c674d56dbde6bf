package assemble

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// merge brings the layers of one item together, record by record, so that no
// layer is ever held in memory as a whole but the generated one, which is small.
//
// The static layers (master files, the config's own records, hosts files) are
// poured first; all of them have the same rank, and an RRset is the union of
// theirs. On the way it is noted what they have at the owners that lower layers
// want. Then come the lower layers, an RRset at a time, where no higher one has
// that RRset. Today the generated layer is the only lower one; dynamic and
// synthesized ones follow it in the same way, in the order of their rank.
type merge struct {
	item   *config.Zone
	table  *source.Table
	limit  int // records that $GENERATE may make
	fs     findings
	parts  []*share
	read   fileReader
	worker *worker
	source string   // of the changes, for the history
	seen   []string // files that were looked for

	damaged bool // what is kept of a zone cannot be read

	soaFile string   // the first file with an SOA; empty: none has one
	soaTag  zone.Tag // of that SOA
	outside int      // records of files that lie in none of the item's zones

	before, after int   // records of zones that are served for the first time since the start
	memory        int64 // octets that a zone may take
	count         int   // records that were added
	isOver        bool  // a zone took more
}

// share is what one of the item's zones gets.
type share struct {
	apex  dname.Name
	made  []made
	above map[string]*presence // by the keys of owners in made, and of the apex
	// lengths are those of the owners in above: a look at them spares nearly every
	// record of a large file the search.
	lengths [dname.MaxWire + 1]bool
	take    func(r zone.Record, from Layer, rule Rule)

	apexNS dname.Name // the first static one
	added  int        // records that did not come from a master file
}

// presence is what higher layers have at one owner.
type presence struct {
	types []rr.Type
	tags  []zone.Tag // of the first record of each
	data  [][][]byte // RDATA of each
}

// of returns the index of type t, -1 if there is none.
func (p *presence) of(t rr.Type) int { return slices.Index(p.types, t) }

// has reports whether a record with the RDATA is among those of types[i].
func (p *presence) has(i int, data []byte) bool {
	return slices.ContainsFunc(p.data[i], func(d []byte) bool {
		if t := p.types[i]; t == rr.TypeNS || t == rr.TypeCNAME {
			return dname.Name(d).Equal(data)
		}
		return bytes.Equal(d, data)
	})
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

// newMerge prepares the merge of an item whose zones have the generated records
// made, in the order of its apexes.
func newMerge(item *config.Zone, made [][]made, table *source.Table, limit int, w *worker) *merge {
	m := &merge{item: item, table: table, limit: limit, worker: w, read: fileReader{worker: w}}
	for i, apex := range item.Apexes {
		s := &share{apex: apex, made: made[i], above: map[string]*presence{}}
		s.watch(apex)
		for _, r := range s.made {
			s.watch(r.Owner)
		}
		m.parts = append(m.parts, s)
	}
	return m
}

// pour hands every record of every layer to the take of its share.
func (m *merge) pour() {
	for i := range m.item.Files {
		m.file(&m.item.Files[i])
	}
	inline(m.item, m.table, &m.fs, func(r zone.Record) { m.static(r, LayerConfig) })
	for i := range m.item.Hosts {
		m.hosts(&m.item.Hosts[i])
	}
	if n := m.outside - maxFindings; n > 0 {
		m.fs.report(zone.Warning, "out-of-zone", m.item.Pos, "%s: %d more records of its files are not in %s and are ignored", m.item.Path, n, itemName(m.item))
	}
	if m.soaFile != "" {
		m.unused()
	}
	for _, s := range m.parts {
		m.generated(s)
	}
}

// at puts a finding of a record where its tag says.
func (m *merge) at(f zone.Finding) Finding {
	p, _ := m.table.Position(f.Tag)
	return Finding{Finding: f, Pos: p}
}

// open opens a source. One that cannot be read, nil, is reported at its place in
// the config.
func (m *merge) open(f *config.File, key string) *infile.File {
	from, fault := m.read.open(f.Path)
	if fault != "" {
		m.fs.report(zone.Error, "unreadable-file", f.Pos, "%s.%s: %s %s", m.item.Path, key, f.Path, fault)
	}
	return from
}

// static hands on a record of a static layer.
func (m *merge) static(r zone.Record, from Layer) {
	m.worker.record()
	i := 0
	if len(m.parts) > 1 || from != LayerFile {
		i = route(m.item, r.Owner)
	}
	if i < 0 {
		m.misplaced(r, from)
		return
	}
	s := m.parts[i]
	atApex := len(r.Owner) == len(s.apex) && r.Owner.Equal(s.apex)
	if from == LayerFile {
		if r.Type == rr.TypeSOA && m.refusedSOA(&r) || r.Type == rr.TypeNS && atApex && m.refusedNS(&r) {
			return
		}
	} else {
		s.added++
	}
	if atApex && r.Type == rr.TypeNS && s.apexNS == nil {
		s.apexNS = dname.FromWire(r.Data).Clone()
	}
	if s.lengths[len(r.Owner)] {
		var room [dname.MaxWire]byte
		if p := s.above[string(r.Owner.AppendLower(room[:0]))]; p != nil {
			p.note(&r)
		}
	}
	s.take(r, from, RuleNone)
}

// watch has it noted what higher layers have at owner.
func (s *share) watch(owner dname.Name) {
	s.above[owner.Key()] = &presence{}
	s.lengths[len(owner)] = true
}

func (p *presence) note(r *zone.Record) {
	i := p.of(r.Type)
	if i < 0 {
		i = len(p.types)
		p.types = append(p.types, r.Type)
		p.tags = append(p.tags, r.Tag)
		p.data = append(p.data, nil)
	}
	p.data[i] = append(p.data[i], bytes.Clone(r.Data))
}

// misplaced reports a record that lies in none of the item's zones. A file may
// hold some, as in BIND; what the config itself says must be meant.
func (m *merge) misplaced(r zone.Record, from Layer) {
	f := zone.Finding{Severity: zone.Warning, Code: "out-of-zone", Tag: r.Tag, Owner: r.Owner.Clone(), Type: r.Type,
		Text: fmt.Sprintf("the owner is not in %s and is ignored; move the record to its own zone, or mend the $ORIGIN or the owner", itemName(m.item))}
	if from != LayerFile {
		f.Severity = zone.Error
		f.Text = fmt.Sprintf("the owner is not in %s; move the record to its own zone, or mend the owner", itemName(m.item))
	}
	if m.outside++; m.outside <= maxFindings || f.Severity == zone.Error {
		m.fs.add(m.at(f))
	}
}

// refusedSOA notes the SOA of a file, and refuses it in a file that feeds
// several zones: it could be the SOA of one only.
func (m *merge) refusedSOA(r *zone.Record) bool {
	if len(m.parts) > 1 {
		m.fs.add(m.at(zone.Finding{Severity: zone.Error, Code: "soa-of-several", Tag: r.Tag, Owner: r.Owner.Clone(), Type: r.Type,
			Text: fmt.Sprintf("%s makes %d zones, whose SOAs are generated; remove the SOA from the file, or configure each zone with a file of its own", itemName(m.item), len(m.parts))}))
		return true
	}
	if m.soaFile == "" {
		p, _ := m.table.Position(r.Tag)
		m.soaFile, m.soaTag = p.File, r.Tag
	}
	return false
}

// refusedNS refuses NS at the apex in a file that feeds several zones.
func (m *merge) refusedNS(r *zone.Record) bool {
	if len(m.parts) == 1 {
		return false
	}
	m.fs.add(m.at(zone.Finding{Severity: zone.Error, Code: "ns-of-several", Tag: r.Tag, Owner: r.Owner.Clone(), Type: r.Type,
		Text: fmt.Sprintf("%s makes %d zones, which share `nameservers`; remove the NS from the file and give the server there", itemName(m.item), len(m.parts))}))
	return true
}

// unused tells of settings that a file's SOA puts out of use.
func (m *merge) unused() {
	tell := func(given bool, key string, pos source.Position) {
		if given {
			m.fs.report(zone.Warning, "setting-not-used", pos, "%s.%s: not used, because %s has an SOA and so says itself what its SOA and NS are; remove `%s` here, or the SOA and NS there",
				m.item.Path, key, m.soaFile, key)
		}
	}
	pos := m.item.Pos
	if len(m.item.NameServers) > 0 {
		pos = m.item.NameServers[0].Pos
	}
	tell(m.item.Explicit.NameServers, "nameservers", pos)
	tell(m.item.Explicit.Contact, "contact", m.item.Pos)
	tell(m.item.Explicit.SOA, "soa", m.item.Pos)
}

// generated hands on those generated RRsets that no static layer has.
func (m *merge) generated(s *share) {
	if m.soaFile == "" {
		m.ownSOA(s)
	}
	for i := range s.made {
		r := &s.made[i]
		if m.soaFile != "" && r.rule.needsOwnSOA() {
			continue
		}
		p := s.above[r.Owner.Key()]
		switch {
		case r.Type == rr.TypeCNAME && len(p.types) > 0:
			m.collision(r, p)
		case p.of(r.Type) >= 0:
			m.overruled(r, p)
		default:
			s.added++
			s.take(r.Record, LayerGenerated, r.rule)
		}
	}
}

// ownSOA makes the SOA of a zone that has none in its files.
func (m *merge) ownSOA(s *share) {
	ns := s.apexNS
	if ns == nil && len(m.item.NameServers) > 0 {
		ns = m.item.NameServers[0].Name
	}
	if ns == nil {
		m.fs.report(zone.Error, "no-name-servers", m.item.Pos, "%s: zone %v has no name servers; give `nameservers` here or in `defaults`, as the zone's parent has them", m.item.Path, s.apex)
		return
	}
	s.added++
	s.take(soa(m.item, s.apex, ns, m.table), LayerGenerated, RuleApex)
}

// overruled tells of a generated record in whose place a higher layer has others
// of the same type. That is how precedence is meant to work with `defaults`; what
// was written for this very zone contradicts.
func (m *merge) overruled(r *made, p *presence) {
	i := p.of(r.Type)
	if p.has(i, r.Data) || r.rule == RuleApex && !m.item.Explicit.NameServers {
		return
	}
	where, _ := m.table.Position(p.tags[i])
	f := m.at(zone.Finding{Severity: zone.Warning, Code: "overruled", Tag: r.Tag, Owner: r.Owner, Type: r.Type,
		Text: fmt.Sprintf("%s is not served: %v has %v at this name, which goes before what is generated (%v); make both the same, or remove one",
			zonefile.RData(r.Type, r.Data), where, r.Type, r.rule)})
	m.fs.add(f)
}

// collision decides about a generated CNAME at a name that has static data. The
// same CNAME is what we wanted. Against a `delegate` entry other data are a
// contradiction; against a zone below they are a choice, since what is static
// comes first, but one that hides what that zone has.
func (m *merge) collision(r *made, p *presence) {
	target := dname.FromWire(r.Data)
	if i := p.of(rr.TypeCNAME); i >= 0 && p.has(i, r.Data) {
		return
	}
	i := slices.IndexFunc(p.types, func(t rr.Type) bool { return t != rr.TypeRRSIG && t != rr.TypeNSEC })
	if i < 0 {
		i = 0
	}
	where, _ := m.table.Position(p.tags[i])
	rule, _ := m.table.Position(r.Tag)
	f := zone.Finding{Severity: zone.Error, Code: "alias-collision", Tag: p.tags[i], Owner: r.Owner, Type: p.types[i],
		Text: fmt.Sprintf("the address is delegated at %v, which makes this name a CNAME to %v, and a CNAME stands alone (RFC 2317 §4, RFC 2181 §10.1); remove the %v, or delegate without this address", rule, target, p.types[i])}
	if r.rule == RuleChildAlias {
		f.Severity = zone.Warning
		f.Code = "alias-hidden"
		f.Text = fmt.Sprintf("this record hides %v of the zone configured at %v; move it there, so that the CNAME to that zone can be made", target, rule)
	}
	m.fs.add(Finding{Finding: f, Pos: where})
}
