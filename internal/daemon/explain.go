package daemon

import (
	"fmt"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/explain"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// explain answers a question from what is served, or was served at a time, with the changes that
// made the records.
func (d *Daemon) explain(v *answer.View, q explain.Question) (*explain.Explanation, error) {
	var e *explain.Explanation
	var err error
	if q.At.IsZero() {
		q.Derived, q.Dynamic = d.deriver.Rules(), d.hiddenUpdates
		e, err = explain.Explain(v, q)
	} else {
		v, e, err = d.explainPast(v, q)
	}
	if err != nil {
		return nil, err
	}
	e.AddSources(v.Zones, func(z *zone.Zone, records []zone.Record) []string {
		return d.changesOf(z, records, !q.At.IsZero())
	})
	return e, nil
}

// hiddenUpdates is the [explain.HiddenFunc] of what updates put into zones.
func (d *Daemon) hiddenUpdates(z *zone.Zone, owner dname.Name, add func(*zone.Record, ...string)) error {
	sets, err := commit.ReadDynamicAt(d.journal, z.Apex(), owner)
	for i := range sets {
		if !commit.IsHidden(z, &sets[i]) {
			continue
		}
		for _, r := range sets[i].Records() {
			add(&r, "update"+d.endOf(z.Apex(), &r))
		}
	}
	return err
}

// endOf returns when a record ends that an update added, as text; empty: it does not end.
func (d *Daemon) endOf(apex dname.Name, r *zone.Record) string {
	if end := d.updater.End(apex, r); !end.IsZero() {
		return ", ends " + history.Moment(end)
	}
	return ""
}

// explainPast answers a question from the zones as they were at a time: those that the answer is from
// are rewound, one after another, since an alias may lead to the next. It also returns the View of
// that answer.
func (d *Daemon) explainPast(v *answer.View, q explain.Question) (*answer.View, *explain.Explanation, error) {
	if q.At.After(time.Now()) {
		return nil, nil, fmt.Errorf("%s is not past", history.Moment(q.At))
	}
	if err := d.checkGone(v.Zones, q); err != nil {
		return nil, nil, err
	}
	zones := v.Zones
	rewound := map[string]bool{}
	for {
		v = &answer.View{Zones: zones, Policy: v.Policy}
		e, err := explain.Explain(v, q)
		if err != nil {
			return nil, nil, err
		}
		last := len(rewound)
		for _, s := range e.Steps {
			if s.Zone == "" || rewound[s.Zone] {
				continue
			}
			rewound[s.Zone] = true
			apex, err := dname.Parse(s.Zone)
			if err != nil {
				return nil, nil, err
			}
			z, err := history.Rewind(d.journal, apex, zones.Get(apex), q.At)
			if err != nil {
				return nil, nil, err
			}
			if z == nil {
				zones = zones.With(nil, []dname.Name{apex})
			} else {
				zones = zones.With([]*zone.Zone{z}, nil)
			}
			break // the next steps may be others
		}
		if len(rewound) == last {
			return v, e, nil
		}
	}
}

// checkGone returns an error if a zone that had the name of the question at that time is gone: the
// history has changes of it and no content to undo them in.
func (d *Daemon) checkGone(zones *zone.Set, q explain.Question) error {
	for name := q.Name; ; name = name.Parent() {
		if entry, ok, err := d.journal.Last(name); err != nil {
			return err
		} else if ok && entry.Gone && zones.Get(name) == nil {
			if _, err := history.Rewind(d.journal, name, nil, q.At); err != nil {
				return err
			}
		}
		if len(name) == 1 {
			return nil
		}
	}
}

// changesOf returns the changes that added records of a zone. Without all, those are left out that a
// reload made: the places in the sources are shown for these.
func (d *Daemon) changesOf(z *zone.Zone, records []zone.Record, all bool) (out []string) {
	lines, err := history.Origins(d.journal, z.Apex(), z.Serial(), records)
	if err != nil {
		out = append(out, fmt.Sprintf("changes are not known: %v", err))
	}
	for i := range lines {
		l, r := &lines[i], &records[i]
		// A change by the API of EC2 names the address itself; one of a trimmed history does not.
		if from := d.elasticOf(r.Owner, r.Type); !all && !strings.Contains(l.Source, from) {
			out = append(out, from)
		}
		layer := layerOf(z, r)
		isShownAgain := layer == byUpdate && !strings.HasPrefix(l.Source, "update")
		if l.What == "" || !all && !isShownAgain && strings.HasPrefix(l.Source, "reload") {
			continue
		}
		text := l.By()
		switch {
		case isShownAgain:
			text = "update, shown again by " + text
		case layer == byRange:
			text = "shown again by " + text
		}
		if id := d.hosted.ChangeOf(z.Apex(), l.Serial, l.At); id != "" && l.What == journal.Changed.String() {
			text += ", change " + id
		}
		out = append(out, text+d.endOf(z.Apex(), r))
	}
	return out
}
