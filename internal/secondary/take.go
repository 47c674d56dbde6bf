package secondary

import (
	"errors"
	"fmt"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// take serves what a check brought for t, whose data were good before.
func (k *Follower) take(t *task, out *outcome, good *zone.Zone) error {
	var p *taken
	_, err := k.o.Store.Commit(commit.Request{
		Propose: func(*zone.Set) (b *zone.Batch, err error) {
			p, b, err = k.propose(t, out, good)
			return b, err
		},
		After: func() error { k.adoptTaken(t, out, p); return nil },
	})
	if err == nil && p.zone == nil {
		return k.confirm(t, p.expires)
	}
	return err
}

// taken is what becomes of a zone after a check.
type taken struct {
	zone     *zone.Zone // to be served; nil: what is served is confirmed
	isNew    bool       // it was transferred
	findings []zone.Finding
	now      time.Time
	steps    time.Duration // by which the clock was set until now
	expires  time.Time
}

// propose returns the change that a check leads to; nil if there is none.
func (k *Follower) propose(t *task, out *outcome, good *zone.Zone) (*taken, *zone.Batch, error) {
	k.mu.Lock()
	k.heedClock()
	p := &taken{zone: out.zone, isNew: out.zone != nil && out.zone != good, now: k.o.Now(), steps: k.heeded.All, findings: t.findings}
	apex, served := t.conf.Apex, t.served
	p.expires = p.now.Add(out.expire)
	if old := time.Unix(t.expires.Load(), 0); out.least && old.After(p.expires) {
		p.expires = old
	}
	k.mu.Unlock()
	if p.zone == nil {
		if served.IsAvailable() || !p.expires.After(p.now) {
			return p, nil, nil
		}
		p.zone = good // it had expired, and is good again
	}
	change := zone.Change{
		Zone: p.zone, Apex: apex, Base: served, Kept: true, Verbatim: true,
		Notes: []zone.Note{timesNote(p.now, p.expires)},
	}
	source := "transfer from " + out.from.String()
	if p.isNew {
		change.Steps = k.steps(good, out, source, p.now)
		had := len(p.findings) > 0
		if p.findings = remaining(p.findings, out); had || len(p.findings) > 0 {
			change.Notes = append(change.Notes, findingsNote(p.findings))
		}
		if len(change.Steps) == 0 && k.o.Journal != nil {
			if err := k.o.Journal.Keep(p.zone, k.o.Pause()); err != nil {
				return nil, nil, fmt.Errorf("keep the zone on disk, without which it is not served: %w", err)
			}
		}
	}
	return p, &zone.Batch{Changes: []zone.Change{change}, Source: source, At: p.now.UnixMilli()}, nil
}

// adoptTaken notes for t what is served by now.
func (k *Follower) adoptTaken(t *task, out *outcome, p *taken) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.heedClock()
	expires := p.expires.Add(k.heeded.All - p.steps)
	t.own = true
	t.served, t.good, t.stored, t.findings = p.zone, p.zone, expires, p.findings
	t.expires.Store(expires.Unix())
	t.checked, t.from = p.now, out.from.String()
	if p.isNew {
		t.transferred = p.now
	}
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
	if err := k.o.Journal.SetNotes(apex, []zone.Note{timesNote(now, expires)}); err != nil {
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
	err := k.replace(apex, served, none, "expiry")
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case errors.Is(err, commit.ErrConflict):
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

// replace serves another zone than before, without a transfer.
func (k *Follower) replace(apex dname.Name, base, next *zone.Zone, source string) error {
	return k.o.Store.Publish(&zone.Batch{
		Changes: []zone.Change{{Zone: next, Apex: apex, Base: base, Kept: true, Verbatim: true}},
		Source:  source, At: k.o.Now().UnixMilli(),
	})
}
