package secondary

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/ptrd/ptrd/internal/clock"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// timers are the REFRESH, RETRY and EXPIRE of an SOA, within bounds: whoever writes
// 0 there must not make us ask without end, and whoever writes years must not make
// us forget the zone.
type timers struct{ refresh, retry, expire time.Duration }

const (
	leastRefresh, mostRefresh = 30 * time.Second, 24 * time.Hour
	leastRetry, mostRetry     = 10 * time.Second, 24 * time.Hour

	// Without a zone there are no timers: the first try is soon repeated, later ones
	// less often.
	firstRetry, lastRetry = 10 * time.Second, 15 * time.Minute

	// notifyGap is the least time between two checks that NOTIFY asks for. A burst of
	// changes at the primary becomes few transfers.
	notifyGap = time.Second
)

// timersOf returns the timers that the SOA of a zone sets.
func timersOf(z *zone.Zone) timers {
	soa, _ := z.Get(z.Apex(), rr.TypeSOA)
	data := soa.First(nil)
	number := func(i int) time.Duration {
		return time.Duration(binary.BigEndian.Uint32(data[len(data)-20+4*i:])) * time.Second
	}
	t := timers{
		refresh: min(max(number(1), leastRefresh), mostRefresh),
		retry:   min(max(number(2), leastRetry), mostRetry),
		expire:  number(3),
	}
	// A zone that expires before it is refreshed would come and go.
	t.expire = max(t.expire, t.refresh+t.retry)
	return t
}

// backoff is the wait after so many failures in a row, for a first of d and at most
// most: a zone that cannot be served as it comes is not to be fetched every few
// seconds.
func backoff(d, most time.Duration, failures int) time.Duration {
	for ; failures > 1 && d < most; failures-- {
		d *= 2
	}
	return min(d, max(most, 0))
}

// spread returns a time between three quarters of d and d, so that zones of one
// primary do not all ask at once. random is from 0 to 1.
func spread(d time.Duration, random float64) time.Duration {
	return d - time.Duration(random*float64(d)/4)
}

// The note that keeps a zone's times: when it was checked last and when it expires,
// in Unix seconds.
const (
	notePrefix = "secondary/"
	noteTimes  = notePrefix + "times"
)

func timesNote(checked, expires time.Time) zone.Note {
	b := binary.BigEndian.AppendUint64(nil, uint64(checked.Unix()))
	return zone.Note{Key: noteTimes, Value: binary.BigEndian.AppendUint64(b, uint64(expires.Unix()))}
}

// keptTimes are the times of a zone as an earlier process wrote them down.
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

// at returns when the zone expires where the clock shows now. With a clock that is behind
// it is not later than if the zone was checked now. Of what was written down with a clock
// that was wrong only the span counts.
func (t keptTimes) at(now time.Time) time.Time {
	latest := now.Round(0).Add(t.expires.Sub(t.checked))
	if t.expires.Before(latest) && clock.IsPossible(t.checked) {
		return t.expires
	}
	return latest
}

// heedClock moves the times of all zones by what the clock was set since the last call.
// It is called with mu held.
func (k *Follower) heedClock() {
	steps := k.o.Steps()
	if steps == k.heeded {
		return
	}
	all, forward := steps.All-k.heeded.All, steps.Forward-k.heeded.Forward
	k.heeded = steps
	now := k.o.Now()
	// A time of this process is as long ago as before, by the clock that is not set.
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

// revive serves the data of a zone again that have not expired, as it turned out when the
// clock was set back.
func (k *Follower) revive(t *task) {
	k.mu.Lock()
	apex, served, good := t.conf.Apex, t.served, t.good
	isPast := k.tasks[apex.Key()] != t || served.IsAvailable() || t.expires.Load() <= k.o.Now().Unix()
	k.mu.Unlock()
	if isPast {
		return
	}
	err := k.replace(apex, served, good, "clock")
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		return // a transfer came, or comes
	}
	t.served = good
	k.o.Log.Info("secondary zone is served again: the clock was set back to before it expires", "zone", apex.String(), "serial", uint32(good.Serial()))
	k.schedule(t)
}

// ClockSet has the times of zones looked at again, after the clock was set.
func (k *Follower) ClockSet() { k.signal() }
