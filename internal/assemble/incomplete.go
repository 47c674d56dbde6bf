package assemble

import (
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/finding"
)

// isComplete reports whether the file at path may be read.
func (r *round) isComplete(path string, w *worker) bool {
	return r.how.IsComplete == nil || r.how.IsComplete(w.task, path)
}

// incompleteFiles returns the files of an item that must not be read yet. A file that did not
// change since it was read may be read again. Included files are only known after they were
// read, see changedMeanwhile.
func (r *round) incompleteFiles(item *config.Zone, old *outcome, w *worker) (list []string) {
	if r.how.IsComplete == nil {
		return nil
	}
	for _, f := range sourceFiles(item) {
		if !old.hasProved(f.Path, w) && !r.isComplete(f.Path, w) {
			list = append(list, f.Path)
		}
	}
	return list
}

// hasProved reports whether path was read for the outcome and did not change since.
func (o *outcome) hasProved(path string, w *worker) bool {
	return o != nil && slices.ContainsFunc(o.files, func(f *fileState) bool { return f.path == path && f.isProved(w) })
}

// changedMeanwhile returns the files that changed while they were read, or were not complete then.
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

// postpone leaves the zones of an item as they are until its files are complete. Zones that were
// never served have no data until then.
func (r *round) postpone(item *config.Zone, old *outcome, incomplete []string) itemPlan {
	if old.isServed(r, item) {
		return itemPlan{outcome: old.asServed(r.set), reused: true, incomplete: incomplete}
	}
	p := itemPlan{outcome: &outcome{apexes: item.Apexes}, incomplete: incomplete}
	var fs findings
	fs.report(finding.Error, "unfinished-file", finding.Position{File: incomplete[0]},
		"the file is still being written, so that %s is not served from it yet; it is read when it is closed, or with `ptrd reload`", item.Path)
	p.findings = fs.Listed()
	for _, apex := range item.Apexes {
		change, res := keepServed(apex, r.set.Get(apex))
		res.reason = fs.Listed()[0].String()
		p.add(change, res)
	}
	return p
}

// isServed reports whether set has the zones of the outcome, one for each apex of the item.
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
