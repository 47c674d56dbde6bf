package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

// run lets the attack establish itself, then measures.
func run(o *options) (*report, error) {
	before, err := readProcess(o.pid)
	if err != nil {
		return nil, err
	}
	attack, endAttack := context.WithCancel(context.Background())
	hostile := &attackers{options: o, permits: make(chan struct{}, max(o.open/100, 1))}
	var sides sync.WaitGroup
	sides.Go(func() { hostile.run(attack) })
	if o.attack != "none" {
		time.Sleep(o.warm)
	}
	made := hostile.made.Load()
	p0, err := readProcess(o.pid)
	if err == nil {
		began := time.Now()
		legitimate := &clients{options: o}
		measured, end := context.WithTimeout(context.Background(), o.length)
		legitimate.run(measured)
		end()
		took := time.Since(began)
		var p1 process
		if p1, err = readProcess(o.pid); err == nil {
			r := legitimate.report(took)
			r.Attack, r.Hostile, r.HostileOpen, r.HostileMade = o.attack, int64(o.conns), hostile.standing.Load(), hostile.made.Load()-made
			if o.attack == "none" {
				r.Hostile = 0
			}
			r.ServerBefore, r.ServerRSS = before.rss/1e6, p1.rss/1e6
			r.ServerCPU = (p1.cpu - p0.cpu).Seconds() / took.Seconds()
			r.ServerCPUus = (p1.cpu - p0.cpu).Seconds() * 1e6 / max(float64(legitimate.freshAnswered.Load()+legitimate.keptAnswered.Load()), 1)
			endAttack()
			sides.Wait()
			return r, nil
		}
	}
	endAttack()
	sides.Wait()
	return nil, err
}

func (c *clients) report(took time.Duration) *report {
	r := &report{
		FreshAsked: c.freshAsked.Load(), KeptAsked: c.keptAsked.Load(), KeptAgain: c.reconnects.Load(),
		FreshP50: c.percentile(0.5), FreshP99: c.percentile(0.99),
		Rate: float64(c.freshAnswered.Load()+c.keptAnswered.Load()) / took.Seconds(),
	}
	r.FreshKept = 100 * float64(c.freshAnswered.Load()) / max(float64(r.FreshAsked), 1)
	r.KeptKept = 100 * float64(c.keptAnswered.Load()) / max(float64(r.KeptAsked), 1)
	return r
}

// process is what the server used.
type process struct {
	cpu time.Duration // of all its threads
	rss float64       // octets
}

// readProcess reads what /proc tells; nothing for process 0.
func readProcess(pid int) (p process, err error) {
	if pid == 0 {
		return p, nil
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, err
	}
	// The name of the program, in parentheses, may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 22 {
		return p, fmt.Errorf("/proc/%d/stat: %d fields behind the name, at least 22 wanted", pid, len(fields))
	}
	const userTime, systemTime, pages, tick = 11, 12, 21, 10 * time.Millisecond
	for _, f := range [][]byte{fields[userTime], fields[systemTime]} {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return p, err
		}
		p.cpu += time.Duration(n) * tick
	}
	n, err := strconv.ParseInt(string(fields[pages]), 10, 64)
	p.rss = float64(n) * float64(os.Getpagesize())
	return p, err
}
