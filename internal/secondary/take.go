package secondary

import (
	"errors"
	"fmt"
	"time"

	"github.com/ptrd/ptrd/zone"
)

// take publishes what a check brought for t, whose data were good before.
func (k *Follower) take(t *task, out *outcome, good *zone.Zone) error {
	err := k.takeOnce(t, out, good)
	if errors.Is(err, zone.ErrStale) {
		err = k.takeOnce(t, out, good) // it has expired meanwhile
	}
	return err
}

func (k *Follower) takeOnce(t *task, out *outcome, good *zone.Zone) error {
	k.mu.Lock()
	k.heedClock()
	now, steps := k.o.Now(), k.heeded.All
	apex, served, findings := t.conf.Apex, t.served, t.findings
	expires := now.Add(out.expire)
	if old := time.Unix(t.expires.Load(), 0); out.least && old.After(expires) {
		expires = old
	}
	k.mu.Unlock()
	z := out.zone
	if z == nil {
		if served.IsAvailable() || !expires.After(now) {
			return k.confirm(t, expires)
		}
		z = good // it had expired, and is good again
	}
	change := zone.Change{
		Zone: z, Apex: apex, Base: served, Kept: true, Verbatim: true,
		Notes: []zone.Note{timesNote(now, expires)},
	}
	source := "transfer from " + out.from.String()
	if z != good {
		change.Steps = k.steps(good, out, source, now)
		had := len(findings) > 0
		if findings = remaining(findings, out); had || len(findings) > 0 {
			change.Notes = append(change.Notes, findingsNote(findings))
		}
	}
	if len(change.Steps) == 0 && z != good && k.o.Journal != nil {
		if err := k.o.Journal.Keep(z, k.o.Pause()); err != nil {
			return fmt.Errorf("keep the zone on disk, without which it is not served: %w", err)
		}
	}
	var err error
	k.o.Aside(func() {
		err = k.o.Store.Publish(&zone.Batch{Changes: []zone.Change{change}, Source: source, At: now.UnixMilli()})
	})
	if err != nil {
		return fmt.Errorf("publish the zone: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heedClock()
	expires = expires.Add(k.heeded.All - steps)
	t.own = true
	t.served, t.good, t.stored, t.findings = z, z, expires, findings
	t.expires.Store(expires.Unix())
	t.checked, t.from = now, out.from.String()
	if z != good {
		t.transferred = now
	}
	return nil
}

// diffFor bounds the memory of a difference, by that of the zone. Its records take some
// four times what they take in a zone, and one of as many records as the zone is given up
// anyway.
const diffFor = 4

// leastHistory is how many records a change may have that leaves a zone its history
// although it is larger than the zone.
const leastHistory = 1000

// steps returns what leads from good to the zone of out; nil where that is as much
// as the zone, or its serial goes back, so that its history begins anew.
func (k *Follower) steps(good *zone.Zone, out *outcome, source string, now time.Time) (list []zone.Step) {
	if good == nil || !good.Serial().Before(out.zone.Serial()) {
		return nil
	}
	changes := out.changes
	if changes == nil {
		c := zone.DiffWithin(good, out.zone, max(leastSteps, diffFor*out.zone.Stats().Bytes), k.o.Pause())
		if c == nil || len(c.Removed)+len(c.Added) > max(leastHistory, out.zone.Stats().Records) {
			return nil
		}
		changes = []*zone.Changeset{c}
	}
	for _, c := range changes {
		list = append(list, zone.Step{Changeset: c, Source: source, At: now.UnixMilli()})
	}
	return list
}

// storeAfter is the part of the span until a zone expires by which what the journal
// has of it may be late: after a crash the zone expires earlier by so much. Writing
// each time would be a disk flush for each zone and refresh.
const storeAfter = 8

// confirm notes that the data of t are still those of a primary.
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
	var err error
	k.o.Aside(func() { err = k.o.Journal.SetNotes(apex, []zone.Note{timesNote(now, expires)}) })
	if err != nil {
		return fmt.Errorf("keep the time that the zone expires: %w", err)
	}
	k.mu.Lock()
	t.stored = expires
	k.mu.Unlock()
	return nil
}

// finish notes how a check ended, and when the next is to be.
func (k *Follower) finish(t *task, out *outcome, err error, asked []chan State) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t.phase, t.cancel = waiting, nil
	if k.tasks[t.conf.Apex.Key()] != t {
		t.tell(asked, State{Apex: t.conf.Apex, Error: notKept})
		return
	}
	if k.run.Err() != nil {
		return // whoever waits is told that we end
	}
	now := k.o.Now()
	t.tried = now
	name := t.conf.Apex.String()
	switch {
	case err == nil:
		if t.failures > 0 && out.zone == nil {
			k.o.Log.Info("secondary zone is confirmed again", "zone", name, "serial", uint32(t.good.Serial()), "peer", out.from.String())
		}
		t.failure, t.failures = "", 0
		if out.zone != nil {
			k.o.Log.Info("secondary zone transferred", append([]any{"zone", name, "serial", uint32(out.zone.Serial()), "peer", out.from.String()}, out.log...)...)
			if out.changes == nil {
				k.o.Made(out.zone.Stats().Bytes)
			}
		}
		t.next = now.Add(spread(timersOf(t.good).refresh, k.o.Random()))
	default:
		k.totals.Failures.Add(1)
		failure := err.Error()
		if errors.Is(err, zone.ErrStale) {
			failure = "another source changed the zone meanwhile"
		}
		if t.failures++; t.failure != failure || t.failures == 1 {
			k.o.Log.Warn("no primary confirms or brings the secondary zone", "zone", name, "err", failure)
		}
		t.failure = failure
		first, most := firstRetry, lastRetry
		if t.good != nil {
			first = timersOf(t.good).retry
			most = max(lastRetry, first)
		}
		t.next = now.Add(spread(backoff(first, most, t.failures), k.o.Random()))
	}
	if t.again {
		t.next = now.Add(notifyGap)
	}
	t.tell(asked, k.state(t))
	k.schedule(t)
	k.signal()
}

// expire puts a zone without data in the place of one that has become too old.
func (k *Follower) expire(t *task) {
	k.mu.Lock()
	apex, served := t.conf.Apex, t.served
	isPast := k.tasks[apex.Key()] == t && served.IsAvailable() && t.expires.Load() <= k.o.Now().Unix()
	k.mu.Unlock()
	if !isPast {
		return
	}
	none := zone.Expired(apex, expiredReason)
	var err error
	k.o.Aside(func() {
		err = k.o.Store.Publish(&zone.Batch{
			Changes: []zone.Change{{Zone: none, Apex: apex, Base: served, Kept: true, Verbatim: true}},
			Source:  "expiry", At: k.o.Now().UnixMilli(),
		})
	})
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case errors.Is(err, zone.ErrStale):
		return // a transfer came just in time
	case err != nil:
		k.o.Log.Error("a secondary zone that has expired is still served", "zone", apex.String(), "err", err)
		return
	}
	t.served = none
	k.totals.Expired.Add(1)
	k.o.Log.Error("secondary zone has expired and answers SERVFAIL", "zone", apex.String(), "checked", t.checked, "err", t.failure)
	k.schedule(t)
}
