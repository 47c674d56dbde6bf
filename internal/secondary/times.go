package secondary

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/ptrd/ptrd/internal/clock"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// timers are the REFRESH, RETRY and EXPIRE of an SOA, within bounds: a value of 0 must not cause
// continuous queries, and one of years must not stop them.
type timers struct{ refresh, retry, expire time.Duration }

const (
	minRefresh, maxRefresh = 30 * time.Second, 24 * time.Hour
	minRetry, maxRetry     = 10 * time.Second, 24 * time.Hour

	// Without a zone there are no timers: the second try follows soon, later ones less often.
	firstRetry, lastRetry = 10 * time.Second, 15 * time.Minute

	// notifyGap is the minimum time between two checks that NOTIFY requests. A burst of changes at
	// the primary becomes few transfers.
	notifyGap = time.Second
)

// timersOf returns the timers in the SOA of a zone.
func timersOf(z *zone.Zone) timers {
	numbers := rr.SOANumbers(z.SOA().Data)
	number := func(i int) time.Duration {
		return time.Duration(binary.BigEndian.Uint32(numbers[4*i:])) * time.Second
	}
	t := timers{
		refresh: min(max(number(1), minRefresh), maxRefresh),
		retry:   min(max(number(2), minRetry), maxRetry),
		expire:  number(3),
	}
	// A zone that expires before it is refreshed would be served now and then only.
	t.expire = max(t.expire, t.refresh+t.retry)
	return t
}

// backoff returns the wait after so many failures in a row: first, then twice as long each time, up to
// longest. So a zone that cannot be served is not transferred every few seconds.
func backoff(first, longest time.Duration, failures int) time.Duration {
	d := first
	for ; failures > 1 && d < longest; failures-- {
		d *= 2
	}
	return min(d, max(longest, 0))
}

// spread returns a time between three quarters of d and d, so that the zones of one primary are not all
// checked at once. random is from 0 to 1.
func spread(d time.Duration, random float64) time.Duration {
	return d - time.Duration(random*float64(d)/4)
}

// noteTimes is the key of the note with the times of a zone: when it was checked last and when it
// expires, in Unix seconds.
const (
	notePrefix = "secondary/"
	noteTimes  = notePrefix + "times"
)

func timesNote(checked, expires time.Time) zone.Note {
	b := binary.BigEndian.AppendUint64(nil, uint64(checked.Unix()))
	return zone.Note{Key: noteTimes, Value: binary.BigEndian.AppendUint64(b, uint64(expires.Unix()))}
}

// keptTimes are the times of a zone that an earlier process wrote.
type keptTimes struct{ checked, expires time.Time }

func readTimes(notes []zone.Note) (t keptTimes, ok bool) {
	for _, n := range notes {
		if n.Key == noteTimes && len(n.Value) == 16 {
			at := func(b []byte) time.Time { return time.Unix(int64(binary.BigEndian.Uint64(b)), 0) }
			return keptTimes{at(n.Value), at(n.Value[8:])}, true
		}
	}
	return t, false
}

// at returns when the zone expires if the clock shows now. If the clock is behind, that is not later
// than if the zone were checked now. If the clock was wrong when the times were written, only the
// duration between them counts.
func (t keptTimes) at(now time.Time) time.Time {
	latest := now.Round(0).Add(t.expires.Sub(t.checked))
	if t.expires.Before(latest) && clock.IsPossible(t.checked) {
		return t.expires
	}
	return latest
}

// followClock moves the times of all zones by the time by which the clock was set since the last call.
// It is called with mu held.
func (k *Follower) followClock() {
	steps := k.o.Steps()
	if steps == k.steps {
		return
	}
	all, forward := steps.All-k.steps.All, steps.Forward-k.steps.Forward
	k.steps = steps
	now := k.o.Now()
	// By the monotonic clock, a time of this process is as long ago as before.
	move := func(t *time.Time) {
		if !t.IsZero() {
			*t = now.Add(t.Sub(now))
		}
	}
	for _, t := range k.tasks {
		for _, at := range []*time.Time{&t.next, &t.checked, &t.tried, &t.transferred, &t.expireNext} {
			move(at)
		}
		switch {
		case t.good == nil:
		case t.own:
			t.expires.Add(int64(all.Seconds()))
		default:
			t.kept.checked, t.kept.expires = t.kept.checked.Add(forward), t.kept.expires.Add(forward)
			t.expires.Store(t.kept.at(now).Unix())
			if !t.served.IsAvailable() && t.expireAt().After(now) {
				k.start(func(context.Context) { k.revive(t) })
			}
		}
		k.schedule(t)
	}
}

// ClockSet makes the Follower look at the times of its zones again after the clock was set.
func (k *Follower) ClockSet() { k.signal() }
