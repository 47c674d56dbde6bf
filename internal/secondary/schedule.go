package secondary

import (
	"context"
	"time"

	"github.com/ptrd/ptrd/internal/priority"
)

// This file decides when a zone is checked next and when its data expire:
//
//   - A new zone is checked at once, spread over some time if there are many (firstCheck).
//   - After a check the timers of the SOA decide (nextCheck).
//   - A NOTIFY, an operator, a new configuration or a returning network brings the check forward
//     (requestCheck). If one is running, another one follows it.
//
// Each is a time in task.next, and schedule puts the task into the queue at the earliest time at
// which something is to be done.

func newQueue() *priority.Queue[*task] {
	return priority.New(func(a, b *task) bool { return a.due.Before(b.due) }, func(t *task, position int) { t.at = position })
}

// work starts what is due and returns when the next task is; ok is false if there is none.
func (k *Follower) work() (next time.Time, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.followClock()
	now := k.o.Now()
	for {
		t, ok := k.queue.First()
		switch {
		case !ok:
			return next, false
		case t.due.After(now):
			return t.due, true
		}
		k.queue.Remove(t.at)
		if t.isServed() && !t.expireAt().After(now) {
			t.expireNext = now.Add(expireRetry)
			k.start(func(context.Context) { k.expire(t) })
		}
		if t.phase == idle && !t.next.After(now) {
			k.enqueue(t)
		}
		k.schedule(t)
	}
}

// schedule puts t into the queue, or moves it there.
func (k *Follower) schedule(t *task) {
	k.queue.Remove(t.at)
	var due time.Time
	if t.phase == idle {
		due = t.next
	}
	if t.isServed() {
		if e := t.expireAt(); due.IsZero() || e.Before(due) {
			due = e
		}
	}
	if !due.IsZero() && k.isCurrent(t) {
		t.due = due
		k.queue.Push(t)
	}
}

// expireRetry is the wait before another attempt to remove a zone that has expired.
const expireRetry = time.Minute

// expireAt returns when the data of t are to be removed.
func (t *task) expireAt() time.Time {
	if e := time.Unix(t.expires.Load(), 0); e.After(t.expireNext) {
		return e
	}
	return t.expireNext
}

// firstCheck returns the time of the first check of one of n new zones. All at once would be many
// packets in a millisecond.
func (k *Follower) firstCheck(n int) time.Time {
	within := min(time.Duration(n)*time.Millisecond, time.Minute)
	return k.o.Now().Add(time.Duration(k.o.Random() * float64(within)))
}

// nextCheck returns the time of the check after one that ended now, well or after t.failures.
func (k *Follower) nextCheck(t *task, now time.Time) time.Time {
	switch {
	case t.again:
		return now.Add(notifyGap)
	case t.failures == 0:
		return now.Add(spread(timersOf(t.good).refresh, k.o.Random()))
	}
	first, longest := firstRetry, lastRetry
	if t.good != nil {
		first = timersOf(t.good).retry
		longest = max(lastRetry, first)
	}
	return now.Add(spread(backoff(first, longest, t.failures), k.o.Random()))
}

// requestCheck brings the next check forward to now, or to notBefore if that is later. If a check is
// running, another one follows it.
func (k *Follower) requestCheck(t *task, notBefore time.Time) {
	if t.phase != idle {
		t.again = true
		return
	}
	at := k.o.Now()
	if notBefore.After(at) {
		at = notBefore
	}
	if at.Before(t.next) {
		t.next = at
	}
	k.schedule(t)
	k.signal()
}

// Retry requests a check of all zones whose last check failed.
func (k *Follower) Retry() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.tasks {
		if t.failures > 0 {
			k.requestCheck(t, time.Time{})
		}
	}
}
