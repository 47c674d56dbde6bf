package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ptrd/ptrd/server/freeport"
)

// comparison is a run.
type comparison struct {
	options
	ctx     context.Context
	sides   []*side // this and the other
	primary *side
	gen     *generator
	value   setting
	members []string
	scenes  int // in a round

	asked       map[string]int // requests by kind
	responses   int
	differences int
	shown       []string
	byKind      map[string]int            // differences
	outcomes    map[string]map[string]int // what this side answered, by kind
	events      map[string]int            // reloads and the like
}

func newComparison(ctx context.Context, o options, dir string) (*comparison, error) {
	c := &comparison{options: o, ctx: ctx, gen: newGenerator(o.seed), asked: map[string]int{}, byKind: map[string]int{}, events: map[string]int{}, outcomes: map[string]map[string]int{}}
	for _, s := range []*side{{name: "this", program: o.this}, {name: "other", program: o.other}, {name: "primary", program: o.other}} {
		s.dir, s.serials, s.udp = filepath.Join(dir, s.name), serials{}, map[netip.Addr]*net.UDPConn{}
		var err error
		if s.dns, err = freeport.Address(); err != nil {
			return nil, err
		}
		if s.tls, err = freeport.Address(); err != nil {
			return nil, err
		}
		if s.notified, err = listen(); err != nil {
			return nil, err
		}
		if err := os.MkdirAll(filepath.Join(s.dir, "state"), 0o700); err != nil {
			return nil, err
		}
		for name, text := range files() {
			if err := s.write(name, text); err != nil {
				return nil, err
			}
		}
		c.sides = append(c.sides, s)
	}
	c.primary, c.sides = c.sides[2], c.sides[:2]
	if o.upgrade {
		c.sides[0].program = o.other
	}
	return c, nil
}

func (c *comparison) stop() {
	for _, s := range append(slices.Clone(c.sides), c.primary) {
		if err := s.stop(syscall.SIGTERM); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		s.notified.conn.Close()
		for _, u := range s.udp {
			u.Close()
		}
	}
}

func (c *comparison) logs() string {
	var b strings.Builder
	for _, s := range append(slices.Clone(c.sides), c.primary) {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log")) // without it, there is none to show
		fmt.Fprintf(&b, "%s:\n%s\n", s.name, log[max(0, len(log)-4000):])
	}
	return b.String()
}

// both runs f for the two sides at the same time.
func (c *comparison) both(f func(*side) error) error {
	results := make(chan error, len(c.sides))
	for _, s := range c.sides {
		go func() { results <- f(s) }()
	}
	var first error
	for range c.sides {
		if err := <-results; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (c *comparison) compare(way string, requests []*request, ask func(*side) (replies, error)) error {
	got := map[*side]replies{}
	done := make(chan struct{})
	var theirs replies
	var theirErr error
	go func() {
		theirs, theirErr = ask(c.sides[1])
		close(done)
	}()
	ours, err := ask(c.sides[0])
	<-done
	if err != nil {
		return err
	}
	if theirErr != nil {
		return theirErr
	}
	got[c.sides[0]], got[c.sides[1]] = ours, theirs
	for i, r := range requests {
		c.asked[r.kind+", "+way]++
		c.responses += len(ours[i])
		c.count(r.kind+", "+way, ours[i])
		var masked [2][][]byte
		for k, s := range c.sides {
			for _, m := range got[s][i] {
				masked[k] = append(masked[k], s.serials.mask(m))
			}
		}
		if !slices.EqualFunc(masked[0], masked[1], bytes.Equal) {
			c.differ(r.kind+", "+way, c.describe(way, r, ours[i], theirs[i]))
		}
	}
	return nil
}

func (l *listener) port() uint16 { return l.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }
