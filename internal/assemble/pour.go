package assemble

import (
	"net/netip"
	"path/filepath"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/hostsfile"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// file pours a master file.
func (m *merge) file(f *config.File) {
	from := m.open(f, "file")
	if from == nil {
		return
	}
	defer from.Close()
	o := zonefile.Options{
		Root:          filepath.Dir(f.Path),
		Size:          from.Size,
		Task:          m.worker.task,
		Origin:        m.item.Origin,
		GenerateLimit: m.limit,
		Table:         m.table,
		Apexes:        m.item.Apexes,
		Tap:           m.read.tap,
	}
	// A TTL given for this very zone is like a $TTL at the top of its files; one
	// from `defaults` is only for files that say nothing at all about it.
	o.DefaultTTL, o.HasDefaultTTL = seconds(-1, m.item.TTL), m.item.Explicit.TTL
	o.FallbackTTL, o.HasFallbackTTL = o.DefaultTTL, true
	res := zonefile.Read(f.Path, from, o, func(r zone.Record) { m.static(r, LayerFile) })
	m.seen = append(m.seen, res.Files...)
	m.found(f.Path, res.Findings, res.Errors+res.Warnings)
}

// hosts pours a hosts file: the PTRs of those of its addresses that are ours.
// Such a file is often one for many zones, so that the others are no mistake.
func (m *merge) hosts(f *config.File) {
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
		m.static(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: seconds(-1, m.item.TTL), Data: target, Tag: tag}, LayerHosts)
	})
	m.found(f.Path, res.Findings, res.Errors+res.Warnings)
}

// found takes over the findings of a reader of a file, total in all.
func (m *merge) found(path string, list []zone.Finding, total int) {
	for _, f := range list {
		m.fs.add(m.at(f))
	}
	if n := total - len(list); n > 0 {
		m.fs.report(zone.Warning, "more", source.Position{File: path}, "%s", plural(n, "more finding", "more findings"))
	}
}
