package daemon

import (
	"context"
	"net/netip"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/derive"
	"github.com/ptrd/ptrd/internal/lease"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/spelling"
)

// newDeriver makes what derives names of addresses from forward zones and files of other programs.
func (d *Daemon) newDeriver(stateDir string) (*derive.Deriver, *lease.Sources) {
	files := lease.New(lease.Options{Changed: d.leasesChanged, Files: d.files, Dir: stateDir, Log: d.log, Guard: d.contain})
	return derive.New(derive.Options{Notes: d.journal, Pause: d.pause}), files
}

// originOfDerived returns what derived PTRs at a name follow from; empty: that is not known.
func (d *Daemon) originOfDerived(set *zone.Set, apex, owner dname.Name) string {
	for _, o := range d.deriver.Rules().Describe(set, apex, owner) {
		return o.String() // the best
	}
	return ""
}

// newRules returns what a configuration derives names from. No file of another program changes until
// done is called.
func (d *Daemon) newRules(ctx context.Context, cfg *config.Config) (r *derive.Rules, files []*lease.Source, done func(adopt bool)) {
	files, done = d.leases.Prepare(ctx, derive.Files(cfg))
	return derive.NewRules(cfg, lease.FilesOf(files)), files, done
}

// addLeases adds the condition that files of other programs cannot be used.
func (d *Daemon) addLeases(add addCondition) {
	var first lease.Status
	n := 0
	for _, s := range d.leases.Adopted() {
		if st := s.Status(); st.Problem != "" {
			if n++; n == 1 {
				first = st
			}
		}
	}
	switch {
	case n == 1:
		add("leases", finding.Warning, false, "%s", first.Fault())
	case n > 1:
		add("leases", finding.Warning, false, "%s; %s more cannot be used", first.Fault(), spelling.Number(n-1, "file"))
	}
}

// leasesChanged derives the names of addresses that a file of another program has changed.
func (d *Daemon) leasesChanged(s *lease.Source, addresses []netip.Addr) {
	for r := range d.deriver.FileChanges(s, addresses, sourceOfFile(s)) {
		if !d.commitLeases(s, r) {
			return
		}
	}
}

func sourceOfFile(s *lease.Source) string { return s.Format + " " + s.File.Path }

// commitLeases carries out a request about a file, and reports whether that was possible. If it cannot be made
// durable, catchUp repeats it for all of the file.
func (d *Daemon) commitLeases(s *lease.Source, r commit.Request) bool {
	_, err := d.zones.Commit(r)
	if err != nil {
		d.missed.Store(s, true)
		d.log.Error("names of addresses could not be changed", "file", s.File.Path, "err", err)
	}
	return err == nil
}

// catchUpLeases derives the names of files of which changes were missed.
func (d *Daemon) catchUpLeases() {
	for _, s := range d.leases.Adopted() {
		if _, missed := d.missed.LoadAndDelete(s); missed {
			d.commitLeases(s, d.deriver.FileChanged(s, nil, sourceOfFile(s)))
		}
	}
}

// derivedMetrics returns what zones derive.
func (d *Daemon) derivedMetrics() (out admin.Derived) {
	v := d.views.Load()
	if v == nil {
		return out
	}
	for _, t := range d.deriver.Rules().Totals(v.Zones) {
		out.Zones = append(out.Zones, admin.DerivedZone{Zone: t.Apex.String(), Records: t.Records, Conflicts: t.Conflicts, Drifted: t.Drifted})
	}
	for _, s := range d.leases.Adopted() {
		st := s.Status()
		out.Files = append(out.Files, admin.LeaseFile{Path: st.Path, Read: st.Read, Failing: st.Problem != "", Names: st.Names, Skipped: st.Skipped})
	}
	return out
}
