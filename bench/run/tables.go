package main

import (
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/bench/report"
)

func setOf(r record) string    { return r.Set }
func serverOf(r record) string { return r.Server }

// summary returns the Summary of one value of a server.
func (l *lab) summary(kind, set, server, value string) report.Summary {
	return report.Summarize(values(l.of(kind, set, server), value))
}

// ratio returns the processor time of runs as multiples of that of the floor, or of another server,
// in the same round.
func ratio(runs, floor []record) report.Summary {
	byRound := map[int]float64{}
	for _, r := range floor {
		byRound[r.Round] = r.Values[valueCPU]
	}
	var ratios []float64
	for _, r := range runs {
		if f := byRound[r.Round]; f > 0 {
			ratios = append(ratios, r.Values[valueCPU]/f)
		}
	}
	return report.Summarize(ratios)
}

// peerTables returns all tables of the comparison.
func (l *lab) peerTables() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s. Median of all runs, in brackets the least and the greatest.\n\n", l.text(kindMachine, ""))
	versions := report.Table{Head: []string{"server", "version"}}
	for _, s := range report.Keys(l.of(kindVersion, "", ""), serverOf) {
		versions.Add(s, l.text(kindVersion, s))
	}
	fmt.Fprintf(&b, "%s\n", &versions)
	for _, kind := range []string{kindUDP, kindTCP, kindRate} {
		for _, set := range report.Keys(l.of(kind, "", ""), setOf) {
			fmt.Fprintf(&b, "%s\n", l.loadTable(kind, set))
		}
	}
	if l.of(kindUDP, "", "") != nil {
		b.WriteString("![processor time per answer, as a multiple of the floor](benchmarks/peers-cpu.svg)\n\n")
	}
	for _, set := range report.Keys(l.of(kindStart, "", ""), setOf) {
		fmt.Fprintf(&b, "%s\n", l.startTable(set))
	}
	for _, set := range report.Keys(l.of(kindReload, "", ""), setOf) {
		fmt.Fprintf(&b, "%s\n", l.reloadTable(set))
	}
	return b.String()
}

// loadTable has a server a row, with its cost as a multiple of the floor's.
func (l *lab) loadTable(kind, set string) string {
	floor := l.of(kind, set, floorName)
	t := report.Table{Head: []string{"server", "CPU µs/answer", "× floor", "answers/s, one core", "lost", "p50 µs", "p99 µs", "quiet runs"}}
	for _, s := range report.Keys(l.of(kind, set, ""), serverOf) {
		runs := l.of(kind, set, s)
		quiet, lost := 0, 0.0
		for _, r := range runs {
			lost += r.Values[valueLost]
			if r.Quiet {
				quiet++
			}
		}
		t.Add(s, l.summary(kind, set, s, valueCPU), ratio(runs, floor), l.summary(kind, set, s, valueQPS), lost,
			l.summary(kind, set, s, valueP50), l.summary(kind, set, s, valueP99), fmt.Sprintf("%d of %d", quiet, len(runs)))
	}
	title := strings.ToUpper(kind)
	switch kind {
	case kindRanges:
		title = "UDP, names made"
	case kindRate:
		title = "UDP at a low rate"
	}
	return fmt.Sprintf("**%s, %s**\n\n%s", title, set, &t)
}

func (l *lab) startTable(set string) string {
	t := report.Table{Head: []string{"server", "first right answer after s", "memory MB", "peak MB", "wrong answers"}}
	for _, s := range report.Keys(l.of(kindStart, set, ""), serverOf) {
		wrong := l.summary(kindStart, set, s, valueWrong)
		t.Add(s, l.summary(kindStart, set, s, valueStart), l.summary(kindStart, set, s, valuePSS).Scaled(1e-6),
			l.summary(kindStart, set, s, valuePeak).Scaled(1e-6), wrong.Max)
	}
	return fmt.Sprintf("**Start, %s**\n\n%s", set, &t)
}

func (l *lab) reloadTable(set string) string {
	t := report.Table{Head: []string{"server", "reload s", "queries due meanwhile", "lost", "p50 µs", "p99 µs", "p99.9 µs", "max ms", "memory before MB", "peak MB"}}
	for _, s := range report.Keys(l.of(kindReload, set, ""), serverOf) {
		sum := func(value string) report.Summary { return l.summary(kindReload, set, s, value) }
		t.Add(s, sum(valueReload), sum(valueSent), sum(valueLost), sum(valueP50), sum(valueP99), sum(valueP999), sum(valueMax).Scaled(1e-3),
			sum(valuePSS).Scaled(1e-6), sum(valuePeak).Scaled(1e-6))
	}
	return fmt.Sprintf("**Reload, %s**\n\n%s", set, &t)
}

// peerChart has the cost of an answer over UDP as multiples of the floor's.
func (l *lab) peerChart() string {
	c := report.Bars{Title: "processor time per answer over UDP, × floor", Unit: "×"}
	for _, set := range report.Keys(l.of(kindUDP, "", ""), setOf) {
		floor := l.of(kindUDP, set, floorName)
		g := report.BarGroup{Name: set}
		for _, s := range report.Keys(l.of(kindUDP, set, ""), serverOf) {
			g.Bars = append(g.Bars, report.Bar{Name: s, Value: ratio(l.of(kindUDP, set, s), floor), Mark: l.isPtrd(s)})
		}
		c.Groups = append(c.Groups, g)
	}
	return c.SVG()
}

// isPtrd reports whether a server is one that was given as ptrd.
func (l *lab) isPtrd(name string) bool { return strings.HasPrefix(name, "ptrd") }
