package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/bench/report"
)

// peers measures ptrd and the other servers found on this machine.
func peers(ctx context.Context, args []string) error {
	c := newCommon("peers")
	what := c.set.String("what", "udp,tcp,rate,start,reload", "what is measured")
	sets := c.set.String("sets", "v4-1k,v4-1M,v6-1M,many-10k", "data `sets` of udp")
	tcpSets := c.set.String("tcp-sets", "v4-1M", "data `sets` of tcp")
	rateSets := c.set.String("rate-sets", "v4-1k", "data `sets` of rate")
	rate := c.set.Uint64("rate", 1000, "queries a second of rate")
	startSets := c.set.String("start-sets", "v4-1M,v6-1M,v4-10M", "data `sets` of start")
	reloadSets := c.set.String("reload-sets", "v4-1M", "data `sets` of reload")
	only := c.set.String("peers", "", "other servers (default: all that are found); - for none")
	do := c.set.Bool("do", false, "udp and tcp: ask with EDNS and DO")
	l, err := c.parse(ctx, args)
	if err != nil {
		return err
	}
	if c.quick {
		for _, name := range []string{"sets", "tcp-sets", "rate-sets", "start-sets", "reload-sets"} {
			c.unlessGiven(name, "v4-1k")
		}
	}
	if err := c.findPtrd(l); err != nil {
		return err
	}
	if *only != "-" {
		if err := l.findPeers(list(*only)); err != nil {
			return err
		}
	}
	if err := l.recordVersions(); err != nil {
		return err
	}
	o := c.load()
	o.do = *do
	slow := o
	slow.rate, slow.window = *rate, 0
	for _, step := range []struct {
		name string
		sets string
		run  func(d *data) error
	}{
		{kindUDP, *sets, func(d *data) error { return l.interleave(kindUDP, d, o) }},
		{kindTCP, *tcpSets, func(d *data) error { return l.interleave(kindTCP, d, o) }},
		{kindRate, *rateSets, func(d *data) error { return l.interleave(kindRate, d, slow) }},
		{kindStart, *startSets, func(d *data) error { return l.startsOf(func(*peer.Peer) *data { return d }, o) }},
		{kindReload, *reloadSets, func(d *data) error { return l.reloads(d, o) }},
	} {
		if !slices.Contains(list(*what), step.name) {
			continue
		}
		for _, name := range list(step.sets) {
			d, err := l.openData(name)
			if err != nil {
				return err
			}
			if err := step.run(d); err != nil {
				return fmt.Errorf("%s of %s: %w", step.name, name, err)
			}
		}
	}
	return l.publish(c.doc, "peers", l.peerTables(), map[string]string{"peers-cpu.svg": l.peerChart()})
}

// publish prints a part of the document and, unless doc is empty, writes it there, with its
// charts in a directory next to it.
func (l *lab) publish(doc, name, text string, charts map[string]string) error {
	fmt.Println(text)
	if doc == "" {
		return nil
	}
	dir := filepath.Join(filepath.Dir(doc), "benchmarks")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for file, svg := range charts {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(svg), 0o644); err != nil {
			return err
		}
	}
	return report.Replace(doc, name, text)
}
