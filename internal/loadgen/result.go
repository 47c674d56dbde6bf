package loadgen

import (
	"time"

	"github.com/ptrd/ptrd/server/wire"
)

// Result is what came of a run. Sent is the sum of Answered, Timeouts,
// Disconnected and Abandoned. Times in JSON are nanoseconds.
type Result struct {
	Server    string `json:"server"`
	Transport string `json:"transport"` // udp, tcp
	Sockets   int    `json:"sockets"`
	Workers   int    `json:"workers"`
	Window    int    `json:"window"`
	Rate      uint64 `json:"rate"` // asked for; 0: closed loop
	Seed      uint64 `json:"seed"`

	// Seconds from the start to the end of sending or, where it ended because all
	// queries were sent, to the last answer.
	Seconds float64 `json:"seconds"`
	EndedBy string  `json:"ended_by"` // duration, count, interrupt

	Sent         uint64  `json:"sent"`
	Answered     uint64  `json:"answered"`
	Timeouts     uint64  `json:"timeouts"`
	Disconnected uint64  `json:"disconnected"` // were in flight on a connection that ended
	Abandoned    uint64  `json:"abandoned"`    // were in flight at an interrupt
	SentRate     float64 `json:"sent_per_second"`
	AnsweredRate float64 `json:"answered_per_second"`
	Loss         float64 `json:"loss"` // part of Sent without Answered and Abandoned

	Unsent uint64 `json:"unsent"` // were due in an open loop, and there was no room or no time
	Failed uint64 `json:"failed"` // this host refused to send

	RCodes    map[string]uint64 `json:"rcodes"`
	Truncated uint64            `json:"truncated"`

	// Messages that answer no query in flight.
	Duplicates    uint64 `json:"duplicates"`
	Late          uint64 `json:"late"` // came after the timeout
	WrongID       uint64 `json:"wrong_id"`
	WrongQuestion uint64 `json:"wrong_question"`
	Malformed     uint64 `json:"malformed"`

	Unreachable uint64 `json:"unreachable"` // ICMP: no program listens at the port
	Reconnects  uint64 `json:"reconnects"`
	Dropped     uint64 `json:"dropped_here"`         // answers that this host had no room for, as far as known
	LastError   string `json:"last_error,omitempty"` // of a socket

	QueryOctets  uint64  `json:"query_octets"`
	AnswerOctets uint64  `json:"answer_octets"`
	Octets       float64 `json:"answer_octets_per_query_octet"` // of the queries that were answered

	// Busy is the part of the time of sending, over all workers, in which there was
	// something to send or to receive. Near 1, this generator was the limit.
	Busy float64 `json:"busy"`

	Latency Times `json:"latency"`  // from when a query was due to its answer
	SendLag Times `json:"send_lag"` // from when a query was due to when it was sent

	Expected *Comparison `json:"expected,omitempty"`

	Samples []Sample `json:"-"` // see Options.Samples; those of one worker after those of another
}

// Sample is one query of a run that was answered or lost.
type Sample struct {
	Due     time.Duration // after the start
	Latency time.Duration // from then to its answer, or Lost
}

// Lost is the Latency of a query without an answer.
const Lost = time.Duration(-1)

// Times sums up a Histogram; quantiles are at most HistogramError too high.
type Times struct {
	Count  uint64  `json:"count"`
	Error  float64 `json:"quantile_error"`
	Mean   int64   `json:"mean_ns"`
	Min    int64   `json:"min_ns"`
	P50    int64   `json:"p50_ns"`
	P90    int64   `json:"p90_ns"`
	P99    int64   `json:"p99_ns"`
	P999   int64   `json:"p99_9_ns"`
	Max    int64   `json:"max_ns"`
	Counts []Bin   `json:"histogram,omitempty"`
}

// Bin counts the times below a bound and not below its half.
type Bin struct {
	Below int64  `json:"below_ns"`
	Count uint64 `json:"count"`
}

