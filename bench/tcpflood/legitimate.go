package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// clients are the legitimate ones.
type clients struct {
	*options
	freshAsked, freshAnswered atomic.Int64
	keptAsked, keptAnswered   atomic.Int64
	reconnects                atomic.Int64

	mu    sync.Mutex
	times []time.Duration // of fresh queries that were answered
}

// source returns the address of the k-th client, each in a /24 of its own.
func source(k int) netip.Addr { return netip.AddrFrom4([4]byte{127, 1, byte(k), 1}) }

// run asks until ctx ends, and waits for the answers to what it asked.
func (c *clients) run(ctx context.Context) {
	var all sync.WaitGroup
	if c.loop > 0 {
		for k := range c.loop {
			all.Go(func() {
				for id := uint16(0); ctx.Err() == nil; id++ {
					c.askFresh(source(k), id)
				}
			})
		}
		all.Wait()
		return
	}
	for k := range c.kept {
		all.Go(func() { c.keep(ctx, source(100+k%100), k) })
	}
	if c.fresh > 0 {
		tick := time.NewTicker(time.Second / time.Duration(c.fresh))
		defer tick.Stop()
		for k := 0; ctx.Err() == nil; k++ {
			all.Go(func() { c.askFresh(source(k%100), uint16(k)) })
			select {
			case <-ctx.Done():
			case <-tick.C:
			}
		}
	}
	all.Wait()
}

// askFresh asks one query on a connection of its own.
func (c *clients) askFresh(from netip.Addr, id uint16) {
	began := time.Now()
	c.freshAsked.Add(1)
	// A query has its time, whatever becomes of the run.
	conn, err := dial(context.Background(), from, c.server, c.timeout)
	if err != nil {
		return
	}
	conn.SetLinger(0)
	defer conn.Close()
	if c.ask(conn, id, began) != nil {
		return
	}
	c.freshAnswered.Add(1)
	c.mu.Lock()
	c.times = append(c.times, time.Since(began))
	c.mu.Unlock()
}

func (c *clients) ask(conn *net.TCPConn, id uint16, began time.Time) error {
	conn.SetDeadline(began.Add(c.timeout))
	q := slices.Clone(c.query)
	binary.BigEndian.PutUint16(q[2:], id)
	if _, err := conn.Write(q); err != nil {
		return err
	}
	got, err := readMessage(conn)
	if err == nil && got != id {
		err = fmt.Errorf("asked %d, answered %d", id, got)
	}
	return err
}

// keep asks once a second on one connection, and makes another where the server
// closed it (RFC 7766 §6.2.4).
func (c *clients) keep(ctx context.Context, from netip.Addr, k int) {
	var conn *net.TCPConn
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	select { // spread over the second
	case <-ctx.Done():
	case <-time.After(time.Duration(k) * time.Second / time.Duration(c.kept)):
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for id := uint16(0); ctx.Err() == nil; id++ {
		c.keptAsked.Add(1)
		began := time.Now()
		for time.Since(began) < c.timeout {
			var err error
			if conn == nil {
				c.reconnects.Add(1)
				if conn, err = dial(context.Background(), from, c.server, c.timeout-time.Since(began)); err != nil {
					conn = nil
					continue
				}
				conn.SetLinger(0)
			}
			if c.ask(conn, id, began) == nil {
				c.keptAnswered.Add(1)
				break
			}
			conn.Close()
			conn = nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// percentile returns the p-th of the times of fresh queries, in milliseconds.
func (c *clients) percentile(p float64) float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.times) == 0 {
		return 0
	}
	slices.Sort(c.times)
	return c.times[int(p*float64(len(c.times)-1))].Seconds() * 1e3
}
