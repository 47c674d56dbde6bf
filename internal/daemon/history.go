package daemon

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// readLog answers VerbLog.
func (d *Daemon) readLog(args url.Values) (any, error) {
	q := history.Query{}
	var err error
	if q.Zones, err = d.partsOf(args.Get("what")); err != nil {
		return nil, err
	}
	if s := args.Get("since"); s != "" {
		if q.Since, err = time.Parse(time.RFC3339, s); err != nil {
			return nil, fmt.Errorf("since %q is not a time", s)
		}
	}
	if s := args.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil {
			return nil, fmt.Errorf("limit %q is not a number", s)
		}
	}
	return history.Read(d.journal, q)
}

// partsOf returns the zones whose history an operator asks for. Zones that are gone are among them.
func (d *Daemon) partsOf(what string) (list []history.Part, err error) {
	part, one, err := d.partOf(what)
	if err != nil {
		return nil, err
	}
	if one != nil {
		p, _ := part(one)
		return []history.Part{p}, nil
	}
	all, err := d.journal.Latest()
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		if p, ok := part(l.Apex); ok {
			p.Latest = time.UnixMilli(l.At)
			list = append(list, p)
		}
	}
	if len(list) == 0 && what != "" {
		_, err = d.zoneOf(what)
	}
	return list, err
}

// partOf returns what an operator asks for of each zone: all of it for no argument; of a prefix, the zones
// in it and what others have of its names; or what [registry.Zones.Find] finds, in one zone.
func (d *Daemon) partOf(what string) (part func(apex dname.Name) (history.Part, bool), one dname.Name, err error) {
	p, err := netip.ParsePrefix(what)
	switch {
	case what == "":
		return func(apex dname.Name) (history.Part, bool) { return history.Part{Zone: apex}, true }, nil, nil
	case err != nil || p != p.Masked():
		one, err := d.zoneOf(what)
		return func(apex dname.Name) (history.Part, bool) {
			now := d.views.Load().Zones.Get(apex)
			return history.Part{Zone: apex, About: one.About, Name: one.Name, Now: now, Prefix: one.Prefix}, apex.Equal(one.Apex)
		}, one.Apex, err
	}
	return func(apex dname.Name) (history.Part, bool) {
		part := history.Part{Zone: apex}
		own := d.registry.Load().PrefixOf(apex)
		if own.IsValid() && own.Bits() < p.Bits() {
			part.About, part.Prefix = d.registry.Load().In(apex, p), p
		}
		return part, own.IsValid() && own.Overlaps(p)
	}, nil, nil
}

// followLog writes the lines of the history, JSON of a history.Line each, as changes are made, until the
// client goes. An empty line comes first, when it has begun.
func (d *Daemon) followLog(ctx context.Context, args url.Values, w io.Writer) error {
	if d.views.Load() == nil || d.state.Load() == nil {
		return errLoading
	}
	part, _, err := d.partOf(args.Get("what"))
	if err != nil {
		return err
	}
	f := d.keeper.Follow(part)
	defer f.Close()
	return stream(ctx, d, w, f.Run)
}

// diff answers VerbDiff.
func (d *Daemon) diff(args url.Values) (any, error) {
	one, err := d.zoneOf(args.Get("what"))
	if err != nil {
		return nil, err
	}
	apex := one.Apex
	from, err := parseSerial(args.Get("from"))
	if err != nil {
		return nil, err
	}
	var to zone.Serial
	if s := args.Get("to"); s != "" {
		if to, err = parseSerial(s); err != nil {
			return nil, err
		}
	} else {
		e, ok, err := d.journal.Last(apex)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, fmt.Errorf("zone %v: no change is known of it", apex)
		}
		to = e.Serial
	}
	return history.Compare(d.journal, apex, from, to)
}

// rollback answers VerbRollback.
func (d *Daemon) rollback(args url.Values) (any, error) {
	one, err := d.zoneOf(args.Get("what"))
	if err != nil {
		return nil, err
	}
	apex := one.Apex
	to, err := parseSerial(args.Get("serial"))
	if err != nil {
		return nil, err
	}
	if err := d.mayChange(apex); err != nil {
		return nil, err
	}
	out, err := d.updater.Rollback(apex, to, past{d.journal})
	if err != nil {
		return nil, err
	}
	d.each.Info("rolled back", "zone", out.Zone, "to", uint32(to), "serial", uint32(out.Serial))
	return out, nil
}

// past is the journal as the Updater wants it.
type past struct{ *journal.Journal }

func (p past) Back(z *zone.Zone, to zone.Serial) (*zone.Changeset, error) {
	return history.Back(p.Journal, z, to, time.Now().Unix())
}

// mayChange returns an error if nothing of a zone can be rolled back: its source would
// bring back what was rolled back. What updates added to the sources can be.
func (d *Daemon) mayChange(apex dname.Name) error {
	e, ok, err := d.journal.Last(apex)
	zones := d.registry.Load()
	z, one := zones.Item(apex), zones.Get(apex)
	switch {
	case err != nil:
		return err
	case z != nil && z.Secondary != nil:
		return fmt.Errorf("zone %v is a copy of what %v has; roll it back there", apex, z.Secondary.Primaries[0].Address)
	case ok && e.Kept && e.Verbatim:
		return fmt.Errorf("zone %v is a copy of what its primary has; roll it back there", apex)
	case ok && e.Kept:
		return nil
	case z == nil:
		return fmt.Errorf("zone %v is not served; `ptrd status` lists those that are", apex)
	case one != nil && one.Update != nil && !e.Verbatim:
		return nil
	case len(z.Files) > 0:
		return fmt.Errorf("zone %v comes from %s, which would bring back at the next reload what is rolled back here; put the old content into the file, `ptrd diff` shows it", apex, z.Files[0].Path)
	}
	return fmt.Errorf("zone %v comes from %v, which would bring back at the next reload what is rolled back here; put the old content there, `ptrd diff` shows it", apex, z.Pos)
}

// zoneOf returns the zone that what designates, see [registry.Zones.Find].
func (d *Daemon) zoneOf(what string) (registry.Part, error) {
	return d.registry.Load().Find(d.views.Load().Zones, what, d.hasHistory)
}

// hasHistory reports whether there was a zone at apex.
func (d *Daemon) hasHistory(apex dname.Name) (bool, error) {
	_, known, err := d.journal.Last(apex)
	return known, err
}

func parseSerial(s string) (zone.Serial, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a serial, a number from 0 to 4294967295", s)
	}
	return zone.Serial(n), nil
}
