package daemon

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/internal/systemd"
)

const (
	// vitalEvery is how often the parts are looked at without a service manager.
	vitalEvery = 10 * time.Second
	// promptly is how long what nothing legitimate holds up may take on a loaded machine.
	promptly = 20 * time.Second
	// eventually is the same for what waits for reloads and disks.
	eventually = 10 * time.Minute
)

// vitals find out whether the parts of the server do something, by a probe of each that
// waits for what the part would block.
type vitals struct {
	log    *slog.Logger
	now    func() time.Time
	pulses []*pulse
	stuck  *atomic.Pointer[[]string] // parts that did not answer at the last look; nil: none
}

// pulse is one part.
type pulse struct {
	part  string
	limit time.Duration // for the probe
	probe func()        // returns once the part is known to do something
	// moves, if set, returns a number that grows while the part is busy for good reason.
	moves func() int64

	running atomic.Bool
	since   time.Time // when the probe under way began, or the part moved last
	moved   int64
	logged  bool // that it is stuck
}

// look starts the probes that are not under way and reports whether none of the others has
// taken too long. It does not wait for any.
func (v *vitals) look() (alive bool) {
	now := v.now()
	var stuck []string
	for _, p := range v.pulses {
		if !p.running.Load() {
			if p.logged {
				p.logged = false
				v.log.Info("a part of the server works again", "part", p.part)
			}
			p.since = now
			if p.moves != nil {
				p.moved = p.moves()
			}
			p.running.Store(true)
			go func() {
				defer p.running.Store(false)
				p.probe()
			}()
			continue
		}
		if p.moves != nil {
			if n := p.moves(); n != p.moved {
				p.moved, p.since = n, now
			}
		}
		if now.Sub(p.since) < p.limit {
			continue
		}
		stuck = append(stuck, p.part)
		if !p.logged {
			p.logged = true
			v.log.Error("a part of the server makes no progress; the service manager gets no more watchdog notifications", "part", p.part, "since", p.since)
		}
	}
	v.stuck.Store(&stuck)
	return len(stuck) == 0
}

// partAnswers is the part without which the server is not ready.
const partAnswers = "answers"

// stuckParts returns the parts that make no progress.
func (d *Daemon) stuckParts() []string {
	if list := d.stuck.Load(); list != nil {
		return *list
	}
	return nil
}

// newVitals returns the probes of a server that serves.
func (d *Daemon) newVitals() *vitals {
	return &vitals{log: d.log, now: time.Now, stuck: &d.stuck, pulses: []*pulse{
		{part: partAnswers, limit: promptly, probe: func() { _ = d.server.Totals() }}, // waits for a lock of the workers
		{part: "secondary zones", limit: promptly, probe: func() { _ = d.follower.States() }},
		{part: "updates", limit: eventually, probe: func() { d.zones.Hold()(); d.updater.Wait() }, moves: d.loaded}, // a reload may hold them
		{part: "reloads", limit: eventually, probe: func() {
			select {
			case d.beats <- struct{}{}:
			case <-d.ended:
			}
		}, moves: d.loaded},
	}}
}

// loaded returns a number that grows while zones are loaded.
func (d *Daemon) loaded() int64 {
	records, octets := d.progress.Read()
	return int64(records) + int64(octets)
}

// watchdog has the service manager know that the server lives, as long as its parts do.
func (d *Daemon) watchdog(ctx context.Context) error {
	interval := d.manager.Interval()
	if interval == 0 {
		interval = vitalEvery
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if d.vitals.look() {
			d.notifyManager(systemd.Alive)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
