package daemon

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/backup"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/internal/secondary"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

const (
	// askTime bounds how long the first start after a loss waits for secondaries, all
	// zones together. Those on a working network answer in milliseconds.
	askTime = 2 * time.Second
	// askAtOnce bounds how many are asked at the same time.
	askAtOnce = 64
)

// askSerial asks a target of NOTIFY for the serial of its copy of a zone.
func askSerial(ctx context.Context, t notify.Target, apex dname.Name) (zone.Serial, error) {
	return serialOf(ctx, secondary.Primary{Address: t.Address, Source: t.Source, Key: t.Key}, apex)
}

// partSerials is the part of the server that asks others for serials, in logs and metrics.
const partSerials = "serials of other servers"

// errInternal is the result of a question that a contained panic ended.
var errInternal = errors.New("internal error")

// errLate is the error of a question whose answer did not come before its context ended.
var errLate = errors.New("no answer in time")

// serialOf asks a server for the serial of its copy of a zone.
func serialOf(ctx context.Context, p secondary.Primary, apex dname.Name) (zone.Serial, error) {
	serial, err := secondary.Serial(ctx, p, apex)
	if err != nil && ctx.Err() != nil {
		return 0, errLate
	}
	return serial, err
}

// recallSerials asks the targets of NOTIFY for the serials that they have, where the
// journal cannot know those that were served last: it is new or was damaged, or the
// state was restored from a backup. It is done before anything is served, so that no
// serial is seen to go back. Targets that do not answer in time are asked again at the
// next start after a restore, and else not.
func (d *Daemon) recallSerials(ctx context.Context, cfg *config.Config, isOld bool) {
	isRestored := backup.IsRestored(cfg.StateDir)
	if !isRestored && (!d.journal.IsNew() || !isOld && len(d.damage) == 0) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	type question struct {
		apex dname.Name
		to   notify.Target
	}
	var questions []question
	for z := range registry.New(registry.Options{Config: cfg}).All {
		if z.Notify == nil {
			continue
		}
		apex := z.Apex
		e, ok, err := d.journal.Last(apex)
		if err != nil || !isRestored && ok && e.Digest != (zone.Digest{}) || e.Verbatim {
			continue
		}
		for _, t := range z.Notify.Targets {
			questions = append(questions, question{apex, t})
		}
	}
	var mu sync.Mutex
	serials, silent := map[string]zone.Serial{}, map[string]bool{}
	work := make(chan question)
	var workers sync.WaitGroup
	for range min(askAtOnce, len(questions)) {
		workers.Go(func() {
			for q := range work {
				var serial zone.Serial
				err := errInternal
				d.contain.Do(partSerials, func() { serial, err = askSerial(ctx, q.to, q.apex) })
				mu.Lock()
				if old, known := serials[q.apex.Key()]; err == nil && (!known || old.Before(serial)) {
					serials[q.apex.Key()] = serial
				} else if err != nil {
					silent[q.apex.String()] = true
				}
				mu.Unlock()
			}
		})
	}
	for _, q := range questions {
		work <- q
	}
	close(work)
	workers.Wait()
	if len(serials) > 0 {
		if err := d.journal.Raise(serials); err != nil {
			d.log.Error("the serials of secondaries cannot be stored", "err", err)
			return
		}
		d.each.Info("secondaries were asked for their serials, so that ours continue after them", "zones", len(serials))
	}
	if len(silent) > 0 {
		names := slices.Sorted(maps.Keys(silent))
		d.log.Warn("some secondaries did not answer which serial they have; if theirs is later than ours, they ignore changes until ours is later again", "zones", len(silent), "first", names[0])
		return
	}
	if err := backup.Forget(cfg.StateDir); err != nil {
		d.log.Warn("the mark of a restored state directory cannot be removed", "err", err)
	}
}
