package main

import (
	"fmt"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/peer"
)

// startPatience is how long a server may take to come up: the slowest that was seen
// took a minute and a half for ten million records.
const startPatience = 5 * time.Minute

// startsOf starts each server alone with its data set, from an empty directory, and measures
// the time to the first right answers and the memory then.
func (l *lab) startsOf(set func(*peer.Peer) *data, o loadOptions) error {
	return l.each(o.runs, func(p *peer.Peer) (record, error) { return l.startOnce(p, set(p), o) }, func(run int, p *peer.Peer, v map[string]float64) {
		fmt.Fprintf(l.out, "start %-10s run %d  %-12s %7.2f s  %8.1f MB, peak %8.1f MB  %.0f wrong answers\n", set(p).set.Name, run, p.Name,
			v[valueStart], v[valuePSS]/1e6, v[valuePeak]/1e6, v[valueWrong])
	})
}

// each has every server measured, several times round, and its figures kept and
// printed; run counts from 1. A server that fails is named and left out.
func (l *lab) each(runs int, measure func(*peer.Peer) (record, error), print func(run int, p *peer.Peer, v map[string]float64)) error {
	for run := range runs {
		for _, p := range l.peers {
			one, err := measure(p)
			if l.ctx.Err() != nil {
				return l.ctx.Err()
			}
			if err != nil {
				fmt.Fprintf(l.out, "# left out: %v\n", err)
				continue
			}
			if err := l.Add(one); err != nil {
				return err
			}
			print(run+1, p, one.Values)
		}
	}
	return nil
}

func (l *lab) startOnce(p *peer.Peer, d *data, o loadOptions) (record, error) {
	machine.Settle(o.wait, serverCPU, generatorCPU)
	before := stolen()
	s, took, err := l.startServer(p, d.site(), d)
	if err != nil {
		return record{}, err
	}
	defer s.Stop()
	lost := stolen() - before
	wrong, err := l.wrong(s, d)
	if err != nil {
		return record{}, err
	}
	time.Sleep(settleMemory)
	m := s.Memory()
	return record{
		Kind: kindStart, Set: d.set.Name, Server: p.Name, Quiet: lost < 50*time.Millisecond,
		Values: map[string]float64{
			valueStart: took.Seconds(), valuePSS: float64(m.PSS), valuePeak: float64(m.Peak), valueWrong: wrong, valueStolen: lost.Seconds(), valueCount: float64(d.set.Count),
		},
	}, nil
}

// settleMemory is the time after which memory is looked at: a server may give back what only the
// loading took.
const settleMemory = time.Second
