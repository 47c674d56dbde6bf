// Command transferin measures how long secondaries take to get a large zone by AXFR: it
// starts an NSD that has the zone, and ptrd, NSD and Knot DNS one after the other as
// its secondaries with nothing kept, each until it answers for the zone.
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
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, *ptrd, *zone, *runs, strings.Split(*servers, ",")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, ptrd, zone string, runs int, servers []string) error {
	zone, err := filepath.Abs(zone)
	if err != nil {
		return err
	}
	if ptrd, err = filepath.Abs(ptrd); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "transferin-")
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
			if err := one(ctx, name, ptrd); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// one measures one server once.
func one(ctx context.Context, name, ptrd string) error {
	dir, err := os.MkdirTemp("", "transferin-")
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
