package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/bench/report"
)

// growth measures one binary of ptrd with data sets of many sizes: start and memory
// one after the other, then the cost of an answer in turn, all of them running.
func growth(ctx context.Context, args []string) error {
	c := newCommon("growth")
	names := c.set.String("sets", "v4-1k,v4-10k,v4-100k,v4-1M,v4-10M,v6-1k,v6-10k,v6-100k,v6-1M,many-1,many-100,many-10k,many-100k", "data `sets`")
	l, err := c.parse(ctx, args)
	if err != nil {
		return err
	}
	if c.quick {
		c.unlessGiven("sets", "v4-1k,v4-10k,v6-1k,v6-10k,many-1,many-100")
	}
	_, path, _ := strings.Cut(strings.Split(c.ptrd, ",")[0], "=")
	sets := map[string]*data{}
	for _, name := range list(*names) {
		p, err := peer.Ptrd("ptrd-"+name, path)
		if err != nil {
			return err
		}
		l.peers = append(l.peers, p)
		if sets[p.Name], err = l.openData(name); err != nil {
			return err
		}
	}
	o := c.load()
	if err := l.startsOf(func(p *peer.Peer) *data { return sets[p.Name] }, o); err != nil {
		return err
	}
	if err := l.growthLoad(sets, o); err != nil {
		return err
	}
	text, charts := l.growthReport()
	return l.publish(c.doc, "growth", text, charts)
}

// growthLoad has all sizes and the floor up, and loads them in turn.
func (l *lab) growthLoad(sets map[string]*data, o loadOptions) error {
	var running []*server
	defer func() {
		for _, s := range running {
			s.Stop()
		}
	}()
	for _, p := range append([]*peer.Peer{nil}, l.peers...) {
		d := sets[l.peers[0].Name] // what the floor is asked is of no account
		if p != nil {
			d = sets[p.Name]
		}
		s, err := l.newServer(p, d.site())
		if err != nil {
			return err
		}
		if err := l.bringUp(s, d, "udp", startPatience); err != nil {
			return err
		}
		running = append(running, s)
		sets[s.name] = d
	}
	return l.inTurn(kindGrowth, floorName, running, func(s *server) (*data, string) {
		if s.Peer == nil {
			return sets[floorName], floorName
		}
		return sets[s.name], sets[s.name].set.Name
	}, o)
}

// growthReport returns the table and the charts.
func (l *lab) growthReport() (string, map[string]string) {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s. Median of all runs, in brackets the least and the greatest.\n\n", l.text(kindMachine, ""))
	floor := l.of(kindGrowth, floorName, "")
	over := func(set string) report.Summary { return ratio(l.of(kindGrowth, set, ""), floor) }
	t := report.Table{Head: []string{"data set", "records or zones", "CPU µs/answer", "× floor", "first right answer after s", "memory MB", "peak MB"}}
	charts := []struct {
		file  string
		chart report.Lines
		value func(set string) float64
	}{
		{"growth-cpu.svg", report.Lines{Title: "processor time per answer", YName: "× floor", FromZero: true}, func(set string) float64 {
			return over(set).Median
		}},
		{"growth-start.svg", report.Lines{Title: "from the start to the first right answer", YName: "seconds"}, func(set string) float64 {
			return l.summary(kindStart, set, "", valueStart).Median
		}},
		{"growth-memory.svg", report.Lines{Title: "memory", YName: "MB"}, func(set string) float64 {
			return l.summary(kindStart, set, "", valuePSS).Median / 1e6
		}},
	}
	series := map[string]string{"v4": "names, IPv4", "v6": "names, IPv6", "many": "zones of a /24"}
	sizes := map[string]float64{}
	for _, set := range report.Keys(l.of(kindStart, "", ""), setOf) {
		cpu := l.summary(kindGrowth, set, "", valueCPU)
		n := l.of(kindStart, set, "")[0].Values[valueCount]
		sizes[set] = n
		t.Add(set, fmt.Sprintf("%.0f", n), cpu, over(set), l.summary(kindStart, set, "", valueStart),
			l.summary(kindStart, set, "", valuePSS).Scaled(1e-6), l.summary(kindStart, set, "", valuePeak).Scaled(1e-6))
	}
	t.Add(floorName, "", l.summary(kindGrowth, floorName, "", valueCPU), "1.00", "", "", "")
	fmt.Fprintf(&b, "%s\n", &t)
	files := map[string]string{}
	for _, c := range charts {
		c.chart.XName = "names, or zones of some 50 names"
		for _, kind := range []string{"v4", "v6", "many"} {
			s := report.Series{Name: series[kind]}
			for _, set := range report.Keys(l.of(kindStart, "", ""), setOf) {
				if k, _, _ := strings.Cut(set, "-"); k == kind {
					s.Points = append(s.Points, report.Point{X: sizes[set], Y: c.value(set)})
				}
			}
			c.chart.Series = append(c.chart.Series, s)
		}
		files[c.file] = c.chart.SVG()
		fmt.Fprintf(&b, "![%s](benchmarks/%s)\n\n", c.chart.Title, c.file)
	}
	return b.String(), files
}
