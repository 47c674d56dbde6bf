package assemble

import (
	"net/netip"
	"path/filepath"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/hostsfile"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// open opens a source. If it cannot be read, open returns nil and reports it at its position in
// the configuration.
func (m *merge) open(f *config.File, key string) *infile.File {
	from, fault := m.read.open(f.Path)
	if fault != "" {
		m.fs.report(finding.Error, "unreadable-file", f.Pos, "%s.%s: %s %s", m.item.Path, key, f.Path, fault)
	}
	return from
}

// readMaster reads a master file.
func (m *merge) readMaster(f *config.File) {
	from := m.open(f, "file")
	if from == nil {
		return
	}
	defer from.Close()
	o := zonefile.Options{
		Root:          filepath.Dir(f.Path),
		Size:          from.Size,
		Task:          m.worker.task,
		Room:          m.worker.room,
		Origin:        m.item.Origin,
		GenerateLimit: m.limit,
		Table:         m.table,
		Apexes:        m.item.Apexes,
		Checks:        m.item.Checks,
		Tap:           m.read.tap,
	}
	// A TTL of this very zone is like a $TTL at the top of its files; one from `defaults` only
	// applies to files without any TTL.
	o.DefaultTTL, o.HasDefaultTTL = seconds(-1, m.item.TTL), m.item.Explicit.TTL
	o.FallbackTTL, o.HasFallbackTTL = o.DefaultTTL, true
	res := zonefile.Read(f.Path, from, o, func(r zone.Record) { m.addStatic(r, LayerFile) })
	m.seen = append(m.seen, res.Files...)
	m.addFindings(res.Findings)
}

// readHosts reads a hosts file: the PTRs of those of its addresses that are in the item's zones.
// Other addresses are no error, since one such file often serves many zones.
func (m *merge) readHosts(f *config.File) {
	from := m.open(f, "hosts")
	if from == nil {
		return
	}
	defer from.Close()
	o := hostsfile.Options{
		Domain: m.item.HostsDomain,
		Table:  m.table,
		Tap:    m.read.tap,
		Wants: func(a netip.Addr) bool {
			_, ok := ownerOf(m.item, a)
			return ok
		},
	}
	res := hostsfile.Read(f.Path, from, o, func(a netip.Addr, target dname.Name, tag zone.Tag) {
		owner, _ := ownerOf(m.item, a)
		m.addStatic(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: seconds(-1, m.item.TTL), Data: target, Tag: tag}, LayerHosts)
	})
	m.addFindings(res.Findings)
}

// addFindings adds the findings in a file.
func (m *merge) addFindings(list []finding.Finding) {
	for _, f := range list {
		m.fs.add(m.table.Locate(f))
	}
}
