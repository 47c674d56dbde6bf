package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/internal/pace"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/internal/systemd"
	"github.com/ptrd/ptrd/internal/transfer"
	"github.com/ptrd/ptrd/internal/update"
	"github.com/ptrd/ptrd/internal/watch"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// run opens the state, loads the zones and serves.
func (d *Daemon) run(ctx context.Context, cfg *config.Config, ready func(*Daemon)) (err error) {
	if err := d.checkReadable(ctx, cfg); err != nil {
		return err
	}
	if err := probe(cfg); err != nil {
		return err
	}
	if d.control, err = control.Listen(control.Options{
		Path: control.Path(cfg.StateDir), Verbs: d.verbs(), Log: d.log,
	}); err != nil {
		return err
	}
	defer func() { d.control.Close() }() // nothing new where Serve closed it
	isOld := hasSecret(cfg.StateDir)
	if d.journal, err = journal.Open(filepath.Join(cfg.StateDir, journalName), journal.Options{Changed: d.journalChanged, Content: d.content, Pause: d.pause}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.journal.Close()) }()
	d.clock.Start(d.journal.Newest())
	d.findDamage(cfg, isOld)
	d.secret = d.cookieSecret(cfg.StateDir)
	d.pacer = pace.New()
	defer d.pacer.Close()
	d.newComponents()
	kept, err := d.loadHosted()
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	p := &parts{ctx: ctx, cancel: cancel, contain: d.contain}
	defer p.end()
	// Health and status can be asked while many zones load.
	d.front.serve(p, d.admin.Serve)
	p.run("control socket", d.control.Serve)
	begin := time.Now()
	if len(cfg.Catalogs)+len(kept) > 0 {
		zones := d.compile(cfg)
		kept = slices.DeleteFunc(kept, func(apex dname.Name) bool { return zones.Get(apex) != nil })
		d.registry.Store(zones.With(append(d.catalogs.Restore(zones), hostedZones(kept)...), nil, zones))
	}
	d.recallSerials(ctx, cfg, isOld)
	outcome := d.apply(ctx, cfg, begin, round{})
	if !outcome.InForce {
		close(d.ended)
		if ctx.Err() != nil {
			return stopped(ctx)
		}
		return errors.New(outcome.Error)
	}
	if err := d.hosted.Start(); err != nil {
		close(d.ended)
		return fmt.Errorf("hosted zones: %w", err)
	}
	d.serving.Store(true)
	d.vitals = d.newVitals()
	d.serve(p)
	d.recheck()
	d.each.Info("serving", "version", d.o.Version, "zones", outcome.Zones, "listen", d.server.Addrs()[server.DNS], "listen_tls", d.server.Addrs()[server.TLS], "loaded_in", time.Since(begin).Round(time.Millisecond))
	d.notifyManager(systemd.Ready, systemd.Status(d.statusLine()))
	if ready != nil {
		ready(d)
	}
	d.write(ctx)
	d.notifyManager(systemd.Stopping)
	d.each.Info("stopping")
	p.wait.Wait()
	if err := stopped(ctx); err != nil {
		return err
	}
	d.events.Close()
	d.each.Info("stopped")
	return nil
}

// newComponents makes the parts that need the journal. What one of them asks of another that is made
// after it, it asks later.
func (d *Daemon) newComponents() {
	d.zones = commit.New(commit.Options{
		Journal: d.journal, Show: d.show, Published: d.published,
		Stages: []commit.Stage{
			d.attachRules,
			func(set *zone.Set, b *zone.Batch) error { return d.hosted.Derive(set, b) },
			func(set *zone.Set, b *zone.Batch) error { return d.deriver.Stage(set, b) },
		},
	})
	d.keeper = history.NewKeeper(history.Options{Journal: d.journal, Set: d.zones.Set, Log: d.log, Guard: d.contain})
	d.notifier = notify.New(notify.Options{Set: d.zones.Set, IsOwn: d.isOwn, Serial: askSerial, Log: d.log, Guard: d.contain})
	d.transfers = transfer.New(transfer.Options{History: d.journal, Pause: d.pacer.Pause, Log: d.log,
		Sent: func(z *zone.Zone, client netip.Addr, kind transfer.Kind) {
			d.notifier.Transferred(z, client, kind.String(), time.Now())
		},
		Failed: func(z *zone.Zone, client netip.Addr) { d.notifier.TransferFailed(z, client, time.Now()) },
	})
	d.updater = update.New(update.Options{
		Store: d.zones, Notes: d.journal, Log: d.log, Steps: d.clock.Steps, Pause: d.pause, Guard: d.contain, Origin: d.originOfDerived,
		Shares: func(a, b dname.Name) bool { return d.deriver.Rules().Shares(a, b) },
	})
	d.assembler = assemble.New(assemble.Options{
		Journal: d.journal, Pause: d.pause, Progress: &d.progress, Files: d.files,
		Restore: d.restoreZone,
		Dynamic: func(apex dname.Name) ([]commit.RRset, error) { return commit.ReadDynamic(d.journal, apex) },
	})
	d.follower = secondary.NewFollower(secondary.Options{
		Store: d.zones, Journal: d.journal, Log: d.log, Steps: d.clock.Steps, Pause: d.pause, Made: d.transferred,
		Guard: d.contain, Keys: d.assembler.Keys,
	})
	d.catalogs = catalog.NewFollower(catalog.FollowerOptions{
		Journal: d.journal, Zones: d.registry.Load, Content: d.content, Serve: d.serveClaims, Report: d.logCatalogs, Log: d.log,
	})
	d.producer = catalog.Producer{Journal: d.journal, Pause: d.pause}
	d.deriver, d.leases = d.newDeriver(d.first.StateDir)
	d.watcher = watch.New(watch.Options{Log: d.log, Files: d.files, Guard: d.contain})
	d.admin = d.newAdmin()
	d.hosted = d.newHosted()
	d.elastic = d.newElastic()
	d.auditor = d.newAuditor()
}

