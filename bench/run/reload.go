package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ptrd/ptrd/bench/dataset"
	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/internal/loadgen"
)

// The load during a reload: many times what most servers see, and a tenth of what one
// processor can do.
const reloadRate = 20_000

// The times of a reload run.
const (
	reloadBefore   = 3 * time.Second // of load, before the file changes
	reloadTimeout  = 2 * time.Second // an answer that comes later is no use to anybody
	reloadAfter    = 3 * time.Second // of load after the new serial: all that was due before has ended
	reloadPatience = 90 * time.Second
	restLength     = time.Second // of the floor's load
)

// reloads has each server, on its one processor and under load, reload a zone in which
// one record in a hundred has changed.
func (l *lab) reloads(d *data, o loadOptions) error {
	if len(d.apexes) != 1 {
		return fmt.Errorf("data set %s has %d zones; the zone that is reloaded is that of v4-N or v6-N", d.set.Name, len(d.apexes))
	}
	if err := d.set.WriteChanged(filepath.Join(l.dir, "data")); err != nil {
		return err
	}
	return l.each(o.runs, func(p *peer.Peer) (record, error) {
		if p == l.peers[0] {
			if err := l.restOnce(d, o); err != nil {
				return record{}, err
			}
		}
		return l.reloadOnce(p, d, o)
	}, func(run int, p *peer.Peer, v map[string]float64) {
		fmt.Fprintf(l.out, "reload %-8s run %d  %-12s %6.2f s, %.0f of %.0f lost, p50 %.0f µs, p99 %.0f µs, max %.1f ms; peak %.0f MB\n", d.set.Name, run, p.Name,
			v[valueReload], v[valueLost], v[valueSent], v[valueP50], v[valueP99], v[valueMax]/1e3, v[valuePeak]/1e6)
	})
}

func (l *lab) reloadOnce(p *peer.Peer, d *data, o loadOptions) (record, error) {
	zones := filepath.Join(l.dir, "reload")
	apex := d.apexes[0]
	file := filepath.Join(zones, apex+".zone")
	if err := errors.Join(os.RemoveAll(zones), os.MkdirAll(zones, 0o755)); err != nil {
		return record{}, err
	}
	defer os.RemoveAll(zones)
	if err := peer.CopyFile(filepath.Join(d.Zones, apex+".zone"), file); err != nil {
		return record{}, err
	}
	// Some servers see only by its time that a file has changed.
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(file, old, old); err != nil {
		return record{}, err
	}
	s, _, err := l.startServer(p, peer.Site{Zones: zones, Apexes: d.apexes, Reloads: true}, d)
	if err != nil {
		return record{}, err
	}
	defer s.Stop()
	next := file + ".new"
	if err := errors.Join(peer.CopyFile(filepath.Join(d.Changed, apex+".zone"), next), syncFile(next)); err != nil {
		return record{}, err
	}
	machine.Settle(max(o.wait, time.Second), serverCPU, generatorCPU)
	stop, err := keepAwake(generatorCPU)
	if err != nil {
		return record{}, err
	}
	defer stop()
	memory, before := s.Memory(), stolen()

	began, end := l.loadInBackground(s, d)
	change, changeErr := l.change(s, file, next, apex, began)
	r, err := end()
	if err := errors.Join(changeErr, err); err != nil {
		return record{}, err
	}
	after := s.Memory()
	v := latencies(samplesDue(r.Samples, change.from, change.to))
	v[valueReload] = (change.to - change.from).Seconds()
	v[valuePSS], v[valuePeak] = float64(memory.PSS), float64(after.Peak)
	v[valueStolen] = (stolen() - before).Seconds()
	return record{Kind: kindReload, Set: d.set.Name, Server: p.Name, Values: v, Quiet: v[valueStolen] < 0.05}, nil
}

