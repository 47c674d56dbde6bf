package flood

import (
	"fmt"
	"strings"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/report"
)

// describe returns the part of the document: medians of all runs, and what differs.
func describe(all []result, honest int, duration time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s. Each honest client asks %d times a second, for %v under each attack. Median of all runs, in brackets the least and the greatest.\n",
		time.Now().Format(time.DateOnly), machine.Describe(), honest, duration)
	clients := []string{"same prefix: UDP", "cookies", "TCP", "TCP, kept", "elsewhere: UDP", "cookies", "TCP", "TCP, kept"}
	for _, f := range floods() {
		t := report.Table{Head: append(append([]string{"defence"}, clients...), "UDP p50, p99 ms", "TCP p50, p99 ms", "octets out for one in", "MiB before", "after")}
		of := only(all, func(r *result) bool { return r.Attack == f.name })
		for _, d := range report.Keys(of, func(r result) string { return r.Defence }) {
			t.Add(row(d, only(of, func(r *result) bool { return r.Defence == d }), func(r *result) float64 { return r.Flow.amplification() })...)
		}
		if len(of) > 0 {
			rate := summary(of, func(r *result) float64 { return float64(r.Flow.Sent) / r.Seconds / 1000 })
			fmt.Fprintf(&b, "\n**%s**: %s. %d runs, %v thousand a second were sent.\n\n%s", f.name, f.what, len(of)/len(t.Rows), rate, t.String())
		}
	}
	for _, o := range occupations() {
		t := report.Table{Head: append(append([]string{"connections"}, clients...), "UDP p50, p99 ms", "TCP p50, p99 ms", "made a second", "MiB before", "after")}
		of := only(all, func(r *result) bool { return r.Attack == o.name })
		for _, n := range report.Keys(of, func(r result) int { return r.Size }) {
			t.Add(row(fmt.Sprint(n), only(of, func(r *result) bool { return r.Size == n }), func(r *result) float64 {
				warm := float64(r.Size)/openRate + 1
				return float64(r.Flow.Sent) / (r.Seconds + warm)
			})...)
		}
		if len(of) > 0 {
			fmt.Fprintf(&b, "\n**%s**: %s. %d runs.\n\n%s", o.name, o.what, len(of)/len(t.Rows), t.String())
		}
	}
	return b.String()
}

// row returns the cells of results of the same attack and defence; special is the column that
// only this kind of attack has.
func row(name string, of []result, special func(r *result) float64) []any {
	cells := []any{name}
	for i := range of[0].Kept {
		cells = append(cells, percent(summary(of, func(r *result) float64 { return r.Kept[i] })))
	}
	// Times are those of the client elsewhere: a client in the prefix is limited with the attack.
	for _, kind := range []honestKind{honestKinds + plainClient, honestKinds + tcpClient} {
		p50 := summary(of, func(r *result) float64 { return r.P50[kind] })
		p99 := summary(of, func(r *result) float64 { return r.P99[kind] })
		cells = append(cells, fmt.Sprintf("%.1f, %.1f", p50.Median, p99.Median))
	}
	const mib = 1.0 / (1 << 20)
	return append(cells, summary(of, special),
		fmt.Sprintf("%.1f", summary(of, func(r *result) float64 { return float64(r.Before) }).Median*mib),
		fmt.Sprintf("%.1f", summary(of, func(r *result) float64 { return float64(r.After) }).Median*mib))
}

func only(all []result, which func(r *result) bool) []result {
	var out []result
	for i := range all {
		if which(&all[i]) {
			out = append(out, all[i])
		}
	}
	return out
}

func summary(of []result, value func(r *result) float64) report.Summary {
	var values []float64
	for i := range of {
		values = append(values, value(&of[i]))
	}
	return report.Summarize(values)
}

// percent rounds down, so that 100 means all.
func percent(part report.Summary) string {
	down := func(f float64) int { return int(f*100 + 1e-9) }
	if least, most := down(part.Min), down(part.Max); least != most {
		return fmt.Sprintf("%d (%d–%d)", down(part.Median), least, most)
	}
	return fmt.Sprint(down(part.Median))
}
