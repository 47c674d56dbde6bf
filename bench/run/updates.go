package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/bench/report"
	"github.com/ptrd/ptrd/internal/loadgen"
	"github.com/ptrd/ptrd/zone/dname"
)

// updates sends UPDATE messages of one PTR each to servers with a large zone, as fast as
// they acknowledge them, and asks for PTRs meanwhile. Every server takes updates from loopback
// addresses only and keeps them in its own journal, with its own ways to the disk.
func updates(ctx context.Context, args []string) error {
	c := newCommon("updates")
	set := c.set.String("set", "v4-1M", "data `set` of one zone")
	inFlight := c.set.Int("in-flight", 128, "updates that wait for their answer at a time")
	rate := c.set.Uint64("queries", 5000, "queries a second meanwhile")
	only := c.set.String("peers", "BIND,Knot", "other servers; - for none")
	derive := c.set.Bool("derive", false, "update a forward zone, with and without a reverse zone that derives its PTRs")
	l, d, err := c.parseOneZone(ctx, args, set, *only)
	if err != nil {
		return err
	}
	roles := []peer.Role{peer.Updates, peer.FileUpdates}
	if *derive {
		roles = []peer.Role{peer.Forward, peer.Derived}
	}
	suffixes := map[peer.Role]string{peer.FileUpdates: ", file", peer.Forward: ", forward", peer.Derived: ", derived"}
	if *inFlight < 1 || *inFlight > maxInFlight {
		return fmt.Errorf("--in-flight %d: 1 to %d are allowed", *inFlight, maxInFlight)
	}
	for run := range c.runs {
		for _, p := range l.peers {
			for _, role := range roles {
				if !p.Plays(role) {
					continue
				}
				one, err := l.updateOnce(p, role, d, c.load(), *inFlight, *rate)
				if err != nil {
					return fmt.Errorf("%s: %w", p.Name, err)
				}
				one.Server += suffixes[role]
				if err := l.Add(one); err != nil {
					return err
				}
				fmt.Fprintf(l.out, "updates run %d  %-12s %8.0f/s\n", run+1, one.Server, one.Values[valueUpdates])
			}
		}
	}
	t := report.Table{Head: []string{"server", "updates/s", "p50 ms", "p99 ms", "CPU µs/update", "refused or lost", "queries/s", "p50 µs", "p99 µs", "p99.9 µs", "lost"}}
	for _, s := range report.Keys(l.of(kindUpdates, "", ""), serverOf) {
		sum := func(value string) report.Summary { return l.summary(kindUpdates, "", s, value) }
		t.Add(s, sum(valueUpdates), sum(valueUpdateP50), sum(valueUpdateP99), sum(valueCPU), sum(valueWrong),
			sum(valueQPS), sum(valueP50), sum(valueP99), sum(valueP999), sum(valueLost))
	}
	return l.publish(c.doc, "updates", t.String(), nil)
}

// parseOneZone reads the flags of a measurement of one zone, whose table goes to standard
// output unless --doc is given, and finds the servers.
func (c *common) parseOneZone(ctx context.Context, args []string, set *string, only string) (*lab, *data, error) {
	l, err := c.parse(ctx, args)
	if err != nil {
		return nil, nil, err
	}
	c.unlessGiven("doc", "")
	if c.quick {
		c.unlessGiven("set", "v4-1k")
	}
	if err := c.findPtrd(l); err != nil {
		return nil, nil, err
	}
	if f := c.set.Lookup("peers"); f != nil {
		only = f.Value.String()
	}
	if only != "-" {
		if err := l.findPeers(list(only)); err != nil {
			return nil, nil, err
		}
	}
	d, err := l.openData(*set)
	if err == nil && len(d.apexes) != 1 {
		err = fmt.Errorf("data set %s has %d zones; v4-N has one", *set, len(d.apexes))
	}
	return l, d, err
}

func (l *lab) updateOnce(p *peer.Peer, role peer.Role, d *data, o loadOptions, inFlight int, rate uint64) (record, error) {
	site := d.site()
	site.Role = role
	s, _, err := l.startServer(p, site, d)
	if err != nil {
		return record{}, err
	}
	defer s.Stop()
	machine.Settle(o.wait, serverCPU, generatorCPU)
	before := s.Usage()
	ctx, cancel := context.WithTimeout(l.ctx, o.length)
	defer cancel()
	u := updater{at: s.at, apex: dname.MustParse(d.apexes[0] + "."), inFlight: inFlight}
	if role == peer.Forward || role == peer.Derived {
		u.apex, u.isForward = dname.MustParse(peer.ForwardZone+"."), true
	}
	r, err := l.queriesDuring(s, d, o.length, rate, func() error { return u.run(ctx) })
	if err != nil {
		return record{}, err
	}
	used, _ := s.Usage().Since(before)
	v := queryValues(r)
	slices.Sort(u.took)
	n := len(u.took)
	v[valueUpdates], v[valueWrong] = float64(n)/o.length.Seconds(), float64(u.failed)
	if n > 0 {
		v[valueUpdateP50], v[valueUpdateP99] = u.took[n/2].Seconds()*1e3, u.took[n*99/100].Seconds()*1e3
		v[valueCPU] = used.Seconds() * 1e6 / float64(n)
	}
	return record{Kind: kindUpdates, Set: d.set.Name, Server: p.Name, Values: v}, nil
}

