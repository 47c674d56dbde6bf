package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/platform"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/internal/systemd"
	"github.com/ptrd/ptrd/internal/watch"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/journal"
)

// The causes of a reload. Only for the last does a client wait for the outcome.
const (
	causeFile    = "file"
	causeSignal  = "signal"
	causeDisk    = "disk" // the journal can be written again
	causeControl = "control"
)

// round is how one reload reads, and what it may remove.
type round struct {
	assemble.Round
	confirmed *confirmation
	held      *Held // the configuration; nil: it is used as it was read
}

// reload reads everything that changed and serves it. c says what of it may remove more
// than max_shrink.
func (d *Daemon) reload(ctx context.Context, cause string, c *confirmation) *Outcome {
	begin := time.Now()
	defer d.freed.interrupt()()
	d.notifyManager(systemd.Reloading(monotonic(d.started)))
	old := d.state.Load().outcome
	how := round{confirmed: c}
	how.MayShrink = func(apex dname.Name) bool { return c.has(apex.Key()) }
	if cause != causeSignal && cause != causeControl {
		// An operator who asks for a reload wants the files as they are. Otherwise one may be incomplete.
		how.IsComplete = d.watcher.IsComplete
	}
	d.loader.IsComplete = how.IsComplete
	cfg, err := d.loader.Load(ctx)
	var o *Outcome
	switch {
	case err != nil && ctx.Err() != nil: // nothing is wrong with the file
		o = d.refuse(&Outcome{Error: "the server is stopping"}, begin)
	case err != nil:
		o = d.refuse(&Outcome{Findings: config.FindingsOf(err)}, begin)
	default:
		d.made += int64(len(cfg.Zones)) * itemOctets
		cfg, how.held = d.guardConfig(cfg, c)
		o = d.apply(ctx, cfg, begin, how)
	}
	if !o.InForce {
		d.watch(nil, begin)
	}
	o.Unneeded = c.unneeded()
	if ctx.Err() == nil {
		errs, warnings := finding.Count(o.Findings)
		attrs := []any{"cause", cause, "changed", len(o.Changed), "broken", len(o.Broken), "held", len(o.Held), "errors", errs, "warnings", warnings, "took", time.Since(begin).Round(time.Microsecond)}
		switch {
		case o.Error != "":
			d.each.Error("reload failed, keeping the running configuration", append(attrs, "err", o.Error)...)
		case !o.InForce:
			d.each.Error("reload failed, keeping the running configuration", attrs...)
		default:
			d.each.Info("reloaded", attrs...)
		}
		if o.InForce && len(o.Restart) > 0 && !slices.Equal(o.Restart, old.Restart) {
			d.each.Warn("changed keys that are read at the start only; restart ptrd", "keys", o.Restart)
		}
		if len(o.Opened)+len(o.Closed) > 0 {
			d.each.Info("listeners changed", "opened", o.Opened, "closed", o.Closed)
		}
		for _, c := range o.Changed {
			d.log.Debug("zone changed", "zone", c.Zone, "what", c.What, "from", uint32(c.From), "serial", uint32(c.To))
		}
	}
	d.absences.retrySoon()
	d.logAbsent()
	d.notifyManager(systemd.Ready, systemd.Status(d.statusLine()))
	if cause == causeControl {
		return d.earlier.merge(o)
	}
	d.earlier.add(o)
	return o
}

// refuse ends a reload that changed nothing.
func (d *Daemon) refuse(o *Outcome, begin time.Time) *Outcome {
	o.At, o.Seconds = begin, time.Since(begin).Seconds()
	o.Zones = d.zones.Set().Len()
	if o.Changed == nil {
		o.Changed = []ChangedZone{}
	}
	if old := d.state.Load(); old != nil { // else the start fails
		o.Broken, o.Held = old.outcome.Broken, old.outcome.Held // they are still as they were
		next := newState(old.cfg, o, old.good)
		next.findings = old.findings
		d.state.Store(next)
	}
	if o.Broken == nil {
		o.Broken = []BrokenZone{}
	}
	d.findings.logRefused(o.Findings)
	return o
}