// Comparison is what came of comparing answers.
type Comparison struct {
	Compared  uint64       `json:"compared"`
	Different uint64       `json:"different"`
	Examples  []Difference `json:"examples,omitempty"` // the first ones
}

func newTimes(h *Histogram) Times {
	t := Times{
		Count: h.Count(), Error: HistogramError,
		Mean: int64(h.Mean()), Min: int64(h.Min()), Max: int64(h.Max()),
		P50: int64(h.Quantile(0.5)), P90: int64(h.Quantile(0.9)), P99: int64(h.Quantile(0.99)), P999: int64(h.Quantile(0.999)),
	}
	h.octaves(func(bound int64, n uint64) { t.Counts = append(t.Counts, Bin{bound, n}) })
	return t
}

// newResult sums up what the workers saw.
func newResult(o *Options, workers []*worker, interrupted bool) *Result {
	r := &Result{
		Server: o.Server.String(), Transport: "udp",
		Sockets: o.Sockets, Workers: o.Workers, Window: o.Window, Rate: o.Rate, Seed: o.Seed,
		RCodes: map[string]uint64{},
	}
	if o.TCP {
		r.Transport = "tcp"
	}
	if o.Expect != nil {
		r.Expected = &Comparison{}
	}
	var latency, lag Histogram
	var answeredOctets uint64
	var stopped, last int64
	byCount := true
	idle, sending := int64(0), int64(0)
	for _, w := range workers {
		c := &w.counts
		r.Sent += c.sent
		r.Answered += c.answered
		r.Timeouts += c.timeouts
		r.Disconnected += c.disconnected
		r.Abandoned += w.abandoned
		r.Unsent += w.unsent
		r.Failed += c.failed
		r.Truncated += c.truncated
		r.Duplicates += c.duplicates
		r.Late += c.late
		r.WrongID += c.wrongID
		r.WrongQuestion += c.wrongQuestion
		r.Malformed += c.malformed
		r.Unreachable += c.unreachable
		r.Reconnects += c.reconnects
		r.Dropped += c.drops
		r.QueryOctets += c.queryOctets
		r.AnswerOctets += c.answerOctets
		answeredOctets += c.answeredQueryOctets
		for code, n := range c.rcodes {
			if n > 0 {
				r.RCodes[wire.RCode(code).String()] += n
			}
		}
		if r.Expected != nil {
			r.Expected.Compared += c.compared
			r.Expected.Different += c.different
			room := maxExamples - len(r.Expected.Examples)
			r.Expected.Examples = append(r.Expected.Examples, c.examples[:min(room, len(c.examples))]...)
		}
		if c.lastError != nil {
			r.LastError = c.lastError.Error()
		}
		latency.Merge(&c.latency)
		lag.Merge(&c.lag)
		stopped, last = max(stopped, w.stopped), max(last, c.lastAnswer)
		byCount = byCount && w.byCount
		idle, sending = idle+w.idle, sending+w.stopped
		r.Samples = append(r.Samples, c.samples...)
	}
	switch {
	case interrupted:
		r.EndedBy = "interrupt"
	case byCount:
		r.EndedBy = "count"
		stopped = max(stopped, last)
	default:
		r.EndedBy = "duration"
	}
	if sending > 0 {
		r.Busy = 1 - float64(idle)/float64(sending)
	}
	r.Seconds = float64(stopped) / second
	if stopped > 0 {
		r.SentRate = float64(r.Sent) / r.Seconds
		r.AnsweredRate = float64(r.Answered) / r.Seconds
	}
	if n := r.Sent - r.Abandoned; n > 0 {
		r.Loss = float64(n-r.Answered) / float64(n)
	}
	if answeredOctets > 0 {
		r.Octets = float64(r.AnswerOctets) / float64(answeredOctets)
	}
	r.Latency, r.SendLag = newTimes(&latency), newTimes(&lag)
	return r
}

// IsWrong reports whether there were no answers, or others than expected.
func (r *Result) IsWrong() bool {
	return r.Answered == 0 || r.Expected != nil && r.Expected.Different > 0
}