// queriesDuring asks at a rate, whatever comes back, while f runs.
func (l *lab) queriesDuring(s *server, d *data, length time.Duration, rate uint64, f func() error) (*loadgen.Result, error) {
	defer quietHeap()()
	done := make(chan error, 1)
	go func() { done <- f() }()
	r, err := loadgen.Run(l.ctx, loadgen.Options{
		Server: s.at, Source: d.questions, Rate: rate, Sockets: loadSockets, Workers: 1, Duration: length, Timeout: reloadTimeout, Window: 1 << 14,
	})
	return r, errors.Join(err, <-done)
}

// queryValues returns what clients had of an open loop.
func queryValues(r *loadgen.Result) map[string]float64 {
	return map[string]float64{
		valueQPS: r.AnsweredRate, valueSent: float64(r.Sent), valueLost: float64(r.Sent - r.Answered - r.Abandoned),
		valueP50: microseconds(r.Latency.P50), valueP99: microseconds(r.Latency.P99), valueP999: microseconds(r.Latency.P999), valueMax: microseconds(r.Latency.Max),
	}
}

const (
	maxInFlight = 1024
	// updateLost is when an update counts as lost: a client would send it again.
	updateLost = 2 * time.Second
)

// updater adds PTRs, or the A records of a forward zone, in a closed loop, on one socket.
type updater struct {
	at        netip.AddrPort
	apex      dname.Name
	isForward bool
	inFlight  int

	took   []time.Duration // of those that were acknowledged
	failed int             // another RCODE than NOERROR, or no answer
}

func (u *updater) run(ctx context.Context) error {
	c, err := net.Dial("udp", u.at.String())
	if err != nil {
		return err
	}
	defer c.Close()
	sent := map[uint16]time.Time{}
	var out []byte
	var in [512]byte
	for next := 0; ctx.Err() == nil; {
		for ; len(sent) < u.inFlight; next++ {
			out = u.appendUpdate(out[:0], next)
			sent[uint16(next)] = time.Now()
			if _, err := c.Write(out); err != nil {
				return err
			}
		}
		_ = c.SetReadDeadline(time.Now().Add(updateLost))
		n, err := c.Read(in[:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			u.failed += len(sent)
			clear(sent)
			continue
		}
		if err != nil {
			return err
		}
		id := binary.BigEndian.Uint16(in[:])
		at, ok := sent[id]
		switch {
		case n < 12 || !ok:
		case in[3]&15 != 0:
			u.failed++
			delete(sent, id)
		default:
			u.took = append(u.took, time.Since(at))
			delete(sent, id)
		}
	}
	return nil
}

// appendUpdate writes an UPDATE that adds the PTR of the n-th address of 10.0.0.0/8 from the end, or
// a name with it.
func (u *updater) appendUpdate(b []byte, n int) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = append(b, 5<<3, 0, 0, 1, 0, 0, 0, 1, 0, 0)
	b = append(b, u.apex...)
	b = append(b, 0, 6, 0, 1)
	if u.isForward {
		label := "h" + strconv.Itoa(n)
		b = append(append(b, byte(len(label))), label...)
		b = append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4) // the zone's name; A, IN, one hour
		return append(b, 10, byte(255-n>>16), byte(255-n>>8), byte(255-n))
	}
	for _, shift := range [...]int{0, 8, 16} {
		label := strconv.Itoa(255 - n>>shift&255)
		b = append(append(b, byte(len(label))), label...)
	}
	b = append(b, 0xc0, 12, 0, 12, 0, 1, 0, 0, 0x0e, 0x10) // the zone's name; PTR, IN, one hour
	target := "\x06leased\x04pool\x07example\x03net\x00"
	host := "h" + strconv.Itoa(n)
	b = binary.BigEndian.AppendUint16(b, uint16(1+len(host)+len(target)))
	b = append(append(b, byte(len(host))), host...)
	return append(b, target...)
}