// syncFile has a file written to the disk, so that this does not happen under load,
// when it takes its place.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// restOnce has the floor, which has nothing to reload, serve the load for as long as a
// reload may take: what the machine itself makes of the latencies.
func (l *lab) restOnce(d *data, o loadOptions) error {
	s, err := l.newServer(nil, d.site())
	if err != nil {
		return err
	}
	machine.Settle(max(o.wait, time.Second), serverCPU, generatorCPU)
	if err := s.start(udpAwake); err != nil {
		return err
	}
	defer s.Stop()
	stop, err := keepAwake(generatorCPU)
	if err != nil {
		return err
	}
	defer stop()
	before := stolen()
	_, end := l.loadInBackground(s, d)
	const from, to = reloadBefore, reloadBefore + restLength
	sleep(l.ctx, to+100*time.Millisecond)
	r, err := end()
	if err != nil {
		return err
	}
	v := latencies(samplesDue(r.Samples, from, to))
	v[valueStolen] = (stolen() - before).Seconds()
	fmt.Fprintf(l.out, "reload %-8s        %-12s   rests, %.0f of %.0f lost, p50 %.0f µs, p99 %.0f µs, max %.1f ms\n", d.set.Name, floorName,
		v[valueLost], v[valueSent], v[valueP50], v[valueP99], v[valueMax]/1e3)
	return l.Add(record{Kind: kindReload, Set: d.set.Name, Server: floorName, Values: v, Quiet: v[valueStolen] < 0.05})
}

// span is a time of a run, counted from its start.
type span struct{ from, to time.Duration }

// loadInBackground begins the load of a reload. end ends it and returns what came of it;
// nothing is left running.
func (l *lab) loadInBackground(s *server, d *data) (began time.Time, end func() (*loadgen.Result, error)) {
	ctx, cancel := context.WithCancel(l.ctx)
	restore := quietHeap()
	type outcome struct {
		*loadgen.Result
		error
	}
	done := make(chan outcome, 1)
	began = time.Now()
	const longest = reloadBefore + reloadPatience + reloadAfter
	go func() {
		r, err := loadgen.Run(ctx, loadgen.Options{
			Server: s.at, Source: d.questions, Rate: reloadRate, Sockets: loadSockets, Workers: 1,
			Duration: longest, Timeout: reloadTimeout, Window: 1 << 16, Samples: reloadRate * int(longest.Seconds()),
		})
		done <- outcome{r, err}
	}()
	return began, func() (*loadgen.Result, error) {
		cancel()
		o := <-done
		restore()
		return o.Result, o.error
	}
}

// change puts the changed file in the place of the old one, has the server reload, and waits
// until it answers with the new serial.
func (l *lab) change(s *server, file, next, apex string, began time.Time) (span, error) {
	ctx, cancel := context.WithTimeout(l.ctx, reloadBefore+reloadPatience)
	defer cancel()
	if !sleep(ctx, reloadBefore) {
		return span{}, ctx.Err()
	}
	if err := os.Rename(next, file); err != nil {
		return span{}, err
	}
	from := time.Since(began)
	reloaded := make(chan error, 1)
	go func() {
		reloaded <- machine.Leisurely(func() error { return s.Reload(ctx, s.site, apex) })
	}()
	for {
		if n, ok := serial(s.at, apex); ok && n == dataset.SerialAfter {
			break
		}
		if s.Ended() || !sleep(ctx, 5*time.Millisecond) {
			cancel()
			return span{}, errors.Join(fmt.Errorf("%s: the new serial was not answered within %v: %s", s.name, reloadPatience, s.logTail()), <-reloaded)
		}
	}
	to := time.Since(began)
	if err := <-reloaded; err != nil {
		return span{}, fmt.Errorf("%s: %w", s.name, err)
	}
	sleep(ctx, reloadAfter)
	return span{from, to}, nil
}

// samplesDue returns the samples of queries that were due in a span.
func samplesDue(all []loadgen.Sample, from, to time.Duration) []loadgen.Sample {
	var out []loadgen.Sample
	for _, s := range all {
		if s.Due >= from && s.Due < to {
			out = append(out, s)
		}
	}
	return out
}

// latencies returns how many queries were sent and lost, and how long the answers took.
func latencies(samples []loadgen.Sample) map[string]float64 {
	var times []time.Duration
	for _, s := range samples {
		if s.Latency != loadgen.Lost {
			times = append(times, s.Latency)
		}
	}
	slices.Sort(times)
	v := map[string]float64{valueSent: float64(len(samples)), valueLost: float64(len(samples) - len(times))}
	if n := len(times); n > 0 {
		v[valueP50] = microseconds(int64(times[n/2]))
		v[valueP99] = microseconds(int64(times[n*99/100]))
		v[valueP999] = microseconds(int64(times[n*999/1000]))
		v[valueMax] = microseconds(int64(times[n-1]))
	}
	return v
}

// sleep waits and reports whether the context still lasts.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
