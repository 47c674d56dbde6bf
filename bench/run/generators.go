package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/bench/report"
	"github.com/ptrd/ptrd/internal/loadgen"
	"github.com/ptrd/ptrd/internal/peertest"
)

// generator is a load generator in a process of its own, on the generator's processor.
type generator struct {
	name string
	args func(s *server, queries string, tcp bool, length time.Duration) []string
	read func(out []byte) (answered, lost, seconds float64, err error)
}

// generators measures the load generator of ptrd and dnsperf: what a query costs it,
// and how many it gets answered, where the server is the floor.
func generators(ctx context.Context, args []string) error {
	c := newCommon("generators")
	set := c.set.String("set", "v4-1k", "data `set` whose questions are asked")
	l, err := c.parse(ctx, args)
	if err != nil {
		return err
	}
	if err := c.findPtrd(l); err != nil {
		return err
	}
	d, err := l.openData(*set)
	if err != nil {
		return err
	}
	list := l.findGenerators(c)
	for _, transport := range []string{kindUDP, kindTCP} {
		if err := l.compareGenerators(list, d, transport, c.load()); err != nil {
			return err
		}
	}
	return l.publish(c.doc, "generators", l.generatorTables(), nil)
}

// findGenerators returns ptrd bench and, if it is there, dnsperf.
func (l *lab) findGenerators(c *common) []generator {
	_, path, _ := strings.Cut(strings.Split(c.ptrd, ",")[0], "=")
	ptrd := func(spin bool) func(*server, string, bool, time.Duration) []string {
		return func(s *server, queries string, tcp bool, length time.Duration) []string {
			return []string{path, "bench", "--server", s.at.String(), "--queries", queries, "--edns", "0", "--json", "--workers", "1",
				"--sockets", strconv.Itoa(loadSockets), "--window", strconv.Itoa(loadWindow), "--duration", length.String(),
				fmt.Sprintf("--tcp=%v", tcp), fmt.Sprintf("--spin=%v", spin)}
		}
	}
	list := []generator{{"ptrd bench", ptrd(false), readPtrd}, {"ptrd bench --spin", ptrd(true), readPtrd}}
	dnsperf, ok := peertest.Find("dnsperf")
	if !ok {
		fmt.Fprintln(l.out, "# missing: dnsperf is not installed; Debian package dnsperf")
		return list
	}
	return append(list, generator{dnsperfName, func(s *server, queries string, tcp bool, length time.Duration) []string {
		mode := "udp"
		if tcp {
			mode = "tcp"
		}
		return []string{dnsperf, "-s", s.at.Addr().String(), "-p", strconv.Itoa(int(s.at.Port())), "-m", mode, "-d", queries,
			"-c", strconv.Itoa(loadSockets), "-q", strconv.Itoa(loadWindow), "-T", "1", "-t", "2", "-l", strconv.Itoa(int(max(1, length.Seconds())))}
	}, readDnsperf})
}

// compareGenerators runs the generators in turn.
func (l *lab) compareGenerators(list []generator, d *data, transport string, o loadOptions) error {
	s, err := l.newServer(nil, peer.Site{})
	if err != nil {
		return err
	}
	if err := l.bringUp(s, d, transport, 0); err != nil {
		return err
	}
	defer s.Stop()
	for run := range o.runs {
		for _, g := range list {
			machine.Settle(o.wait, serverCPU, generatorCPU)
			before := s.Usage()
			one, err := g.run(l.ctx, s, d, transport == kindTCP, o.length)
			if err != nil {
				return err
			}
			spent, _ := s.Usage().Since(before)
			one.Kind, one.Set = kindGenerators, transport
			one.Values[valueShare] = spent.Seconds() / one.Values[valueLength]
			if err := l.Add(one); err != nil {
				return err
			}
			fmt.Fprintf(l.out, "%s run %d  %-18s %6.2f µs/query, %.2f of it outside the kernel  %8.0f/s  %.0f lost  floor %.0f %% busy\n", transport, run+1, g.name,
				one.Values[valueCPU], one.Values[valueUser], one.Values[valueQPS], one.Values[valueLost], 100*one.Values[valueShare])
		}
	}
	return nil
}

// run runs the generator once.
func (g *generator) run(ctx context.Context, s *server, d *data, tcp bool, length time.Duration) (record, error) {
	args := g.args(s, d.Queries, tcp, length)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return record{}, fmt.Errorf("%v: %w", cmd, err)
	}
	answered, lost, seconds, err := g.read(out.Bytes())
	if err != nil || answered == 0 {
		return record{}, fmt.Errorf("%v: no answers (%v)\n%s", cmd, err, out.Bytes())
	}
	var version string
	if m := dnsperfVersion.FindSubmatch(out.Bytes()); m != nil {
		version = string(m[1])
	}
	user, system := cmd.ProcessState.UserTime().Seconds(), cmd.ProcessState.SystemTime().Seconds()
	return record{Server: g.name, Text: version, Quiet: true, Values: map[string]float64{
		valueCPU: (user + system) * 1e6 / answered, valueUser: user * 1e6 / answered, valueQPS: answered / seconds, valueLost: lost, valueLength: seconds,
	}}, nil
}

func readPtrd(out []byte) (answered, lost, seconds float64, err error) {
	var r loadgen.Result
	err = json.Unmarshal(out, &r)
	return float64(r.Answered), float64(r.Sent - r.Answered), r.Seconds, err
}

const dnsperfName = "dnsperf"

// The lines of dnsperf that are read.
var (
	dnsperfVersion  = regexp.MustCompile(`^DNS Performance Testing Tool\s+Version (\S+)`)
	dnsperfAnswered = regexp.MustCompile(`Queries completed:\s+(\d+)`)
	dnsperfLost     = regexp.MustCompile(`Queries lost:\s+(\d+)`)
	dnsperfSeconds  = regexp.MustCompile(`Run time \(s\):\s+([\d.]+)`)
)

func readDnsperf(out []byte) (answered, lost, seconds float64, err error) {
	for at, pattern := range map[*float64]*regexp.Regexp{&answered: dnsperfAnswered, &lost: dnsperfLost, &seconds: dnsperfSeconds} {
		m := pattern.FindSubmatch(out)
		if m == nil {
			return 0, 0, 0, fmt.Errorf("%v is not in the output", pattern)
		}
		if *at, err = strconv.ParseFloat(string(m[1]), 64); err != nil {
			return 0, 0, 0, err
		}
	}
	return answered, lost, seconds, nil
}

func (l *lab) generatorTables() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Machine: %s. dnsperf %s. Median of all runs, in brackets the least and the greatest.\n\n", l.text(kindMachine, ""), l.text(kindGenerators, dnsperfName))
	for _, transport := range []string{kindUDP, kindTCP} {
		t := report.Table{Head: []string{"generator", "CPU µs/query", "outside the kernel", "answers/s", "lost"}}
		for _, g := range report.Keys(l.of(kindGenerators, transport, ""), serverOf) {
			sum := func(value string) report.Summary { return l.summary(kindGenerators, transport, g, value) }
			t.Add(g, sum(valueCPU), sum(valueUser), sum(valueQPS), sum(valueLost))
		}
		fmt.Fprintf(&b, "**%s**\n\n%s\n", strings.ToUpper(transport), &t)
	}
	return b.String()
}
