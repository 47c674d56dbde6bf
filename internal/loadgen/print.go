package loadgen

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// nearlyAll is the part of the time from which on a generator that was busy is
// suspected to be what limits the throughput.
const nearlyAll = 0.95

// Print writes the result for a person.
func (r *Result) Print(out io.Writer) error {
	w := bufio.NewWriter(out)
	loop := "closed loop"
	if r.Rate > 0 {
		loop = fmt.Sprintf("open loop at %s/s", digits(r.Rate))
	}
	fmt.Fprintf(w, "server     %s over %s, %d sockets, at most %s in flight, %s, seed %d\n",
		r.Server, strings.ToUpper(r.Transport), r.Sockets, digits(uint64(r.Window)), loop, r.Seed)
	fmt.Fprintf(w, "ran        %.3f s, ended by %s\n", r.Seconds, r.EndedBy)
	fmt.Fprintf(w, "sent       %s (%s/s)\n", digits(r.Sent), digits(uint64(r.SentRate)))
	fmt.Fprintf(w, "answered   %s (%s/s)\n", digits(r.Answered), digits(uint64(r.AnsweredRate)))
	fmt.Fprintf(w, "lost       %.4g %%%s\n", 100*r.Loss, details(": ",
		detail{r.Timeouts, "timed out"}, detail{r.Disconnected, "on connections that ended"}))
	line(w, "abandoned", "in flight at the interrupt", r.Abandoned)
	line(w, "unsent", "due, but the window was full or the generator too slow", r.Unsent)
	line(w, "failed", "this host refused to send", r.Failed)
	if len(r.RCodes) > 0 {
		fmt.Fprintf(w, "rcodes     %s\n", r.rcodes())
	}
	line(w, "truncated", "", r.Truncated)
	if text := details("", detail{r.Duplicates, "duplicates"}, detail{r.Late, "late"}, detail{r.WrongID, "wrong id"},
		detail{r.WrongQuestion, "wrong question"}, detail{r.Malformed, "malformed"}); text != "" {
		fmt.Fprintf(w, "ignored    %s\n", text)
	}
	line(w, "dropped", "answers that this host had no room for (raise the sysctl net.core.rmem_max, or lower the load)", r.Dropped)
	line(w, "reconnects", "", r.Reconnects)
	line(w, "refused", "no program listened at the port (ICMP)", r.Unreachable)
	if r.Busy > nearlyAll {
		fmt.Fprintf(w, "busy       %.0f %% of the time: this generator may be the limit; try more workers or sockets\n", 100*r.Busy)
	}
	if r.LastError != "" {
		fmt.Fprintf(w, "error      %s (the last one)\n", r.LastError)
	}
	if r.Answered > 0 {
		fmt.Fprintf(w, "octets     %.1f a query, %.1f an answer: %.2f for one\n",
			float64(r.QueryOctets)/float64(r.Sent), float64(r.AnswerOctets)/float64(r.Answered), r.Octets)
		fmt.Fprintf(w, "latency    %v (quantiles at most %.1f %% too high)\n", &r.Latency, 100*r.Latency.Error)
	}
	if r.Rate > 0 && r.Sent > 0 {
		fmt.Fprintf(w, "sent late  %v (part of the latency)\n", &r.SendLag)
	}
	r.Latency.print(w)
	if x := r.Expected; x != nil {
		fmt.Fprintf(w, "expected   %s compared, %s different\n", digits(x.Compared), digits(x.Different))
		for _, d := range x.Examples {
			fmt.Fprintf(w, "           %s: %s, expected %s\n", d.Name, d.Got, d.Expected)
		}
	}
	return w.Flush()
}

// String returns the line of a Progress.
func (p Progress) String() string {
	s := max(p.Elapsed.Seconds(), 1e-9)
	text := fmt.Sprintf("%.0f s: sent %s (%s/s), answered %s (%s/s)", s,
		digits(p.Sent), digits(uint64(float64(p.Sent)/s)), digits(p.Answered), digits(uint64(float64(p.Answered)/s)))
	return text + details(", ", detail{p.Timeouts, "timed out"})
}

// String returns the quantiles in one line.
func (t *Times) String() string {
	return fmt.Sprintf("p50 %v, p90 %v, p99 %v, p99.9 %v, max %v, mean %v",
		short(t.P50), short(t.P90), short(t.P99), short(t.P999), short(t.Max), short(t.Mean))
}

// print writes the histogram, with a bar of one # for each two percent.
func (t *Times) print(w io.Writer) {
	for _, b := range t.Counts {
		part := 100 * float64(b.Count) / float64(t.Count)
		text := fmt.Sprintf("   < %-8v %8.4f %%  %s", short(b.Below), part, strings.Repeat("#", int(part/2+0.5)))
		fmt.Fprintln(w, strings.TrimRight(text, " "))
	}
}

// short returns a time with three or four digits.
func short(ns int64) time.Duration {
	d := time.Duration(ns)
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 100)
		}
	}
	return d
}

func line(w io.Writer, what, meaning string, n uint64) {
	switch {
	case n == 0:
	case meaning == "":
		fmt.Fprintf(w, "%-10s %s\n", what, digits(n))
	default:
		fmt.Fprintf(w, "%-10s %s: %s\n", what, digits(n), meaning)
	}
}

// detail is a number that is worth telling if it is not zero.
type detail struct {
	n    uint64
	what string
}

func details(before string, list ...detail) string {
	var texts []string
	for _, d := range list {
		if d.n > 0 {
			texts = append(texts, digits(d.n)+" "+d.what)
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return before + strings.Join(texts, ", ")
}

// rcodes returns the RCODEs, the most frequent first.
func (r *Result) rcodes() string {
	names := slices.SortedFunc(maps.Keys(r.RCodes), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.RCodes[b], r.RCodes[a]), cmp.Compare(a, b))
	})
	for i, n := range names {
		names[i] = fmt.Sprintf("%s %s (%.4g %%)", n, digits(r.RCodes[n]), 100*float64(r.RCodes[n])/float64(r.Answered))
	}
	return strings.Join(names, ", ")
}

// digits returns a number with a comma before each three digits.
func digits(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
