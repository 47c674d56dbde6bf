package daemon

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/ptrd/ptrd/internal/admin"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/internal/platform"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/rr"
)

// downstream returns what is known of the servers that are notified of changes.
func (d *Daemon) downstream() (out []admin.Downstream) {
	set := d.zones.Set()
	type key struct {
		apex      string
		secondary notify.Secondary
	}
	var list []key
	for apex, s := range d.notifier.All {
		if s.Address.Port() != 0 { // others are clients that are not notified
			list = append(list, key{apex, *s})
		}
	}
	for _, k := range list {
		z := set.Get(dname.FromWire([]byte(k.apex)))
		if z == nil || !z.IsAvailable() {
			continue
		}
		s := &k.secondary
		if !s.Behind.IsZero() && !d.isTarget(z, s) {
			continue
		}
		one := admin.Downstream{Zone: z.Apex().String(), Address: s.Address, Behind: s.Behind, Failing: s.IsFailing(), Expire: expireOf(z)}
		one.Serial, one.HasSerial = s.LatestSerial()
		out = append(out, one)
	}
	return out
}

// isTarget reports whether a server is still one that is notified of changes of a zone.
func (d *Daemon) isTarget(z *zone.Zone, of *notify.Secondary) bool {
	for _, s := range d.notifier.Secondaries(z) {
		if s.Address == of.Address {
			return true
		}
	}
	return false
}

// expireOf returns how long secondaries serve a zone without hearing of it (RFC 1035 §3.3.13).
func expireOf(z *zone.Zone) time.Duration {
	soa, _ := z.Get(z.Apex(), rr.TypeSOA)
	data := soa.First(nil)
	return time.Duration(binary.BigEndian.Uint32(data[len(data)-8:])) * time.Second
}

// measureTime bounds how long metrics wait for a disk.
const measureTime = time.Second

// stateMetrics returns what metrics show of the server as a whole.
func (d *Daemon) stateMetrics() admin.State {
	ctx, cancel := context.WithTimeout(context.Background(), measureTime)
	defer cancel()
	s := admin.State{Conditions: map[admin.Condition]int{}, Certificates: map[string]time.Time{}}
	for _, c := range d.conditions(ctx) {
		s.Conditions[admin.Condition{Name: c.Name, Severity: c.Severity.String()}]++
	}
	s.Free, s.HasFree = d.freeSpace(ctx)
	if st := d.state.Load(); st != nil {
		for _, c := range certificates(&st.cfg.Listen) {
			s.Certificates[c.Path] = c.Until
		}
	}
	return s
}

// freeSpace returns how many octets can still be written to the state directory.
func (d *Daemon) freeSpace(ctx context.Context) (free int64, known bool) {
	dir := d.first.StateDir
	err := d.files.Run(ctx, func(t *infile.Task) {
		_ = t.Do(dir, func() error { free, known = platform.FreeSpace(dir); return nil }) // not known otherwise
	})
	return free, known && err == nil
}
