package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/internal/loadgen"
)

// loadOptions say how servers are loaded.
type loadOptions struct {
	runs    int
	length  time.Duration // of a run
	retries int           // of a run that was not quiet
	wait    time.Duration // for quiet processors, at most
	do      bool          // ask with EDNS and DO
	sockets int           // or connections
	window  int           // queries in flight, over all of them
	rate    uint64        // queries a second; 0: as many as are answered
}

// What is asked for: 8 sockets of 16 in flight. More than some 160 queries
// overflow the default receive buffer of the servers that do not raise it.
const (
	loadSockets = 8
	loadWindow  = 8 * 16
)

// measure loads a server in a closed loop and returns what it spent.
func (l *lab) measure(s *server, d *data, o loadOptions, tcp bool) (record, error) {
	opt := loadgen.Options{
		Server: s.at, TCP: tcp, Source: d.questions, Sockets: o.sockets, Window: o.window, Workers: 1, Duration: o.length, Spin: true, Rate: o.rate,
	}
	if o.do {
		opt.UDPSize, opt.DO = loadgen.DefaultUDPSize, true
	}
	machine.Settle(o.wait, serverCPU, generatorCPU)
	defer quietHeap()()
	before, loadBefore := s.Usage(), stolen()
	ownBefore, _ := machine.Own()
	r, err := loadgen.Run(l.ctx, opt)
	if err != nil {
		return record{}, err
	}
	ownAfter, _ := machine.Own()
	spent, user := s.Usage().Since(before)
	v := map[string]float64{
		valueQPS: r.AnsweredRate, valueSent: float64(r.Sent), valueLost: float64(r.Sent - r.Answered - r.Abandoned),
		valueP50: microseconds(r.Latency.P50), valueP99: microseconds(r.Latency.P99), valueMax: microseconds(r.Latency.Max),
		valueShare: spent.Seconds() / r.Seconds, valueBusy: r.Busy, valueStolen: (stolen() - loadBefore).Seconds(),
	}
	if r.Answered > 0 {
		v[valueCPU] = spent.Seconds() * 1e6 / float64(r.Answered)
		v[valueUser] = user.Seconds() * 1e6 / float64(r.Answered)
	}
	// The generator never sleeps: where it had less than all of its processor,
	// another process was running. The same holds for a server that had too much to do.
	own := (ownAfter - ownBefore).Seconds() / r.Seconds
	quiet := own > 0.95 && v[valueStolen] < 0.05 && (v[valueShare] > 0.93 || r.Busy > 0.95 || o.rate > 0)
	return record{Set: d.set.Name, Server: s.name, Values: v, Quiet: quiet}, l.ctx.Err()
}

func microseconds(ns int64) float64 { return float64(ns) / 1e3 }

// stolen returns how long our processors have worked for others so far.
func stolen() time.Duration {
	return machine.CPU(serverCPU).Stolen + machine.CPU(generatorCPU).Stolen
}

// quietHeap collects garbage and keeps the collector away until the returned
// function is called: it would take the processor from the generator.
func quietHeap() func() {
	runtime.GC()
	old := debug.SetGCPercent(-1)
	return func() { debug.SetGCPercent(old) }
}

// interleave measures all servers in turn, so that what changes on the machine
// meanwhile changes for all of them.
func (l *lab) interleave(kind string, d *data, o loadOptions) error {
	transport := "udp"
	if kind == kindTCP {
		transport = "tcp"
	}
	servers := l.startAll(d, transport, startPatience)
	defer func() {
		for _, s := range servers {
			s.Stop()
		}
	}()
	return l.inTurn(kind, setName(d, o), servers, func(*server) (*data, string) { return d, setName(d, o) }, o)
}

// inTurn measures servers that run, several times round. of returns what a server is asked and
// the set that its figures are kept under; those of the floor in floorSet count the rounds.
func (l *lab) inTurn(kind, floorSet string, servers []*server, of func(*server) (*data, string), o loadOptions) error {
	for run := range o.runs {
		round := len(l.of(kind, floorSet, floorName))
		for _, s := range servers {
			d, set := of(s)
			var one record
			var err error
			for try := 0; try <= o.retries && !one.Quiet; try++ {
				if one, err = l.measure(s, d, o, kind == kindTCP); err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
			}
			one.Kind, one.Set, one.Round = kind, set, round
			if err := l.Add(one); err != nil {
				return err
			}
			fmt.Fprintf(l.out, "%-4s %-10s run %d  %-12s %7.2f µs/answer  %8.0f/s  p50 %.1f p99 %.1f µs  %.0f of %.0f lost%s\n", kind, one.Set, run+1, s.name,
				one.Values[valueCPU], one.Values[valueQPS], one.Values[valueP50], one.Values[valueP99], one.Values[valueLost], one.Values[valueSent], unlessQuiet(one))
		}
	}
	return nil
}

// setName is what the figures of a set are kept under: questions with DO are another set.
func setName(d *data, o loadOptions) string {
	if o.do {
		return d.set.Name + "+DO"
	}
	return d.set.Name
}

func unlessQuiet(one record) string {
	if one.Quiet {
		return ""
	}
	return fmt.Sprintf("  (not quiet: server %.0f %%, generator busy %.0f %%)", 100*one.Values[valueShare], 100*one.Values[valueBusy])
}
