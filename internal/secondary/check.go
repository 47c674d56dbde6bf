package secondary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// outcome is the result of a check.
type outcome struct {
	zone     *zone.Zone // that was transferred; nil: the current data are confirmed
	changes  []*zone.Changeset
	findings []finding.Finding // about what was transferred
	from     *Primary
	expire   time.Duration // from now on
	least    bool          // expire only counts if it is later than the current expiry (RFC 7314 §4)
	log      []any
}

// job compares one zone with its primaries and publishes what changed.
func (k *Follower) job(ctx context.Context, t *task) {
	k.mu.Lock()
	ctx, t.cancel = context.WithCancel(ctx)
	cancel := t.cancel
	w := work{k: k, conf: t.conf, t: t, good: t.good, whole: t.whole, preferred: t.preferred, expired: !t.served.IsAvailable()}
	waiting := t.waiting
	t.again, t.whole, t.waiting = false, false, nil
	if !k.isCurrent(t) {
		cancel()
	}
	k.mu.Unlock()
	defer cancel()
	k.totals.Checks.Add(1)
	var out *outcome
	var err error
	if !k.o.Guard.Do(part, func() {
		if out, err = w.check(ctx); out != nil {
			err = errors.Join(err, k.publish(t, out, w.good))
		}
	}) {
		out, err = nil, errInternal
	}
	k.finish(t, out, err, waiting)
}

// errInternal is the error of a check that panicked.
var errInternal = errors.New("internal error; see the log for its stack")

// work is one running check. It has copies of what it needs of the task.
type work struct {
	k         *Follower
	t         *task
	conf      *Zone
	good      *zone.Zone
	whole     bool
	expired   bool // or there were never data: any serial is accepted
	preferred int
}

// primaryAnswer is the answer of one primary.
type primaryAnswer struct {
	*checked
	index int
	p     *Primary
	err   error
}

// answerGrace is how long a check waits for other primaries after one has answered.
const answerGrace = time.Second

// askPrimaries asks all primaries for the SOA at the same time, and returns their answers, which are
// to be closed.
func (w *work) askPrimaries(ctx context.Context) []primaryAnswer {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := w.conf.Primaries
	answers := make(chan primaryAnswer, len(all))
	for i := range all {
		go func() {
			a := primaryAnswer{index: i, p: &all[i]}
			if !w.k.o.Guard.Do(part, func() { a.checked, a.err = w.k.client.soa(ctx, &all[i], w.conf.Apex) }) {
				a.checked, a.err = nil, errInternal
			}
			answers <- a
		}()
	}
	var list []primaryAnswer
	var grace <-chan time.Time
	for range all {
		select {
		case a := <-answers:
			if list = append(list, a); a.err == nil && grace == nil {
				timer := time.NewTimer(answerGrace)
				defer timer.Stop()
				grace = timer.C
			}
		case <-grace:
			cancel() // the others follow at once, with errors
			grace = nil
			list = append(list, <-answers)
		}
	}
	return list
}

