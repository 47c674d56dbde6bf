package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/bench/report"
	"github.com/ptrd/ptrd/zone/dname"
)

// activity is what a server does while its clients are measured. It ends with the context.
type activity struct {
	name string
	run  func(ctx context.Context, s *server, zones string, d *data) error
}

var activities = []activity{
	{"nothing", func(context.Context, *server, string, *data) error { return nil }},
	{"updates", keepUpdating},
	{"transfers", keepTransferring},
	{"reloads", keepReloading},
}

// latency measures what clients of ptrd see while it is at rest, takes updates, sends the
// whole zone again and again, or reloads it again and again. Several binaries are measured in
// turn: --ptrd before=PATH,after=PATH.
func latency(ctx context.Context, args []string) error {
	c := newCommon("latency")
	set := c.set.String("set", "v4-1M", "data `set` of one zone")
	rate := c.set.Uint64("queries", 20_000, "queries a second")
	l, d, err := c.parseOneZone(ctx, args, set, "-")
	if err != nil {
		return err
	}
	if err := d.set.WriteChanged(filepath.Join(l.dir, "data")); err != nil {
		return err
	}
	for run := range c.runs {
		for _, a := range activities {
			for _, p := range l.peers {
				one, err := l.latencyOnce(p, d, a, c.load(), *rate)
				if err != nil {
					return fmt.Errorf("%s under %s: %w", p.Name, a.name, err)
				}
				if err := l.Add(one); err != nil {
					return err
				}
				v := one.Values
				fmt.Fprintf(l.out, "%-10s run %d  %-12s p50 %.0f p99 %.0f p99.9 %.0f µs, max %.1f ms, %.0f of %.0f lost\n",
					a.name, run+1, p.Name, v[valueP50], v[valueP99], v[valueP999], v[valueMax]/1e3, v[valueLost], v[valueSent])
			}
		}
	}
	t := report.Table{Head: []string{"meanwhile", "server", "p50 µs", "p99 µs", "p99.9 µs", "max ms", "lost"}}
	for _, a := range activities {
		for _, s := range report.Keys(l.of(kindLatency, a.name, ""), serverOf) {
			sum := func(value string) report.Summary { return l.summary(kindLatency, a.name, s, value) }
			t.Add(a.name, s, sum(valueP50), sum(valueP99), sum(valueP999), sum(valueMax).Scaled(1e-3), sum(valueLost))
		}
	}
	return l.publish(c.doc, "latency", t.String(), nil)
}

func (l *lab) latencyOnce(p *peer.Peer, d *data, a activity, o loadOptions, rate uint64) (record, error) {
	zones, err := os.MkdirTemp(l.dir, "zones-")
	if err != nil {
		return record{}, err
	}
	defer os.RemoveAll(zones)
	file := d.apexes[0] + ".zone"
	if err := peer.CopyFile(filepath.Join(d.Zones, file), filepath.Join(zones, file)); err != nil {
		return record{}, err
	}
	s, _, err := l.startServer(p, peer.Site{Zones: zones, Apexes: d.apexes, Role: peer.FileUpdates, Reloads: true}, d)
	if err != nil {
		return record{}, err
	}
	defer s.Stop()
	machine.Settle(o.wait, serverCPU, generatorCPU)
	ctx, cancel := context.WithTimeout(l.ctx, o.length)
	defer cancel()
	before := stolen()
	r, err := l.queriesDuring(s, d, o.length, rate, func() error { return a.run(ctx, s, zones, d) })
	if err != nil {
		return record{}, err
	}
	quiet := stolen()-before < 50*time.Millisecond
	return record{Kind: kindLatency, Set: a.name, Server: p.Name, Values: queryValues(r), Quiet: quiet}, nil
}

func keepUpdating(ctx context.Context, s *server, _ string, d *data) error {
	const inFlight = 128
	u := updater{at: s.at, apex: dname.MustParse(d.apexes[0] + "."), inFlight: inFlight}
	if err := u.run(ctx); err != nil {
		return err
	}
	if len(u.took) == 0 {
		return fmt.Errorf("no update was acknowledged, %d failed", u.failed)
	}
	return nil
}

func keepTransferring(ctx context.Context, s *server, _ string, d *data) error {
	for ctx.Err() == nil {
		if _, err := readTransfer(s.at, d.apexes[0]); err != nil {
			return err
		}
	}
	return nil
}

// keepReloading puts the two states of the zone in turns in its place.
func keepReloading(ctx context.Context, s *server, zones string, d *data) error {
	file := d.apexes[0] + ".zone"
	for _, from := 0, []string{d.Changed, d.Zones}; ctx.Err() == nil; from[0], from[1] = from[1], from[0] {
		next := filepath.Join(zones, file+".new")
		if err := peer.CopyFile(filepath.Join(from[0], file), next); err != nil {
			return err
		}
		if err := os.Rename(next, filepath.Join(zones, file)); err != nil {
			return err
		}
		err := machine.Leisurely(func() error { return s.Reload(ctx, s.site, d.apexes[0]) })
		if err != nil && ctx.Err() == nil {
			return errors.Join(errors.New("reload"), err)
		}
	}
	return nil
}
