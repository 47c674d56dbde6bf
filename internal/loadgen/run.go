package loadgen

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// Run asks and returns what came of it. When ctx is done it ends at once, with
// the results so far. An error says that there are no results: an option is wrong,
// or the server cannot be reached at all.
func Run(ctx context.Context, o Options) (*Result, error) {
	o, err := o.withDefaults(runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, err
	}
	if q, ok := o.Source.(*Questions); o.Source == nil || ok && q.Len() == 0 {
		return nil, fmt.Errorf("there are no questions")
	}
	var start time.Time
	now := func() int64 { return int64(time.Since(start)) }
	workers := make([]*worker, o.Workers)
	for i := range workers {
		w := newWorker(&o, i, now)
		if err := w.open(ctx, newGroup(&o, len(w.flows))); err != nil {
			for _, w := range workers[:i] {
				w.close()
			}
			w.close()
			return nil, fmt.Errorf("server %v: %w", o.Server, err)
		}
		workers[i] = w
	}

	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(workers))
	start = time.Now()
	for i, w := range workers {
		wg.Go(func() {
			defer w.close()
			if errs[i] = w.run(stop); errs[i] != nil {
				cancel() // the others need not go on alone
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	watch(done, now, workers, o.Progress)
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("server %v: %w", o.Server, err)
		}
	}
	return newResult(&o, workers, ctx.Err() != nil), nil
}

// watch reports the progress until all workers have ended.
func watch(done <-chan struct{}, now func() int64, workers []*worker, progress func(Progress)) {
	if progress == nil {
		<-done
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			p := Progress{Elapsed: duration(now())}
			for _, w := range workers {
				p.Sent += w.sent.Load()
				p.Answered += w.answered.Load()
				p.Timeouts += w.timeouts.Load()
			}
			progress(p)
		}
	}
}
