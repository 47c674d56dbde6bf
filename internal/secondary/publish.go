package secondary

import (
	"errors"
	"fmt"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/finding"
)

// publish serves the result of a check of t. good are the data that the check compared.
func (k *Follower) publish(t *task, out *outcome, good *zone.Zone) error {
	var p *proposal
	_, err := k.o.Store.Commit(commit.Request{
		Propose: func(*zone.Set) (b *zone.Batch, err error) {
			p, b, err = k.propose(t, out, good)
			return b, err
		},
		After: func() error { k.adopt(t, out, p); return nil },
	})
	if err == nil && p.zone == nil {
		return k.confirm(t, p.expires)
	}
	return err
}

// proposal is what a check changes.
type proposal struct {
	zone     *zone.Zone // to be served; nil: the served zone is confirmed
	isNew    bool       // it was transferred
	findings []finding.Finding
	now      time.Time
	steps    time.Duration // by which the clock was set until now
	expires  time.Time
}

// propose returns the change of a check; nil if the served zone stays.
func (k *Follower) propose(t *task, out *outcome, good *zone.Zone) (*proposal, *zone.Batch, error) {
	k.mu.Lock()
	k.followClock()
	p := &proposal{zone: out.zone, isNew: out.zone != nil && out.zone != good, now: k.o.Now(), steps: k.steps.All, findings: t.findings}
	apex, served, isCurrent := t.conf.Apex, t.served, k.isCurrent(t)
	p.expires = p.now.Add(out.expire)
	if old := time.Unix(t.expires.Load(), 0); out.least && old.After(p.expires) {
		p.expires = old
	}
	k.mu.Unlock()
	if !isCurrent {
		return nil, nil, errRemoved
	}
	if p.zone == nil {
		if served.IsAvailable() || !p.expires.After(p.now) {
			return p, nil, nil
		}
		p.zone = good // it had expired, and is valid again
	}
	p.zone, _ = k.withKeys(p.zone, nil) // the configuration may be newer than the check
	change := zone.Change{
		Zone: p.zone, Apex: apex, Base: served, Kept: true, Verbatim: true,
		Notes: []zone.Note{timesNote(p.now, p.expires)},
	}
	source := "transfer from " + out.from.String()
	if p.isNew {
		change.Steps = k.changeSteps(good, out, source, p.now)
		stored := mergeFindings(p.findings, out) // those about keys depend on the configuration
		if len(p.findings)+len(stored) > 0 {
			change.Notes = append(change.Notes, findingsNote(stored))
		}
		_, p.findings = k.withKeys(p.zone, stored)
		if len(change.Steps) == 0 && k.o.Journal != nil {
			if err := k.o.Journal.PrepareContent(p.zone); err != nil {
				return nil, nil, fmt.Errorf("the zone cannot be written to disk, so it is not served: %w", err)
			}
		}
	}
	return p, &zone.Batch{Changes: []zone.Change{change}, Source: source, At: p.now.UnixMilli()}, nil
}

// adopt updates t after its change was published.
func (k *Follower) adopt(t *task, out *outcome, p *proposal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.followClock()
	expires := p.expires.Add(k.steps.All - p.steps)
	t.own = true
	t.served, t.good, t.stored, t.findings = p.zone, p.zone, expires, p.findings
	t.expires.Store(expires.Unix())
	t.checked, t.from = p.now, out.from.String()
	if p.isNew {
		t.transferred = p.now
	}
}

// diffFactor bounds the memory of a changeset, by that of the zone. Its records take about four times
// what they take in a zone, and a changeset with as many records as the zone is not used anyway.
const diffFactor = 4

// minHistory is up to how many records a changeset is used although it is larger than the zone.
const minHistory = 1000

// changeSteps returns the changesets from good to the zone of out. It returns nil if they are as large
// as the zone, or if the serial goes back; then the history starts again.
func (k *Follower) changeSteps(good *zone.Zone, out *outcome, source string, now time.Time) (list []zone.Step) {
	if good == nil || !good.Serial().Before(out.zone.Serial()) {
		return nil
	}
	changes := out.changes
	if changes == nil {
		c := zone.DiffWithin(good, out.zone, max(minDifferences, diffFactor*out.zone.Stats().Bytes), k.o.Pause())
		if c == nil || len(c.Removed)+len(c.Added) > max(minHistory, out.zone.Stats().Records) {
			return nil
		}
		changes = []*zone.Changeset{c}
	}
	for _, c := range changes {
		list = append(list, zone.Step{Changeset: c, Source: source, At: now.UnixMilli()})
	}
	return list
}

// storeAfter is the fraction of the time until a zone expires by which its expiry in the journal may
// be behind: after a crash the zone expires earlier by as much. Writing it after every check would be
// a disk flush for each zone and refresh.
const storeAfter = 8

