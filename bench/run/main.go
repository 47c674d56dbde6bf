// Command run measures ptrd next to other servers and writes docs/benchmarks.md. The
// Makefile has a target for each of its subcommands; docs/benchmarks.md says how the figures are made.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ptrd/ptrd/bench/dataset"
	"github.com/ptrd/ptrd/bench/flood"
	"github.com/ptrd/ptrd/bench/floor"
	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/peer"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

const usage = `subcommands, each with -h:
  peers         ptrd and other servers: processor time, throughput, memory, start, reload
  growth        ptrd by the number of names and of zones
  generators    ptrd bench and dnsperf
  instructions  what metrics and the query log cost, counted by callgrind
  updates       ptrd, BIND and Knot under UPDATE messages: updates a second, latency of queries
  transfers     ptrd and other servers as secondary and as primary of a large zone
  latency       queries of ptrd at rest, and under updates, transfers and reloads: p50 to p99.9
  route53       the Route 53 API of ptrd: batches next to updates, pages, memory
  ranges        names made for ranges of addresses, by ptrd and other servers: processor time, throughput
  floods        ptrd under floods and hostile connections
  data SET …    write data sets`

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which measurement? %s", usage)
	}
	// What this program starts of itself. A signal ends it as any program that does
	// not ask for signals.
	switch args[0] {
	case "floor":
		return serveFloor(args[1:])
	case awakeName:
		return stayAwake(args[1:])
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch args[0] {
	case "peers":
		return peers(ctx, args[1:])
	case "growth":
		return growth(ctx, args[1:])
	case "generators":
		return generators(ctx, args[1:])
	case "instructions":
		return instructions(ctx, args[1:])
	case "updates":
		return updates(ctx, args[1:])
	case "transfers":
		return transfers(ctx, args[1:])
	case "latency":
		return latency(ctx, args[1:])
	case "route53":
		return route53(ctx, args[1:])
	case "ranges":
		return ranges(ctx, args[1:])
	case "floods":
		return flood.Run(ctx, args[1:])
	case "data":
		return writeData(args[1:])
	}
	return fmt.Errorf("%q is no measurement; %s", args[0], usage)
}

// serveFloor serves until the process ends.
func serveFloor(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("floor takes udp, tcp or %s, and an address", udpAwake)
	}
	at, err := netip.ParseAddrPort(args[1])
	if err != nil {
		return err
	}
	switch args[0] {
	case "tcp":
		return floor.ServeTCP(at)
	case udpAwake:
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
		go func() {
			fmt.Fprintln(os.Stderr, machine.StayAwake(serverCPU)) // it returns only an error
		}()
	}
	return floor.ServeUDP(at)
}

// common are the flags that all measurements have.
type common struct {
	set     *flag.FlagSet
	dir     string
	doc     string
	ptrd    string
	fresh   bool
	quick   bool
	wait    time.Duration
	runs    int
	length  time.Duration
	retries int
}

func newCommon(name string) *common {
	c := &common{set: flag.NewFlagSet(name, flag.ContinueOnError)}
	c.set.StringVar(&c.dir, "dir", filepath.Join(os.TempDir(), "ptrd-bench"), "`directory` for data sets, configurations and results; up to 3 GB")
	c.set.StringVar(&c.doc, "doc", "docs/benchmarks.md", "the `file` whose part is written; empty: none, the tables are printed only")
	c.set.StringVar(&c.ptrd, "ptrd", "ptrd=./ptrd", "`NAME=PATH,…` of the binaries of ptrd")
	c.set.BoolVar(&c.fresh, "fresh", false, "forget the results of earlier calls; else they count with those of this one")
	c.set.BoolVar(&c.quick, "quick", false, "one short run of little data, to see that it works")
	c.set.DurationVar(&c.wait, "wait", 2*time.Second, "wait for quiet processors before a run, at most")
	c.set.IntVar(&c.runs, "runs", 5, "how often everything is measured, in turn")
	c.set.DurationVar(&c.length, "length", 3*time.Second, "of a run")
	c.set.IntVar(&c.retries, "retries", 2, "how often a run is made again that was not quiet")
	return c
}

