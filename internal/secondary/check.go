package secondary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// outcome is what came of a check.
type outcome struct {
	zone     *zone.Zone // that is new; nil: what there is is current
	changes  []*zone.Changeset
	findings []zone.Finding // about what came
	from     *Primary
	expire   time.Duration // from now on
	least    bool          // expire only counts where it is later than what there is (RFC 7314 §4)
	log      []any
}

// job compares one zone with its primaries and takes what changed.
func (k *Follower) job(ctx context.Context, t *task) {
	k.mu.Lock()
	ctx, t.cancel = context.WithCancel(ctx)
	cancel := t.cancel
	w := work{k: k, conf: t.conf, t: t, good: t.good, whole: t.whole, preferred: t.preferred, expired: !t.served.IsAvailable()}
	waiting := t.waiting
	t.again, t.whole, t.waiting = false, false, nil
	if k.tasks[t.conf.Apex.Key()] != t {
		cancel()
	}
	k.mu.Unlock()
	defer cancel()
	k.totals.Checks.Add(1)
	var out *outcome
	var err error
	if !k.o.Guard.Do(part, func() {
		if out, err = w.check(ctx); out != nil {
			err = errors.Join(err, k.take(t, out, w.good))
		}
	}) {
		out, err = nil, errInternal
	}
	k.finish(t, out, err, waiting)
}

// errInternal is the failure of a zone over which the server itself failed.
var errInternal = errors.New("internal error, which the log has with its stack")

// work is one check under way.
type work struct {
	k         *Follower
	t         *task
	conf      *Zone
	good      *zone.Zone
	whole     bool
	expired   bool // or never there: any serial will do
	preferred int
}

// primaryAnswer is what one primary said.
type primaryAnswer struct {
	*checked
	index int
	p     *Primary
	err   error
}

// answerGrace is how long others are waited for once one primary has answered.
const answerGrace = time.Second

// ask asks all primaries for the SOA at the same time, and returns their answers,
// which are to be closed.
func (w *work) ask(ctx context.Context) []primaryAnswer {
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
			cancel() // the rest come at once, with errors
			grace = nil
			list = append(list, <-answers)
		}
	}
	return list
}

// check finds out which primary has the latest zone, and takes it from there. With
// an error there may be an outcome all the same: the zone cannot be had from the
// primary that has a later one, but another has what we have.
func (w *work) check(ctx context.Context) (*outcome, error) {
	answers := w.ask(ctx)
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
			errs = append(errs, fmt.Errorf("%v has serial %d, which is before ours, %d (RFC 1982); if that is meant, `ptrd retransfer %v` takes it", a.p, a.serial, w.good.Serial(), w.conf.Apex))
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

// rank orders primaries that have the same: who sent the NOTIFY first, then as the
// configuration does.
func (w *work) rank(a primaryAnswer) int {
	if a.index == w.preferred {
		return -1
	}
	return a.index
}

// confirmed is the outcome where a primary has what we have.
func (w *work) confirmed(a *primaryAnswer) *outcome {
	out := &outcome{from: a.p, expire: timersOf(w.good).expire}
	if a.opt.hasExpire {
		out.expire = min(out.expire, time.Duration(a.opt.expire)*time.Second)
		out.least = true
	}
	return out
}

// transfer takes the zone from one primary: what changed, or else all of it.
func (w *work) transfer(ctx context.Context, a primaryAnswer) (*outcome, error) {
	k := w.k
	give, err := k.transfers.take(ctx, a.p.Address.Addr())
	if err != nil {
		return nil, err
	}
	defer give()
	k.setPhase(w.t, transferring)
	asked := Asked{
		Type: rr.TypeAXFR, Apex: w.conf.Apex, Base: w.good, AnySerial: w.whole || w.expired,
		MaxOctets: w.conf.MaxOctets, Pause: k.o.Pause(),
	}
	conn := a.conn
	a.conn = nil
	began := k.o.Now()
	if w.good != nil && !w.whole {
		asked.Type = rr.TypeIXFR
		got, err := k.client.transfer(ctx, a.p, asked, !a.noEDNS, conn)
		if err == nil {
			return w.received(a, got, rr.TypeIXFR, began)
		}
		if ctx.Err() != nil || !isForAXFR(err) {
			return nil, err
		}
		k.totals.FailedIXFR.Add(1)
		k.o.Log.Info("differences of a secondary zone cannot be used; asking for all of it", "zone", w.conf.Apex.String(), "peer", a.p.String(), "err", err)
		asked.Type, conn = rr.TypeAXFR, nil
	}
	got, err := k.client.transfer(ctx, a.p, asked, !a.noEDNS, conn)
	if err != nil {
		return nil, err
	}
	return w.received(a, got, rr.TypeAXFR, began)
}

// isForAXFR reports whether an IXFR failed in a way that an AXFR may not: the primary
// refused it or hung up, or its differences are of no use. A primary that is not reached
// or does not prove who it is would answer that no better. An answer without a signature
// that only says no is as good as a closed connection.
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

// received is the outcome of a transfer.
func (w *work) received(a primaryAnswer, got *Received, typ rr.Type, began time.Time) (*outcome, error) {
	k := w.k
	out := &outcome{zone: got.Zone, changes: got.Changes, findings: got.Findings, from: a.p}
	if got.Zone == nil {
		if got.Serial != w.good.Serial() {
			return nil, fmt.Errorf("%v answers with serial %d to %v, and with %d to SOA", a.p, got.Serial, typ, a.serial)
		}
		return w.confirmed(&a), nil
	}
	if w.conf.Check != nil {
		if err := w.conf.Check(w.good, got.Zone); err != nil {
			return nil, fmt.Errorf("%v has serial %d, which is not taken: %w", a.p, got.Zone.Serial(), err)
		}
	}
	out.expire = timersOf(got.Zone).expire
	if got.HasExpire {
		out.expire = min(out.expire, time.Duration(got.Expire)*time.Second)
	}
	if got.Changes == nil {
		k.totals.AXFR.Add(1)
	} else {
		k.totals.IXFR.Add(1)
	}
	k.totals.Records.Add(uint64(got.Records))
	out.log = []any{"type", typ.String(), "records", got.Records, "messages", got.Messages, "took", k.o.Now().Sub(began).Round(time.Millisecond)}
	if n := len(got.Findings); n > 0 {
		out.log = append(out.log, "warnings", n, "first", got.Findings[0].String())
	}
	if got.Outside > 0 {
		out.log = append(out.log, "out_of_zone", got.Outside)
	}
	return out, nil
}

func (k *Follower) setPhase(t *task, p phase) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t.phase = p
}
