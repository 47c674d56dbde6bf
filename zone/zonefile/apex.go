package zonefile

import (
	"path/filepath"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
)

// noOrigin is what names are relative to where a file gives no $ORIGIN.
var noOrigin = dname.MustParse("no-origin.invalid.")

// FindApex returns the owner of the first SOA record in the master file at path, which names
// the zone, and reads no further. If there is none, apex is nil and the finding is the reason.
func FindApex(t *infile.Task, path string) (apex dname.Name, f finding.Finding) {
	table := new(source.Table)
	p := newParser(Options{Origin: noOrigin, Root: filepath.Dir(path), Table: table, Task: t}, nil)
	p.findsApex = true
	p.emit = func(r zone.Record) {
		if r.Type == rr.TypeSOA && !p.stop {
			apex, p.stop = r.Owner.Clone(), true
			f.Tag = r.Tag
		}
	}
	from, err := t.Open(path, maxFile)
	if err != nil {
		return nil, table.Locate(table.Add(path).Unreadable(err))
	}
	defer from.Close()
	p.o.Size = from.Size
	p.file(path, from, noOrigin)
	f.Severity, f.Rule = finding.Error, "zone-name"
	switch {
	case apex == nil && p.fs.Count(finding.Error) > 0:
		list := p.fs.Sorted()
		f = list[slices.IndexFunc(list, func(f finding.Finding) bool { return f.Severity == finding.Error })]
		f.Owner = nil // it may be below noOrigin
	case apex == nil:
		f.File, f.Text = path, "the file has no SOA record, which would name its zone; add one, or name zones by their files (`name: file`)"
	case apex.IsAtOrBelow(noOrigin):
		f.Text = "the owner of the SOA record is relative, and there is no $ORIGIN before it, so that it names no zone; write the complete name with a final dot, or name zones by their files (`name: file`)"
		apex = nil
	}
	return apex, table.Locate(f)
}
