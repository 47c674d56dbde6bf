package daemon

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Damage is something in the state directory that was damaged or lost at the start.
type Damage struct {
	Zone string `json:"zone,omitempty"`
	Text string `json:"text"`
}

// maxDamageLogged is how much of it has lines of its own in the log. Status has all.
const maxDamageLogged = 20

// findDamage notes and logs what of the state directory is damaged or lost. isOld says
// that an earlier process used it.
func (d *Daemon) findDamage(cfg *config.Config, isOld bool) {
	d.damage = []Damage{}
	named := map[string]bool{}
	for _, m := range d.journal.Damage() {
		one := Damage{Text: m.Text}
		if m.Apex != nil {
			one.Zone = m.Apex.String()
			named[one.Zone] = true
		}
		d.damage = append(d.damage, one)
	}
	if d.journal.IsNew() && (isOld || len(d.damage) > 0) {
		for i := range cfg.Zones {
			for _, apex := range cfg.Zones[i].Apexes {
				if _, ok, err := d.journal.Last(apex); !ok && err == nil && !named[apex.String()] {
					d.damage = append(d.damage, Damage{apex.String(), "the journal has no entry of it: its history, its last serial and what updates added to its sources are lost, unless the zone is a new one"})
				}
			}
		}
	}
	d.logDamage(d.damage)
}

// logDamage logs what is damaged.
func (d *Daemon) logDamage(list []Damage) {
	for i, m := range list {
		if i == maxDamageLogged {
			d.each.Error("more of the state directory is damaged; `ptrd status` lists all", "more", len(list)-i)
			return
		}
		attrs := []any{"what", m.Text}
		if m.Zone != "" {
			attrs = append(attrs, "zone", m.Zone)
		}
		d.each.Error("the state directory is damaged", attrs...)
	}
}

// restoreZone returns the content of a zone that has no source but the journal. Where
// the journal has no entry of it, the latest content that is left is taken, under a
// serial after all that are known: more may have been served.
func (d *Daemon) restoreZone(apex dname.Name) (*zone.Zone, bool, error) {
	z, ok, err := d.journal.Restore(apex)
	if err != nil {
		return nil, false, err
	}
	if ok {
		// Of a backup or a content that was left, later serials may have been served.
		floor, ok, err := d.journal.Floor(apex)
		if ok && !floor.Before(z.Serial()) {
			z = z.WithSerial(floor.Next(time.Now().Unix()))
		}
		return z, err == nil, err
	}
	if z, ok, err = d.journal.Found(apex); !ok {
		return nil, false, err
	}
	serial := z.Serial()
	switch e, known, err := d.journal.Last(apex); {
	case err != nil:
		return nil, false, err
	case known && serial.Before(e.Serial):
		serial = e.Serial
	}
	z = z.WithSerial(serial.Next(time.Now().Unix()))
	d.each.Warn("a zone is restored from the content that is left of it; later changes are lost", "zone", apex.String(), "serial", uint32(z.Serial()))
	return z, true, nil
}

// recoverHosted gives up what is lost of a hosted zone.
func (d *Daemon) recoverHosted(apex dname.Name, served bool) error {
	if !served {
		if err := d.journal.Release(apex); err != nil {
			return err
		}
	}
	return d.hosted.Recover(apex)
}

// recover answers VerbRecover: it gives up what is lost of a zone.
func (d *Daemon) recover(ctx context.Context, args url.Values) (any, error) {
	part, err := d.zoneOf(args.Get("what"))
	if err != nil {
		return nil, err
	}
	apex := part.Apex
	z := d.zones.Set().Get(apex)
	served := z != nil && z.IsAvailable()
	one := d.registry.Load().Get(apex)
	last, _, err := d.journal.Last(apex)
	if err != nil {
		return nil, err
	}
	// Without the journal nothing says that a content is that of a hosted zone.
	isLost := one == nil && !last.Kept && d.state.Load().cfg.Listen.Route53 != nil
	switch {
	case isLost, isHosted(one) && (!served || slices.ContainsFunc(d.hosted.Damaged(), apex.Equal)):
		err = d.recoverHosted(apex, served)
	case served:
		return nil, fmt.Errorf("zone %v is served with serial %d, so there is nothing to recover", apex, z.Serial())
	case one == nil || one.Secondary != nil:
		return nil, fmt.Errorf("zone %v has nothing that is kept here alone; `ptrd retransfer %[1]v` has a secondary zone transferred", apex)
	default:
		err = d.journal.Release(apex)
	}
	if err != nil {
		return nil, err
	}
	d.each.Warn("lost data of a zone is given up, as requested", "zone", apex.String())
	return d.Reload(ctx)
}
