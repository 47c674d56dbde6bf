package lease

import (
	"io"
	"net/netip"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/hostsfile"
	"github.com/ptrd/ptrd/zone/source"
)

// hosts reads a hosts(5) file, whose names have no end.
func (r *reader) hosts(from io.Reader) error {
	var table source.Table
	o := hostsfile.Options{Domain: r.Domain, DomainKey: "domain", Table: &table}
	res := hostsfile.Read(r.c.paths[r.file], from, o, func(a netip.Addr, name dname.Name, tag zone.Tag) {
		r.c.good++
		p, _ := table.Position(tag)
		r.add(a, name, forever, p.Line)
	})
	if res.Err != nil {
		return res.Err
	}
	for _, f := range res.Findings {
		r.c.skipped += max(1, f.More)
		f.Severity = finding.Warning
		r.c.faults.Add(table.Locate(f))
	}
	return nil
}