// confirm records that a primary confirmed the data of t.
func (k *Follower) confirm(t *task, expires time.Time) error {
	k.mu.Lock()
	apex, now := t.conf.Apex, k.o.Now()
	t.expires.Store(expires.Unix())
	t.checked, t.own = now, true
	store := expires.Sub(t.stored).Abs() > expires.Sub(now)/storeAfter
	k.mu.Unlock()
	if !store || k.o.Journal == nil {
		return nil
	}
	if err := k.o.Journal.SetNotes(apex, []zone.Note{timesNote(now, expires)}); err != nil {
		return fmt.Errorf("keep the time when the zone expires: %w", err)
	}
	k.mu.Lock()
	t.stored = expires
	k.mu.Unlock()
	return nil
}

// finish records how a check ended and schedules the next one.
func (k *Follower) finish(t *task, out *outcome, err error, waiting []chan State) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t.phase, t.cancel = idle, nil
	if !k.isCurrent(t) {
		sendState(waiting, State{Apex: t.conf.Apex, Error: errRemoved.Error()})
		return
	}
	if k.run.Err() != nil {
		return // Refresh reports that the server is stopping
	}
	now := k.o.Now()
	t.tried = now
	log := k.o.Log.With("zone", t.conf.Apex.String())
	if err == nil {
		switch {
		case out.zone != nil:
			log.Info("secondary zone transferred", append([]any{"serial", uint32(out.zone.Serial()), "peer", out.from.String()}, out.log...)...)
			if out.changes == nil {
				k.o.Made(out.zone.Stats().Bytes)
			}
		case t.failures > 0:
			log.Info("secondary zone is confirmed again", "serial", uint32(t.good.Serial()), "peer", out.from.String())
		}
		t.failure, t.failures = "", 0
	} else {
		k.totals.Failures.Add(1)
		failure := err.Error()
		if t.failures++; t.failure != failure || t.failures == 1 {
			log.Warn("no primary of a secondary zone gives a usable response", "err", failure)
		}
		t.failure = failure
	}
	t.next = k.nextCheck(t, now)
	sendState(waiting, k.state(t))
	k.schedule(t)
	k.signal()
}

// expire replaces a zone that has expired by one without data.
func (k *Follower) expire(t *task) {
	done, err := k.replace(t, "expiry", func() *zone.Zone {
		if t.isServed() && k.hasExpired(t) {
			return zone.Expired(t.conf.Apex, expiredReason)
		}
		return nil // a transfer came just in time
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	log := k.o.Log.With("zone", t.conf.Apex.String())
	switch {
	case err != nil:
		log.Error("an expired secondary zone could not be withdrawn", "err", err)
	case done:
		k.totals.Expired.Add(1)
		log.Error("secondary zone has expired and answers SERVFAIL", "checked", t.checked, "err", t.failure)
	}
}

// revive serves the data of a zone again that have not expired, after the clock was set back.
func (k *Follower) revive(t *task) {
	done, err := k.replace(t, "clock", func() *zone.Zone {
		if !t.isServed() && !k.hasExpired(t) {
			return t.good
		}
		return nil // a transfer came meanwhile
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	log := k.o.Log.With("zone", t.conf.Apex.String())
	switch {
	case err != nil:
		log.Error("a secondary zone cannot be served again after the clock was set back", "err", err)
	case done:
		log.Info("secondary zone is served again: the clock was set back to before it expires", "serial", uint32(t.good.Serial()))
	}
}

// replace serves another zone without a transfer, and reports whether it did. next returns that zone,
// or nil if none is needed; it is called with mu held.
func (k *Follower) replace(t *task, source string, next func() *zone.Zone) (done bool, err error) {
	var z *zone.Zone
	_, err = k.o.Store.Commit(commit.Request{
		Propose: func(*zone.Set) (*zone.Batch, error) {
			k.mu.Lock()
			defer k.mu.Unlock()
			if z = next(); z == nil || !k.isCurrent(t) {
				return nil, nil
			}
			return &zone.Batch{
				Changes: []zone.Change{{Zone: z, Apex: t.conf.Apex, Base: t.served, Kept: true, Verbatim: true}},
				Source:  source, At: k.o.Now().UnixMilli(),
			}, nil
		},
		After: func() error {
			k.mu.Lock()
			defer k.mu.Unlock()
			t.served, done = z, true
			k.schedule(t)
			return nil
		},
	})
	return done, err
}

// hasExpired reports whether the data of t have expired. It is called with mu held.
func (k *Follower) hasExpired(t *task) bool { return t.expires.Load() <= k.o.Now().Unix() }

// isCurrent reports whether t was not removed. It is called with mu held.
func (k *Follower) isCurrent(t *task) bool { return k.tasks[t.conf.Apex.Key()] == t }

// errRemoved is the error of a check whose zone was removed meanwhile.
var errRemoved = errors.New("the zone is no secondary zone any more")
