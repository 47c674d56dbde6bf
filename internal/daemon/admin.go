package daemon

import (
	"os"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/zone/finding"
)

func (d *Daemon) newAdmin() *admin.Server {
	return admin.New(admin.Options{
		Metrics: admin.Metrics(admin.Source{
			Version: d.o.Version,
			Totals:  func() server.Totals { return d.server.Totals() },
			Buckets: func() (int, int) { return d.server.RateBuckets() },
			View:    d.views.Load,
			Reload:  d.lastReload,
			Damage:  func() int { return len(d.damage) },
			Journal: func() (bool, uint64) { return d.journal.Condition() == nil, d.journal.Failures() },
			Load:    d.loadMetrics,
			Hung:    d.files.Count,
			Absent:  func() int { return len(d.absentAddresses()) },
			Faults:  d.contain.Counts,
			Stuck:   func() int { return len(d.stuckParts()) },

			Secondaries: d.secondaryMetrics,
			Transfers:   d.transferMetrics,
			FCRDNS:      d.fcrdnsMetrics,
			Derived:     d.derivedMetrics,
			Downstream:  d.downstream,
			State:       d.stateMetrics,
			Updates:     func() map[string]uint64 { return d.updater.Totals() },
			Log:         d.events.Totals,
			API:         d.apiCounts.Requests,
			Hosted:      func() int { return d.hosted.CountZones((*hosted.Zone).IsHosted) },
		}),
		Ready:  d.isReady,
		Status: func() any { return d.Status() },
		Pprof: func() bool {
			st := d.state.Load()
			return st != nil && st.cfg.Listen.Pprof
		},
		Hosts: d.adminHosts,
		Log:   d.log,
	})
}

// adminHosts returns the names that requests may call the admin address by.
func (d *Daemon) adminHosts() (names []string) {
	if st := d.state.Load(); st != nil {
		names = st.cfg.Listen.Hosts
	} else {
		names = d.first.Listen.Hosts
	}
	if own, err := os.Hostname(); err == nil { // else it has none
		names = append(names[:len(names):len(names)], strings.ToLower(own))
	}
	return names
}

func (d *Daemon) loadMetrics() (l admin.Load) {
	l.UnderWay = d.load.Load() != nil
	l.ZonesDone, l.Zones = d.progress.Zones()
	l.Records, l.Bytes = d.progress.Read()
	return l
}

func (d *Daemon) lastReload() admin.Reload {
	st := d.state.Load()
	if st == nil {
		return admin.Reload{}
	}
	o := st.outcome
	r := admin.Reload{
		OK: o.OK(), At: o.At, LastOK: st.good,
		Took: time.Duration(o.Seconds * float64(time.Second)), Unfinished: len(d.watcher.Unfinished()), Held: d.heldCounts(),
	}
	r.Errors, r.Warnings = finding.Count(o.Findings)
	for _, z := range o.Broken {
		if z.LastGood {
			r.LastGood++
		}
	}
	return r
}
