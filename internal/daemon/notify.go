package daemon

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/internal/transfer"
	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Notified is what secondaries answered to NOTIFY, and the serials that they had afterwards.
type Notified []NotifiedZone

// NotifiedZone are the secondaries of one zone.
type NotifiedZone struct {
	Zone        string             `json:"zone"`
	Serial      zone.Serial        `json:"serial"`
	Secondaries []notify.Secondary `json:"secondaries"`
}

// IsCurrent reports whether all secondaries of the zone have answered to NOTIFY and have its serial.
func (z *NotifiedZone) IsCurrent() bool {
	return !slices.ContainsFunc(z.Secondaries, func(s notify.Secondary) bool {
		return s.Notify != notify.Answered || !s.HasSerial() || s.Serial.Before(z.Serial)
	})
}

// NotifyWait is how long VerbNotify waits by default: a transfer of a large zone takes longer, and is shown as
// such.
const NotifyWait = 10 * time.Second

// notifyNow answers VerbNotify: it sends NOTIFY, and asks for serials until all have the current one or
// the time is over.
func (d *Daemon) notifyNow(ctx context.Context, args url.Values) (any, error) {
	wait := NotifyWait
	if s := args.Get("wait"); s != "" {
		var err error
		if wait, err = time.ParseDuration(s); err != nil {
			return nil, fmt.Errorf("wait %q is not a duration", s)
		}
	}
	list, err := d.selected(d.views.Load().Zones, args.Get("what"))
	if err != nil {
		return nil, err
	}
	zones := slices.Collect(list)
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	ctx, stop := d.untilStop(ctx)
	defer stop()
	apexes := make([]dname.Name, len(zones))
	for i, z := range zones {
		apexes[i] = z.Apex()
	}
	began := time.Now()
	var answers sync.WaitGroup
	answers.Go(func() { d.notifier.Notify(ctx, apexes) })
	d.askUntilCurrent(ctx, zones, began)
	answers.Wait()
	out := Notified{}
	for _, z := range zones {
		one := NotifiedZone{Zone: z.Apex().String(), Serial: z.Serial(), Secondaries: []notify.Secondary{}}
		for _, s := range d.notifier.Secondaries(z) {
			if s.Address.Port() == 0 {
				continue // it is not notified
			}
			if s.Asked.Before(began) {
				s.Asked, s.Error = began, errLate.Error()
			}
			one.Secondaries = append(one.Secondaries, s)
		}
		if len(one.Secondaries) > 0 || len(zones) == 1 {
			out = append(out, one)
		}
	}
	return out, nil
}

// askPause is the pause between questions to secondaries that are not current yet: about what a small
// transfer takes.
const askPause = 250 * time.Millisecond

// askUntilCurrent asks the secondaries of zones for their serials: all once, and those with an earlier
// serial again until ctx ends.
func (d *Daemon) askUntilCurrent(ctx context.Context, zones []*zone.Zone, began time.Time) {
	isLeft := false
	which := func(z *zone.Zone, s *notify.Secondary) bool {
		is := s.Address.Port() != 0 && (s.Asked.Before(began) || s.HasSerial() && s.Serial.Before(z.Serial()))
		isLeft = isLeft || is
		return is
	}
	tick := time.NewTicker(askPause)
	defer tick.Stop()
	for {
		d.notifier.Ask(ctx, zones, which)
		if !isLeft {
			return
		}
		isLeft = false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// fewZones is up to how many zones are printed with all their secondaries; of more, those that are not
// current.
const fewZones = 20

// IsWrong reports whether a secondary does not have the current serial.
func (n *Notified) IsWrong() bool {
	return slices.ContainsFunc(*n, func(z NotifiedZone) bool { return !z.IsCurrent() })
}

// Print writes the answers for a person.
func (n *Notified) Print(out io.Writer) error {
	var b strings.Builder
	current := 0
	for i := range *n {
		z := &(*n)[i]
		switch {
		case len(z.Secondaries) == 0:
			fmt.Fprintf(&b, "zone %s has no secondaries to notify; `transfer.notify` names them\n", z.Zone)
			continue
		case z.IsCurrent():
			if current++; len(*n) > fewZones {
				continue
			}
		}
		fmt.Fprintf(&b, "zone %s, serial %d\n", z.Zone, z.Serial)
		for i := range z.Secondaries {
			s := &z.Secondaries[i]
			fmt.Fprintf(&b, "  %v: %s\n", s.Address, strings.ReplaceAll(secondaryText(s, z.Serial), "\n", "; "))
		}
	}
	if len(*n) != 1 {
		fmt.Fprintf(&b, "%d of %s with secondaries: all of them answered and have the current serial\n", current, spelling.Number(len(*n), "zone"))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// transferMetrics returns the counters of transfers to secondaries and of NOTIFY.
func (d *Daemon) transferMetrics() admin.Transfers {
	out := admin.Transfers{Answers: map[string]uint64{}, Records: map[string]uint64{}, Octets: map[string]uint64{}}
	for k, t := range d.transfers.Totals() {
		name := transfer.Kind(k).String()
		out.Answers[name], out.Records[name], out.Octets[name] = t.Answers, t.Records, t.Octets
	}
	t := d.notifier.Totals()
	out.Notifies = map[string]uint64{"sent": t.Sent.Load(), "answered": t.Answered.Load(), "refused": t.Refused.Load(), "lost": t.Lost.Load()}
	return out
}

// isOwn reports whether an address is one that we listen on.
func (d *Daemon) isOwn(a netip.Addr) bool {
	for _, own := range d.server.Addrs()[server.DNS] {
		if own.Addr() == a || own.Addr().IsUnspecified() && isLocal(a) {
			return true
		}
	}
	return false
}

// isLocal reports whether an interface has the address; if the system does not list the
// addresses, none has.
func isLocal(a netip.Addr) bool {
	list, _ := net.InterfaceAddrs()
	return slices.ContainsFunc(list, func(i net.Addr) bool {
		n, ok := i.(*net.IPNet)
		if !ok {
			return false
		}
		own, _ := netip.AddrFromSlice(n.IP)
		return own.Unmap() == a
	})
}