// apply activates a configuration together with its zones, or changes nothing. begin is a
// moment before the configuration was read.
func (d *Daemon) apply(ctx context.Context, cfg *config.Config, begin time.Time, how round) *Outcome {
	o := &Outcome{Changed: []ChangedZone{}, Broken: []BrokenZone{}, Findings: []finding.Finding{}}
	fail := func(err error) *Outcome {
		o.Error = err.Error()
		o.Changed, o.Broken = nil, nil
		return d.refuse(o, begin)
	}
	old := d.state.Load()
	o.Restart = unchangeable(d.first, cfg)
	zones := d.compile(cfg)
	policy, err := d.policy(cfg)
	if err != nil {
		return fail(err)
	}
	undo, release, err := d.open(cfg)
	if err != nil {
		return fail(err)
	}
	defer func() { // after an error as well as after a panic
		if !o.InForce {
			undo()
		}
	}()
	plan, warnings, err := d.publish(ctx, zones, policy, cfg, o, how)
	if err != nil {
		return fail(err)
	}
	o.InForce = true
	d.apiListen.Store(&cfg.Listen)
	release()
	d.journal.SetLimits(d.registry.Load().History(), func(apex dname.Name) *journal.Limits { return d.registry.Load().HistoryOf(apex) })
	d.setHosted(cfg)
	d.auditor.SetSettings(auditSettings(cfg, d.registry.Load))
	for _, err := range warnings {
		o.Findings = append(o.Findings, finding.Finding{Rule: "after-reload", Text: err.Error()})
	}
	if old != nil {
		before, after := d.addresses(old.cfg), d.addresses(cfg)
		o.Opened, o.Closed = after.Without(before).Without(d.absent()).All(), before.Without(after).All()
		o.Waiting = d.absent().All()
	}
	o.At, o.Seconds = begin, time.Since(begin).Seconds()
	o.Zones = d.zones.Set().Len()
	var good time.Time
	if o.OK() {
		good = begin
	} else if old != nil {
		good = old.good
	}
	d.state.Store(newState(cfg, o, good))
	setLevel(d.level, &cfg.Log)
	d.findings.logActive(o.Findings)
	d.watch(plan, begin)
	d.catalogs.Reload()
	return o
}

// compile returns the zones of a configuration, without those that are added at run time.
func (d *Daemon) compile(cfg *config.Config) *registry.Zones {
	return registry.New(registry.Options{Config: cfg, Before: d.registry.Load(), Check: d.check, Files: d.files})
}

// publish makes a plan and serves it together with the policy. What failed after the plan
// was served is a warning.
func (d *Daemon) publish(ctx context.Context, configured *registry.Zones, policy *answer.Policy, cfg *config.Config, o *Outcome, how round) (plan *assemble.Plan, warnings []error, err error) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	defer d.reportProgress(tick.C)()
	var zones *registry.Zones
	var others *secondary.Plan
	rules, files, done := d.newRules(ctx, cfg)
	isServed := false
	defer func() { done(isServed) }()
	defer d.deriver.EndPlan()
	report, err := d.zones.Commit(commit.Request{
		Propose: func(set *zone.Set) (*zone.Batch, error) {
			if err := d.checkHosted(configured); err != nil {
				return nil, err
			}
			zones = configured.Retain(d.registry.Load())
			d.assembler.SetKeys(cfg) // for what the follower restores
			others = d.follower.Plan(zones.Secondaries(), set, zones.IsPrimary)
			zones.SetPolicies(policy, others.Expires())
			restored, damage := d.hosted.Plan(set, func(apex dname.Name) bool { return isHosted(zones.Get(apex)) })
			derived := d.deriver.NewPlan(rules, set)
			how.Derive = derived.Layer
			if plan, err = d.assembler.Assemble(ctx, cfg, with(set, slices.Concat(others.Changes, restored)...), how.Round); err != nil {
				return nil, err
			}
			catalogs, held, err := d.ownCatalogs(zones, set, how.confirmed)
			if err != nil {
				return nil, err
			}
			plan.Batch.Changes = together(plan.Batch.Changes, others.Changes, catalogs, restored)
			plan.Batch.Layers = append(plan.Batch.Layers, others.Layers...)
			d.attachRanges(zones, set, plan.Batch)
			derived.Complete(plan.Batch)
			o.addPlan(plan)
			o.addDamage(damage)
			if h := how.held; h != nil {
				o.hold(*h, finding.Position{File: cfg.File}, cfg.Reload.MaxShrink)
			}
			for _, h := range held {
				o.hold(h.Held, h.pos, cfg.Reload.MaxShrink)
			}
			o.Findings = append(append([]finding.Finding{}, cfg.Warnings...), o.Findings...)
			return plan.Batch, nil
		},
		Show: func(set *zone.Set) {
			d.deriver.SetRules(rules)
			d.showWith(set, zones, policy)
		},
		After: func() (err error) {
			if !d.contain.Do("reloads", func() {
				for _, c := range plan.Batch.Changes {
					if c.Zone != nil {
						d.made += c.Zone.Stats().Bytes
					}
				}
				d.follower.Adopt(others)
				d.assembler.Published(plan)
				err = d.updater.Adopt(zones.Updates())
			}) {
				err = errors.New("internal error after the reload, which the log has with its stack")
			}
			return err
		},
	})
	if isServed = err == nil; isServed {
		o.addChanged(plan.Batch)
		o.Findings = append(o.Findings, rules.Findings(d.zones.Set(), false)...)
		for _, s := range files {
			o.Findings = append(o.Findings, s.Findings()...)
		}
	}
	return plan, report.Warnings, err
}

