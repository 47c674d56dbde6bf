package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/zone/journal"
)

// load has everything change and be transferred, all the time, until stop is called.
func (c *crash) load() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	forever := func(f func(*rand.Rand) error) {
		rng := rand.New(rand.NewPCG(c.rng.Uint64(), 0))
		wg.Go(func() {
			for ctx.Err() == nil {
				if f(rng) != nil {
					time.Sleep(2 * time.Millisecond) // no server is running
				}
			}
		})
	}
	again := func(f func(*rand.Rand) error) {
		forever(func(rng *rand.Rand) error {
			c.gate.RLock()
			defer c.gate.RUnlock()
			return f(rng)
		})
	}
	for _, z := range c.zones {
		for _, w := range z.writers {
			again(func(*rand.Rand) error {
				err := w.next(c.primary.addr)
				if bad := (*broken)(nil); errors.As(err, &bad) {
					c.t.Errorf("%s: %v", z.apex, bad.error)
				}
				return err
			})
		}
	}
	for _, v := range []*victim{c.primary, c.primary, c.secondary} {
		again(func(rng *rand.Rand) error {
			z := c.zones[rng.IntN(len(c.zones))]
			var from *contents
			if some := z.some(1); len(some) > 0 && rng.IntN(3) > 0 {
				from = some[0]
			}
			if serial, ok := z.shown(v); !ok || from != nil && isBefore(serial, from.serial) {
				return errors.New("the server does not have it yet")
			}
			_, err := c.take(v, z, from)
			return err
		})
	}
	// The gate does not wait for the secondary, which may be waiting for its primary.
	forever(func(rng *rand.Rand) error {
		return c.secondary.refresh(c.zones[rng.IntN(len(c.zones))], rng.IntN(8) == 0)
	})
	again(func(rng *rand.Rand) error {
		for _, z := range c.zones {
			if z.changes {
				z.mu.Lock()
				z.version++
				c.writeFile(z)
				z.mu.Unlock()
			}
		}
		if rng.IntN(2) == 0 { // otherwise the server notices the change
			_ = c.primary.call(daemon.VerbReload, nil, nil) // or is not there
		}
		time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond)
		return nil
	})
	return sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		for _, z := range c.zones {
			for _, w := range z.writers {
				w.hangUp()
			}
		}
	})
}

// call asks a server by its control socket.
func (v *victim) call(verb string, args url.Values, to any) error {
	ctx, cancel := context.WithTimeout(context.Background(), exchangeWait)
	defer cancel()
	var b bytes.Buffer
	if err := control.Call(ctx, control.Path(v.state), verb, args, &b); err != nil || to == nil {
		return err
	}
	return json.Unmarshal(b.Bytes(), to)
}

// refresh has a secondary compare a zone with its primary, and get it where it is
// later there, or (all) in any case.
func (v *victim) refresh(z *crashZone, all bool) error {
	var s daemon.SecondaryStatus
	err := v.call(daemon.VerbRefresh, url.Values{"what": {z.apex}, "whole": {strconv.FormatBool(all)}}, &s)
	if err == nil && s.Error != "" {
		err = errors.New(s.Error)
	}
	return err
}

// run runs another subcommand with a server's configuration and reads the JSON that
// it prints.
func (c *crash) run(v *victim, to any, args ...string) {
	c.t.Helper()
	var problem strings.Builder
	cmd := exec.Command(v.program, append(args, "--json", "--config", v.config)...)
	cmd.Stderr = &problem
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, to)
	}
	if err != nil {
		c.t.Fatalf("%s: %v: %v\n%s%s", v.name, args, err, out, problem.String())
	}
}

// verifyLog compares the log of a zone with what is known of it: from its newest
// line back there is no gap, and, at the primary, as many updates as were carried
// out. The history of a zone starts again where a secondary had to transfer the whole zone, and
// where a file is another one after a start.
func (c *crash) verifyLog(v *victim, z *crashZone) {
	c.t.Helper()
	if !v.served[z] {
		return
	}
	var log history.Log
	var now *contents
	c.await(v, "what is served of "+z.apex+" being the last of the log", func() bool { // a secondary may be getting more
		log = history.Log{}
		c.run(v, &log, "log", z.apex, "--limit", "0")
		now = c.mustTake(v, z, nil)
		return len(log.Lines) > 0 && uint32(log.Lines[0].Serial) == now.serial
	})
	lines := log.Lines
	c.lines += len(lines)
	updates := map[uint32]int{} // since a serial
	n, known := 0, true
	for i, l := range lines {
		if known {
			updates[uint32(l.Serial)] = n
		}
		if strings.HasPrefix(l.Source, "update by ") {
			n++
		}
		switch {
		case l.Source == "" || l.At.IsZero() || i > 0 && l.At.After(lines[i-1].At):
			c.t.Errorf("%s: the log of %s says neither who nor when, or is not in order: %+v", v.name, z.apex, l)
		case l.What == journal.Began.String() && (i == len(lines)-1 || (v == c.secondary || z.changes) && l.From == lines[i+1].Serial):
			known = false
		case l.What != journal.Changed.String() || !l.From.Before(l.Serial) || i < len(lines)-1 && l.From != lines[i+1].Serial:
			c.t.Errorf("%s: the log of %s has a gap at line %d: %+v", v.name, z.apex, i, lines[i:min(i+2, len(lines))])
		}
	}
	if last := lines[len(lines)-1]; last.What == journal.Changed.String() {
		c.trimmed++
	}
	for _, k := range z.some(keptContents) {
		since, ok := updates[k.serial]
		if !ok || v != c.primary {
			continue
		}
		want := 0
		for i := range k.state {
			if i != len(z.writers) {
				want += now.state[i] - k.state[i]
			}
		}
		if since != want {
			c.t.Errorf("%s: the log of %s has %d updates since serial %d; %d were carried out", v.name, z.apex, since, k.serial, want)
		}
	}
	for _, k := range z.some(keptContents) {
		if _, ok := updates[k.serial]; !ok || k.serial == now.serial || v != c.primary {
			continue
		}
		var d history.Diff
		c.run(v, &d, "diff", z.apex, strconv.Itoa(int(k.serial)), strconv.Itoa(int(now.serial)))
		x := &reading{records: records{}}
		for l, r := range k.records {
			x.records[l] = r
		}
		for i, list := range [][]string{d.Removed, d.Added} {
			for _, l := range list {
				r, err := dns.NewRR(l)
				if err == nil {
					err = []func(dns.RR) error{x.remove, x.add}[i](r)
				}
				if err != nil {
					c.t.Errorf("%s: diff of %s from serial %d: %v", v.name, z.apex, k.serial, err)
				}
			}
		}
		if serial, state, err := z.stateOf(x.records); err != nil || serial != now.serial {
			c.t.Errorf("%s: diff of %s from serial %d to %d leads to %d, state %v: %v", v.name, z.apex, k.serial, now.serial, serial, state, err)
		}
		c.diffs++
		break
	}
}
