package daemon

import (
	"context"
	"errors"

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
		if item := zones.Item(z.Apex()); item == nil || !item.Dynamic || !z.IsAvailable() {
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
		d.follow()
	}
	d.follower.Retry()
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

// published hands a batch to those who observe changes. It is called by the writer of
// zones and must not wait.
func (d *Daemon) published(b *zone.Batch) {
	d.keeper.Published(b)
	d.notifier.Published(b)
	d.fleet.published(b)
}
