// Command transfer measures AXFR of a large zone, in and out, of ptrd, NSD and Knot DNS
// in turns.
//
// In: each is the secondary of an NSD that has the zone, with nothing kept, from its
// start until it answers for the zone. Out: each has the zone and gives it to one
// client that only counts records, and has the other processor.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/bench/machine"
)

const (
	apex        = "10.in-addr.arpa"
	port        = 5398
	primaryPort = 5397
)

func main() {
	ptrd := flag.String("ptrd", "./ptrd", "the `program` to measure")
	zone := flag.String("zone", "", "the zone as a `file`, such as bench/dataset makes")
	runs := flag.Int("runs", 3, "`times` that each is measured, in turns")
	servers := flag.String("servers", "ptrd,NSD,Knot", "what to measure")
	way := flag.String("way", "in", "`in` or out")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	measure := in
	switch *way {
	case "in":
	case "out":
		measure = out
	default:
		fmt.Fprintf(os.Stderr, "-way %q: must be in or out\n", *way)
		os.Exit(2)
	}
	if err := measure(ctx, *ptrd, *zone, *runs, strings.Split(*servers, ",")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// absolute returns the paths for processes that run elsewhere.
func absolute(ptrd, zone string) (string, string, error) {
	p, err := filepath.Abs(ptrd)
	if err != nil {
		return "", "", err
	}
	z, err := filepath.Abs(zone)
	return p, z, err
}

// in measures the servers as secondaries.
func in(ctx context.Context, ptrd, zone string, runs int, servers []string) error {
	ptrd, zone, err := absolute(ptrd, zone)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "transfer-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args, err := configurePrimary(dir, zone)
	if err != nil {
		return err
	}
	primary, err := start(dir, args)
	if err != nil {
		return err
	}
	defer primary.Stop()
	if err := await(ctx, primary, primaryPort); err != nil {
		return fmt.Errorf("the primary: %w", err)
	}
	fmt.Println("| server | seconds | CPU seconds | peak MB | PSS MB afterwards |\n| --- | ---: | ---: | ---: | ---: |")
	for range runs {
		for _, name := range servers {
			if err := oneIn(ctx, name, ptrd); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// oneIn measures one server once.
func oneIn(ctx context.Context, name, ptrd string) error {
	dir, err := os.MkdirTemp("", "transfer-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args, err := configure(name, ptrd, dir)
	if err != nil {
		return err
	}
	began := time.Now()
	p, err := start(dir, args)
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := await(ctx, p, port); err != nil {
		return err
	}
	took := time.Since(began)
	select { // what it still has to do, as writing the zone to disk
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
		return ctx.Err()
	}
	cpu, _ := p.Usage().Since(machine.Usage{})
	m := p.Memory()
	const mb = 1 << 20
	fmt.Printf("| %s | %.2f | %.2f | %d | %d |\n", name, took.Seconds(), cpu.Seconds(), m.Peak/mb, m.PSS/mb)
	return nil
}

func start(dir string, args []string) (*machine.Process, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = dir
	return machine.Start(cmd, filepath.Join(dir, "output"), 0, 1)
}

// await asks for the SOA until it is answered.
func await(ctx context.Context, p *machine.Process, port int) error {
	const patience, pause = 2 * time.Minute, 20 * time.Millisecond
	q := new(dns.Msg)
	q.SetQuestion(apex+".", dns.TypeSOA)
	c := dns.Client{Timeout: 200 * time.Millisecond}
	addr := net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if r, _, err := c.Exchange(q, addr); err == nil && r.Rcode == dns.RcodeSuccess && len(r.Answer) == 1 {
			return nil
		}
		if p.Ended() {
			return errors.New("it has ended")
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fmt.Errorf("no answer within %v", patience)
}
