package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// options are of a load.
type options struct {
	names    int // in the zone at first; updates add the ones behind them
	inFlight int
	queries  int // a second
	duration time.Duration
}

const (
	maxInFlight = 1024
	// lostAfter is when an answer counts as lost: a client would ask again.
	lostAfter = 2 * time.Second
)

// times are how long something took, in milliseconds.
type times struct {
	list   []float64
	sorted bool
}

func (t *times) add(d time.Duration) { t.list = append(t.list, float64(d.Microseconds())/1000) }
func (t *times) count() int          { return len(t.list) }

// at returns the quantile q.
func (t *times) at(q float64) float64 {
	if len(t.list) == 0 {
		return 0
	}
	if !t.sorted {
		slices.Sort(t.list)
		t.sorted = true
	}
	return t.list[min(int(q*float64(len(t.list))), len(t.list)-1)]
}

// result is what came of a load.
type result struct {
	updates, queries times
	wrong            int // updates that another RCODE than NOERROR came for
	lost             int // updates without an answer
	unanswered       int // queries likewise
}

func appendName(b []byte, n int) []byte {
	for _, shift := range [...]int{0, 8, 16} {
		label := strconv.Itoa(n >> shift & 255)
		b = append(append(b, byte(len(label))), label...)
	}
	return b
}

const zoneWire = "\x0210\x07in-addr\x04arpa\x00"

// appendQuery writes a question for the PTR of the n-th name.
func appendQuery(b []byte, id uint16, n int) []byte {
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
	b = append(appendName(b, n), zoneWire...)
	return append(b, 0, 12, 0, 1)
}

// appendUpdate writes an UPDATE that adds the PTR of the n-th name.
func appendUpdate(b []byte, id uint16, n int) []byte {
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 5<<3, 0, 0, 1, 0, 0, 0, 1, 0, 0)
	b = append(b, zoneWire...)
	b = append(b, 0, 6, 0, 1)
	b = append(appendName(b, n), 0xc0, 12) // the zone's name
	b = append(b, 0, 12, 0, 1, 0, 0, 0x0e, 0x10)
	target := "\x06leased\x04pool\x07example\x03net\x00"
	host := "h" + strconv.Itoa(n)
	b = binary.BigEndian.AppendUint16(b, uint16(1+len(host)+len(target)))
	b = append(append(b, byte(len(host))), host...)
	return append(b, target...)
}

// load sends both kinds until the time is over.
func load(ctx context.Context, o options) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.duration)
	defer cancel()
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() { errs[0] = r.update(ctx, o) })
	wg.Go(func() { errs[1] = r.ask(ctx, o) })
	wg.Wait()
	return r, errors.Join(errs[:]...)
}

// update keeps as many updates in flight as wanted, on one socket.
func (r *result) update(ctx context.Context, o options) error {
	c, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	sent := map[uint16]time.Time{}
	next, id := o.names, uint16(0)
	var out []byte
	var in [512]byte
	for ctx.Err() == nil {
		for len(sent) < o.inFlight {
			id++
			out = appendUpdate(out[:0], id, next)
			next++
			sent[id] = time.Now()
			if _, err := c.Write(out); err != nil {
				return err
			}
		}
		_ = c.SetReadDeadline(time.Now().Add(lostAfter))
		n, err := c.Read(in[:])
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			r.lost += len(sent)
			clear(sent)
			continue
		case err != nil:
			return err
		case n < 12:
			continue
		}
		got := binary.BigEndian.Uint16(in[:])
		at, ok := sent[got]
		if !ok {
			continue
		}
		delete(sent, got)
		if in[3]&15 != 0 {
			r.wrong++
			continue
		}
		r.updates.add(time.Since(at))
	}
	return nil
}

// ask sends queries for names that the zone has from the first, at their times
// whatever comes back.
func (r *result) ask(ctx context.Context, o options) error {
	if o.queries == 0 {
		return nil
	}
	c, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	const ids = 1 << 16
	var mu sync.Mutex
	sent := make([]time.Time, ids)
	var wg sync.WaitGroup
	wg.Go(func() {
		var in [512]byte
		for {
			n, err := c.Read(in[:])
			if err != nil {
				return
			}
			now := time.Now()
			mu.Lock()
			if id := binary.BigEndian.Uint16(in[:]); n >= 12 && !sent[id].IsZero() {
				r.queries.add(now.Sub(sent[id]))
				sent[id] = time.Time{}
			}
			mu.Unlock()
		}
	})
	rng := rand.New(rand.NewPCG(1, 2))
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	begin := time.Now()
	var out []byte
	for n := 0; ctx.Err() == nil; <-tick.C {
		for due := int(time.Since(begin).Seconds() * float64(o.queries)); n < due; n++ {
			id := uint16(n)
			out = appendQuery(out[:0], id, rng.IntN(o.names))
			mu.Lock()
			if !sent[id].IsZero() {
				r.unanswered++
			}
			sent[id] = time.Now()
			mu.Unlock()
			if _, err := c.Write(out); err != nil {
				return err
			}
		}
	}
	time.Sleep(lostAfter / 10)
	c.Close()
	wg.Wait()
	for _, at := range sent {
		if !at.IsZero() {
			r.unanswered++
		}
	}
	return nil
}
