package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/report"
)

// result is what came of a flood against a defence.
type result struct {
	flood, defence string
	kept           []float64 // of the queries of each honest client: first those beside the flood, then those elsewhere
	flow           flow
	before, after  uint64 // octets of memory
}

func (r *result) cells() []any {
	cells := []any{r.defence}
	for _, k := range r.kept {
		cells = append(cells, percent(k))
	}
	return append(cells, fmt.Sprintf("%.2f", r.flow.amplification()),
		fmt.Sprintf("%.1f", float64(r.before)/(1<<20)), fmt.Sprintf("%.1f", float64(r.after)/(1<<20)))
}

func (r *result) String() string {
	return fmt.Sprintf("%s against %v; %d sent, %d answers, %d lost here", r.flood, r.cells(), r.flow.Sent, r.flow.Received, r.flow.Lost)
}

// percent rounds down, so that 100 means all.
func percent(part float64) string {
	return fmt.Sprintf("%d", int(part*100))
}

// describe returns the part of the document.
func describe(results []result, rate, honest int, duration time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s. Floods of up to %d queries a second for %v; each honest client asks %d times a second.\n",
		time.Now().Format(time.DateOnly), machine.Describe(), rate, duration, honest)
	for _, f := range floods() {
		t := report.Table{Head: []string{"defence",
			"beside: plain", "cookies", "TCP", "elsewhere: plain", "cookies", "TCP", "octets out for one in", "MiB before", "after"}}
		var least, most float64 // sent a second
		for _, r := range results {
			if r.flood == f.name {
				t.Add(r.cells()...)
				rate := float64(r.flow.Sent) / duration.Seconds()
				least, most = min(rate, cmp.Or(least, rate)), max(most, rate)
			}
		}
		if len(t.Rows) > 0 {
			fmt.Fprintf(&b, "\n**%s**: %s. %.0f to %.0f a second were sent.\n\n%s", f.name, f.what, least, most, t.String())
		}
	}
	return b.String()
}