// check finds the primaries with the latest zone and transfers it from one of them. It may return an
// outcome and an error: transfers from the primaries with a later zone failed, but another primary
// confirmed the current data.
func (w *work) check(ctx context.Context) (*outcome, error) {
	answers := w.askPrimaries(ctx)
	defer func() {
		for _, a := range answers {
			if a.checked != nil {
				a.close()
			}
		}
	}()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	var errs []error
	var current *primaryAnswer
	var better []primaryAnswer
	for i := range answers {
		a := &answers[i]
		switch {
		case a.err != nil:
			errs = append(errs, a.err)
		case w.whole || w.good == nil || w.good.Serial().Before(a.serial):
			better = append(better, *a)
		case a.serial == w.good.Serial():
			if current == nil || a.opt.expire > current.opt.expire {
				current = a
			}
		case w.expired:
			better = append(better, *a)
		default:
			errs = append(errs, fmt.Errorf("%v has serial %d, which is before that of the current copy, %d (RFC 1982); if this is intended, run `ptrd retransfer %v`", a.p, a.serial, w.good.Serial(), w.conf.Apex))
		}
	}
	slices.SortStableFunc(better, func(a, b primaryAnswer) int {
		switch {
		case a.serial.Before(b.serial):
			return 1
		case b.serial.Before(a.serial):
			return -1
		}
		return w.rank(a) - w.rank(b)
	})
	for _, a := range better {
		out, err := w.transfer(ctx, a)
		switch {
		case err == nil:
			return out, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		errs = append(errs, err)
	}
	if current != nil {
		if len(better) == 0 {
			errs = nil
		}
		return w.confirmed(current), errors.Join(errs...)
	}
	return nil, errors.Join(errs...)
}

// rank orders primaries with the same serial: the sender of the NOTIFY first, then as in the
// configuration.
func (w *work) rank(a primaryAnswer) int {
	if a.index == w.preferred {
		return -1
	}
	return a.index
}

// confirmed returns the outcome where a primary has the serial of the current data.
func (w *work) confirmed(a *primaryAnswer) *outcome {
	out := &outcome{from: a.p, expire: timersOf(w.good).expire}
	if a.opt.hasExpire {
		out.expire = min(out.expire, time.Duration(a.opt.expire)*time.Second)
		out.least = true
	}
	return out
}

// transfer transfers the zone from one primary: what changed, or else all of it.
func (w *work) transfer(ctx context.Context, a primaryAnswer) (*outcome, error) {
	k := w.k
	end, err := k.beginTransfer(ctx, a.p)
	if err != nil {
		return nil, err
	}
	defer end()
	k.setPhase(w.t, transferring)
	asked := request{
		typ: rr.TypeAXFR, apex: w.conf.Apex, base: w.good, anySerial: w.whole || w.expired,
		maxOctets: w.conf.MaxOctets, pause: k.o.Pause(),
	}
	conn := a.conn
	a.conn = nil
	began := k.o.Now()
	if w.good != nil && !w.whole {
		asked.typ = rr.TypeIXFR
		got, err := k.client.transfer(ctx, a.p, asked, !a.noEDNS, conn)
		if err == nil {
			return w.transferred(a, got, rr.TypeIXFR, began)
		}
		if ctx.Err() != nil || !isForAXFR(err) {
			return nil, err
		}
		k.totals.FailedIXFR.Add(1)
		k.o.Log.Info("the incremental transfer of a secondary zone cannot be used; requesting the whole zone", "zone", w.conf.Apex.String(), "peer", a.p.String(), "err", err)
		asked.typ, conn = rr.TypeAXFR, nil
	}
	got, err := k.client.transfer(ctx, a.p, asked, !a.noEDNS, conn)
	if err != nil {
		return nil, err
	}
	return w.transferred(a, got, rr.TypeAXFR, began)
}

// isForAXFR reports whether AXFR may succeed where an IXFR failed: the primary refused it or closed
// the connection, or its differences are invalid. It may not if the primary was not reached or not
// authenticated. An unsigned answer with an RCODE counts like a closed connection.
func isForAXFR(err error) bool {
	var gone *transportError
	if errors.As(err, &gone) {
		return gone.closed
	}
	var untrusted *trustError
	if errors.As(err, &untrusted) {
		var refused *RefusedError
		return errors.As(err, &refused) && refused.RCode != wire.RCodeNotAuth
	}
	return true
}

// transferred returns the outcome of a transfer.
func (w *work) transferred(a primaryAnswer, got *received, typ rr.Type, began time.Time) (*outcome, error) {
	k := w.k
	out := &outcome{zone: got.zone, changes: got.changes, findings: got.findings, from: a.p}
	if got.zone == nil {
		if got.serial != w.good.Serial() {
			return nil, fmt.Errorf("%v answers with serial %d to %v, and with %d to SOA", a.p, got.serial, typ, a.serial)
		}
		return w.confirmed(&a), nil
	}
	if w.conf.Check != nil {
		if err := w.conf.Check(w.good, got.zone); err != nil {
			return nil, fmt.Errorf("%v has serial %d, which is rejected: %w", a.p, got.zone.Serial(), err)
		}
	}
	out.zone, out.findings = k.withKeys(got.zone, got.findings)
	out.expire = timersOf(got.zone).expire
	if got.hasExpire {
		out.expire = min(out.expire, time.Duration(got.expire)*time.Second)
	}
	if got.changes == nil {
		k.totals.AXFR.Add(1)
	} else {
		k.totals.IXFR.Add(1)
	}
	k.totals.Records.Add(uint64(got.records))
	out.log = []any{"type", typ.String(), "records", got.records, "messages", got.messages, "took", k.o.Now().Sub(began).Round(time.Millisecond)}
	if n := len(out.findings); n > 0 {
		out.log = append(out.log, "warnings", n, "first", out.findings[0].String())
	}
	if got.outside > 0 {
		out.log = append(out.log, "out_of_zone", got.outside)
	}
	return out, nil
}

func (k *Follower) setPhase(t *task, p phase) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t.phase = p
}