// parse reads the flags and opens the lab, on its processor.
func (c *common) parse(ctx context.Context, args []string) (*lab, error) {
	if err := c.set.Parse(args); err != nil {
		return nil, err
	}
	if c.set.NArg() > 0 {
		return nil, fmt.Errorf("%s takes no argument, %q was given", c.set.Name(), c.set.Arg(0))
	}
	if c.quick {
		c.unlessGiven("runs", "1")
		c.unlessGiven("length", "1s")
		c.unlessGiven("doc", "")
	}
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := machine.Pin(generatorCPU); err != nil {
		return nil, fmt.Errorf("%w; the servers get processor %d and the generator %d, so two are needed", err, serverCPU, generatorCPU)
	}
	l := &lab{ctx: ctx, dir: dir, out: os.Stderr}
	if l.results, err = openResults(dir, c.set.Name(), c.fresh || c.quick); err != nil {
		return nil, err
	}
	return l, l.Add(record{Kind: kindMachine, Text: machine.Describe()})
}

// unlessGiven sets a flag that is not on the command line.
func (c *common) unlessGiven(name, value string) {
	given := false
	c.set.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if !given {
		if err := c.set.Set(name, value); err != nil {
			panic(fmt.Sprintf("--%s %s: %v", name, value, err))
		}
	}
}

// load returns the options of a load.
func (c *common) load() loadOptions {
	return loadOptions{runs: c.runs, length: c.length, retries: c.retries, wait: c.wait, sockets: loadSockets, window: loadWindow}
}

// findPtrd adds the binaries of ptrd to the peers of the lab.
func (c *common) findPtrd(l *lab) error {
	for _, one := range strings.Split(c.ptrd, ",") {
		name, path, ok := strings.Cut(one, "=")
		if !ok {
			return fmt.Errorf("--ptrd %q is not NAME=PATH", one)
		}
		p, err := peer.Ptrd(name, path)
		if err != nil {
			return err
		}
		l.peers = append(l.peers, p)
	}
	return nil
}

// findPeers adds the other servers that are on this machine, and prints what is missing.
func (l *lab) findPeers(only []string) error {
	all := peer.All()
	for _, name := range only {
		if !slices.ContainsFunc(all, func(p *peer.Peer) bool { return strings.EqualFold(p.Name, name) }) {
			return fmt.Errorf("there is no peer %q", name)
		}
	}
	if len(only) > 0 {
		all = slices.DeleteFunc(all, func(p *peer.Peer) bool {
			return !slices.ContainsFunc(only, func(n string) bool { return strings.EqualFold(n, p.Name) })
		})
	}
	l.addPeers(all)
	return nil
}

// addPeers adds those of the servers that are on this machine, and prints what is missing.
func (l *lab) addPeers(all []*peer.Peer) {
	for _, p := range all {
		if err := p.Find(); err != nil {
			fmt.Fprintf(l.out, "# missing: %v\n", err)
			continue
		}
		l.peers = append(l.peers, p)
	}
}

// recordVersions keeps the versions of all servers.
func (l *lab) recordVersions() error {
	for _, p := range l.peers {
		v := p.Version()
		fmt.Fprintf(l.out, "# %-12s %s\n", p.Name, v)
		if err := l.Add(record{Kind: kindVersion, Server: p.Name, Text: v}); err != nil {
			return err
		}
	}
	return nil
}

// list splits a flag that is a list with commas; an empty one has no items.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func writeData(args []string) error {
	set := flag.NewFlagSet("data", flag.ContinueOnError)
	dir := set.String("dir", filepath.Join(os.TempDir(), "ptrd-bench"), "`directory`")
	if err := set.Parse(args); err != nil {
		return err
	}
	for _, name := range set.Args() {
		s, err := dataset.Parse(name)
		if err != nil {
			return err
		}
		f, err := s.Write(filepath.Join(*dir, "data"))
		if err != nil {
			return err
		}
		fmt.Println(f.Dir)
	}
	return nil
}
