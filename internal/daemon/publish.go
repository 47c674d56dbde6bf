package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// publishMade publishes the batch that f makes from the zones there are, for who is
// not the reload. It is called again with later zones where another writer was
// quicker; its error ends it.
func (d *Daemon) publishMade(f func(*zone.Set) (*zone.Batch, error)) error {
	for range attempts {
		b, err := f(d.store.Set())
		if err != nil {
			return err
		}
		d.pacer.Aside(func() { err = d.store.Publish(b) }) // which waits for the journal
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, zone.ErrStale):
			return notKept(err)
		}
	}
	return fmt.Errorf("zones changed %d times while the change was made; try again", attempts)
}

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
	cfg := d.state.Load().cfg
	saved := 0
	for z := range d.store.Set().All() {
		if item := itemOf(cfg, z.Apex()); item == nil || !item.Dynamic || !z.IsAvailable() {
			continue
		}
		if err := d.journal.Save(z, d.pause()); err != nil {
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
		d.follow()
	}
	d.follower.Retry()
}

// content returns the last data of a zone, also of a secondary zone that has expired.
func (d *Daemon) content(apex dname.Name) *zone.Zone {
	if z := d.store.Set().Get(apex); z != nil && z.IsAvailable() {
		return z
	}
	return d.follower.Data(apex)
}

func notKept(err error) error {
	return fmt.Errorf("keeping the change in the journal, without which nothing is served: %w", err)
}

// swap puts zones in force that came by another way than a reload, with the
// policy that there is. Before the first load there is none and nothing is served.
func (d *Daemon) swap(set *zone.Set) {
	if v := d.views.Load(); v != nil {
		d.views.Swap(&server.View{Zones: set, Policy: v.Policy})
	}
}

// published tells who has to know what came into force. It is called with the
// Store's lock and must not wait.
func (d *Daemon) published(b *zone.Batch) {
	d.keeper.Published(b)
	d.notifier.Published(b)
	d.fleet.published(b)
}

// limitHistory bounds the history of each zone as cfg says.
func (d *Daemon) limitHistory(cfg *config.Config) {
	limits := func(h config.History) journal.Limits {
		return journal.Limits{MaxSize: int64(h.MaxSize), MaxAge: h.MaxAge, Grace: cfg.Reload.KeepRemoved}
	}
	own := map[string]journal.Limits{}
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		if z.History == cfg.Defaults.History {
			continue
		}
		for _, apex := range z.Apexes {
			own[apex.Key()] = limits(z.History)
		}
	}
	d.journal.SetLimits(limits(cfg.Defaults.History), own)
}