// open binds the addresses that cfg adds. Exactly one of undo and release is
// called: undo closes them, release those that cfg no longer has.
func (d *Daemon) open(cfg *config.Config) (undo, release func(), err error) {
	old := d.state.Load()
	if old == nil { // at the start, all are bound
		return func() {}, func() {}, nil
	}
	before, after := d.addresses(old.cfg), d.addresses(cfg)
	if len(after.All()) == 0 {
		return nil, nil, fmt.Errorf("%s: listen.dns: there is no address to listen on; give one", cfg.File)
	}
	// Clients must not see the certificate of a configuration that is refused, so that it comes last;
	// but the first listener for TLS needs one.
	if old.cfg.Listen.TLS == nil {
		d.setCertificate(cfg)
	}
	d.server.SetFreebind(cfg.Listen.Freebind)
	both := before.And(after)
	if err := d.server.SetListeners(both); err != nil {
		d.server.SetFreebind(old.cfg.Listen.Freebind)
		key := "listen.dns"
		if cfg.Listen.TLS != nil {
			key = "listen"
		}
		return nil, nil, fmt.Errorf("%s: %s: %w", cfg.File, key, err)
	}
	set := func(what string, addrs func() error) {
		if err := addrs(); err != nil { // only a server that stops says so
			d.log.Warn(what, "err", err)
		}
	}
	back := func() {
		d.server.SetFreebind(old.cfg.Listen.Freebind)
		set("letting go of new addresses", func() error { return d.server.SetListeners(before) })
	}
	var moves []func()
	undo = back
	for _, f := range d.fronts() {
		shut, move, err := f.open(f.of(cfg))
		if err != nil {
			undo()
			return nil, nil, fmt.Errorf("%s: %w", cfg.File, err)
		}
		moves = append(moves, move)
		before := undo
		undo = func() {
			before()
			shut()
		}
	}
	release = func() {
		d.setCertificate(cfg)
		set("letting go of old addresses", func() error { return d.server.SetListeners(after) })
		set("limits", func() error { return d.server.SetLimits(d.limits(cfg)) })
		for _, move := range moves {
			move()
		}
	}
	return undo, release, nil
}

// setCertificate activates the certificate of cfg, if it has one.
func (d *Daemon) setCertificate(cfg *config.Config) {
	if id := tlsIdentity(cfg); id != nil {
		d.server.SetTLS(*id)
	}
}

// without returns those of list that are not in other.
func without(list, other []netip.AddrPort) (out []netip.AddrPort) {
	for _, a := range list {
		if !slices.Contains(other, a) {
			out = append(out, a)
		}
	}
	return out
}

// unchangeable returns the keys that are only read at the start and differ from
// what they were then.
func unchangeable(old, cfg *config.Config) (keys []string) {
	for _, k := range []struct {
		name    string
		changed bool
	}{
		{"state_dir", old.StateDir != cfg.StateDir},
		{"user", old.User != cfg.User},
		{"log.format", old.Log.Format != cfg.Log.Format},
	} {
		if k.changed {
			keys = append(keys, k.name)
		}
	}
	return keys
}

// watch puts the config, what it names and the sources of its zones under watch.
// Without a plan, the sources of the last one stay.
func (d *Daemon) watch(plan *assemble.Plan, begin time.Time) {
	unfinished := d.loader.Unfinished
	if plan != nil {
		d.watched = plan.Watch
		unfinished = append(unfinished, plan.Unfinished...)
		d.watcher.SetQuiet(d.state.Load().cfg.Reload.Quiet)
	}
	var dirs []watch.Directory
	for _, dir := range d.loader.Directories {
		dirs = append(dirs, watch.Directory{Path: dir.Path, Matches: dir.Matches})
	}
	d.watcher.Set(slices.Concat(d.loader.Files, d.watched), unfinished, dirs, begin)
}

// monotonic returns the time of the monotonic clock that the service manager
// reads too.
func monotonic(started time.Time) time.Duration {
	if d, ok := platform.Monotonic(); ok {
		return d
	}
	return time.Since(started)
}
