package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// journalChanged logs that the journal can no longer be written, or can again (nil).
func (d *Daemon) journalChanged(c *journal.Condition) {
	if c == nil {
		d.log.Info("the journal can be written again")
		select {
		case d.written <- struct{}{}:
		default:
		}
		return
	}
	if errors.Is(c.Err, journal.ErrOverwritten) {
		select {
		case d.lost <- struct{}{}:
		default:
		}
	}
	d.log.Error("the journal cannot be written; queries are answered, changes are refused", "err", c.Err)
}

// saveContents writes the content of the zones that have no other source, after the journal
// that has it was overwritten by another program. The next start finds it.
func (d *Daemon) saveContents() {
	zones := d.registry.Load()
	saved := 0
	for z := range d.zones.Set().All() {
		one := zones.Get(z.Apex())
		isKept := isHosted(one) || one != nil && one.Item != nil && one.Item.Dynamic
		if !isKept || !z.IsAvailable() {
			continue
		}
		if err := d.journal.SaveContent(z); err != nil {
			d.log.Error("the content of a dynamic zone cannot be saved", "zone", z.Apex().String(), "err", err)
			continue
		}
		saved++
	}
	d.log.Warn("the contents of dynamic zones were saved for the next start", "zones", saved)
}

// catchUp does what failed while the journal could not be written.
func (d *Daemon) catchUp(ctx context.Context) {
	if o := d.state.Load().outcome; !o.InForce && o.Error != "" {
		d.reload(ctx, causeDisk, nil)
	} else {
		d.catalogs.Follow()
	}
	d.follower.Retry()
	d.catchUpLeases()
}

// content returns the last data of a zone, also of a secondary zone that has expired.
func (d *Daemon) content(apex dname.Name) *zone.Zone {
	if z := d.zones.Set().Get(apex); z != nil && z.IsAvailable() {
		return z
	}
	return d.follower.Data(apex)
}

// show serves zones under the current policy. Before the first load there is none, and
// nothing is served.
func (d *Daemon) show(set *zone.Set) {
	if v := d.views.Load(); v != nil {
		d.views.Swap(&answer.View{Zones: set, Policy: v.Policy})
	}
}

// showWith serves zones with the settings that belong to them.
func (d *Daemon) showWith(set *zone.Set, zones *registry.Zones, policy *answer.Policy) {
	d.registry.Store(zones)
	d.notifier.SetZones(zones.Notified)
	d.views.Swap(&answer.View{Zones: set, Policy: policy})
}

// changeZones serves the zones in add, whose owners are new or have other settings for them, and no
// longer those at the apexes in gone, together with their policy. complete adds to the batch, which
// has the changes of secondary zones. It may be called by any goroutine.
func (d *Daemon) changeZones(source string, add []*registry.Zone, gone []dname.Name, complete func(*zone.Set, *zone.Batch) error) error {
	var next *registry.Zones
	var policy answer.Policy
	var plan *secondary.Plan
	_, err := d.zones.Commit(commit.Request{
		Propose: func(set *zone.Set) (*zone.Batch, error) {
			now := d.registry.Load()
			next, policy = now.With(add, gone, now), *d.views.Load().Policy
			plan = d.follower.PlanChange(next.SecondariesOf(add), gone, set, next.IsPrimary)
			next.SetPolicies(&policy, plan.Expires())
			b := &zone.Batch{Changes: plan.Changes, Source: source, At: time.Now().UnixMilli()}
			return b, complete(set, b)
		},
		Show:  func(set *zone.Set) { d.showWith(set, next, &policy) },
		After: func() error { d.follower.Adopt(plan); return nil },
	})
	return err
}

// published hands a batch to those who observe changes. It is called by the writer of
// zones and must not wait.
func (d *Daemon) published(b *zone.Batch) {
	d.keeper.Published(b)
	d.notifier.Published(b)
	d.catalogs.Published(b)
	d.hosted.Published(b)
	d.auditor.Published(b)
}
