package assemble

import (
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/source"
)

// isComplete reports whether the file at path may be read.
func (r *round) isComplete(path string, w *worker) bool {
	return r.how.IsComplete == nil || r.how.IsComplete(w.task, path)
}

// unfinishedOf returns those files of an item that are not to be read yet. What was
// read before and is the same may be read again. Included files are only known once
// they were read, see changedMeanwhile.
func (r *round) unfinishedOf(item *config.Zone, old *outcome, w *worker) (list []string) {
	if r.how.IsComplete == nil {
		return nil
	}
	for _, files := range [][]config.File{item.Files, item.Hosts} {
		for i := range files {
			if path := files[i].Path; !old.hasProved(path, w) && !r.isComplete(path, w) {
				list = append(list, path)
			}
		}
	}
	return list
}

// hasProved reports whether path was read for the outcome and is the same since.
func (o *outcome) hasProved(path string, w *worker) bool {
	return o != nil && slices.ContainsFunc(o.files, func(f *fileState) bool { return f.path == path && f.isProved(w) })
}

// changedMeanwhile returns those of the files that changed while they were read, or
// were not complete then.
func (r *round) changedMeanwhile(files []*fileState, old *outcome, w *worker) (list []string) {
	if r.how.IsComplete == nil {
		return nil
	}
	for _, f := range files {
		now, err := w.task.Stat(f.path)
		if f.fault == "" && (err != nil || !f.id.IsOf(now.Identity)) || !old.hasProved(f.path, w) && !r.isComplete(f.path, w) {
			list = append(list, f.path)
		}
	}
	return list
}

// wait leaves the zones of an item as they are until its files are complete. Those
// that were never served have no data until then.
func (r *round) wait(item *config.Zone, old *outcome, unfinished []string) end {
	if old.isServed(r, item) {
		return end{outcome: old.asServed(r.set), reused: true, unfinished: unfinished}
	}
	e := end{outcome: &outcome{apexes: item.Apexes}, unfinished: unfinished}
	var fs findings
	fs.report(zone.Error, "unfinished-file", source.Position{File: unfinished[0]},
		"the file is still being written, so that %s is not served from it yet; it is read when it is closed, or with `ptrd reload`", item.Path)
	e.findings = fs.list
	for _, apex := range item.Apexes {
		change, res := keep(apex, r.set.Get(apex))
		res.reason = fs.list[0].String()
		if change != nil {
			e.changes = append(e.changes, *change)
		}
		e.results = append(e.results, res)
	}
	return e
}

// isServed reports whether the outcome has a zone in set for each apex of the item.
func (o *outcome) isServed(r *round, item *config.Zone) bool {
	if o == nil || len(o.apexes) != len(item.Apexes) {
		return false
	}
	for i, apex := range item.Apexes {
		if !apex.Equal(o.apexes[i]) || r.set.Get(apex) == nil {
			return false
		}
	}
	return true
}