// serve starts what serves queries and changes.
func (d *Daemon) serve(p *parts) {
	p.run("answers", d.server.Serve)
	p.run("updates", d.updater.Run)
	p.run("secondary zones", d.follower.Run)
	p.run("file watcher", func(ctx context.Context) error { d.watcher.Run(ctx); return nil })
	p.run("watchdog", d.watchdog)
	p.run("clock", func(ctx context.Context) error {
		return d.clock.Run(ctx, func() { d.follower.ClockSet(); d.updater.ClockSet(); d.leases.ClockSet() })
	})
	p.run("history", d.keeper.Run)
	p.run("hosted zones", d.hosted.Run)
	p.run("audit", d.auditor.Run)
	p.run("leases", d.leases.Run)
	d.api.serve(p, d.newRoute53().Serve)
	d.ec2API.serve(p, d.newEC2().Serve)
	p.run("journal", d.journal.Run)
	p.run("addresses", d.watchAddresses)
	p.run("notify", d.notifier.Run)
}

// parts are the running parts. One that cannot go on ends all.
type parts struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	contain *supervise.Supervisor
	wait    sync.WaitGroup
}

// run starts a part.
func (p *parts) run(name string, serve func(context.Context) error) {
	p.wait.Go(func() {
		if err := p.contain.Run(p.ctx, name, serve); err != nil {
			p.cancel(err)
		}
	})
}

// end ends all parts and returns after them.
func (p *parts) end() {
	p.cancel(nil)
	p.wait.Wait()
}

// stopped returns the error of the part that ended ctx; nil if that was a
// request to stop.
func stopped(ctx context.Context) error {
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// write carries out reloads, and what must not happen during one, until ctx ends.
func (d *Daemon) write(ctx context.Context) {
	defer close(d.ended)
	defer d.restoreCollector()
	defer d.absences.timer.Stop()
	d.releaseAtOnce()
	for {
		d.release()
		select {
		case <-ctx.Done():
			return
		case <-d.freed.ends:
			d.endRelease()
		case <-d.watcher.Changed():
			d.tryReload(ctx, causeFile, nil)
		case <-d.answered:
			d.tryReload(ctx, causeFile, nil)
		case <-d.o.Hangup:
			d.tryReload(ctx, causeSignal, nil)
		case <-d.catalogs.Changed():
			d.contain.Do("catalogs", d.catalogs.Follow)
		case <-d.lost:
			d.contain.Do("journal", d.saveContents)
		case <-d.written:
			d.contain.Do("reloads", func() { d.catchUp(ctx) })
		case <-d.absences.timer.C:
			d.contain.Do("addresses", d.recheck)
		case <-d.absences.changed:
			d.absences.retrySoon()
			d.contain.Do("addresses", d.recheck)
		case n := <-d.came:
			d.made += n
		case r := <-d.reloads:
			r.reply <- d.tryReload(ctx, causeControl, r.confirmed)
		case <-d.beats: // the watchdog looks
		}
	}
}

// tryReload is reload, which a panic ends as an error does.
func (d *Daemon) tryReload(ctx context.Context, cause string, c *confirmation) (o *Outcome) {
	begin := time.Now()
	if !d.contain.Do("reloads", func() { o = d.reload(ctx, cause, c) }) {
		o = d.refuse(&Outcome{Error: "internal error, which the log has with its stack; keeping what is served"}, begin)
		d.notifyManager(systemd.Ready, systemd.Status(d.statusLine()))
	}
	return o
}
