// Command update sends UPDATE messages of one PTR each to a server on a loopback
// address that has a zone of a million PTRs, as fast as it acknowledges them, and asks
// it for PTRs meanwhile. It tells how many updates a second were acknowledged, how
// long they and the answers took, and what the server used.
//
//	main.go     flags, and one server after the other
//	servers.go  how ptrd, BIND and Knot are configured for it
//	load.go     updates in a closed loop, queries in an open one
//
// Every server takes updates from loopback addresses only and keeps them in its own
// journal, with its own ways to the disk.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "update:", err)
		os.Exit(1)
	}
}

// The processors that the server and the load have.
const serverCPU, loadCPU = 0, 1

const maxDuration = time.Minute

func run(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("update", flag.ContinueOnError)
	ptrd := set.String("ptrd", "./ptrd", "the `program`")
	names := set.Int("names", 1_000_000, "PTRs that the zone begins with")
	which := set.String("servers", "ptrd,ptrd-file,BIND,Knot", "`list` of servers")
	o := options{}
	set.IntVar(&o.inFlight, "in-flight", 128, "updates that wait for their answer at a time")
	set.IntVar(&o.queries, "queries", 5000, "queries a second meanwhile")
	set.DurationVar(&o.duration, "duration", 10*time.Second, "of the load")
	if err := set.Parse(args); err != nil {
		return err
	}
	switch {
	case o.duration <= 0 || o.duration > maxDuration:
		return fmt.Errorf("-duration %v: allowed is up to %v", o.duration, maxDuration)
	case o.inFlight < 1 || o.inFlight > maxInFlight:
		return fmt.Errorf("-in-flight %d: allowed are 1 to %d", o.inFlight, maxInFlight)
	case *names < 1 || *names > 1<<23:
		return fmt.Errorf("-names %d: allowed are 1 to %d", *names, 1<<23)
	}
	o.names = *names
	program, err := filepath.Abs(*ptrd)
	if err != nil {
		return err
	}
	if err := machine.Pin(loadCPU); err != nil {
		return err
	}
	fmt.Println("server      updates/s   p50 ms   p99 ms  CPU µs/update  wrong  lost |  queries/s   p50 ms   p99 ms  lost")
	for _, name := range strings.Split(*which, ",") {
		if err := measure(ctx, name, program, o); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// measure starts one server, loads it and prints a line.
func measure(ctx context.Context, name, ptrd string, o options) error {
	dir, err := os.MkdirTemp("", "update-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := writeZone(filepath.Join(dir, "zone"), o.names); err != nil {
		return err
	}
	command, err := configure(name, ptrd, dir)
	if err != nil {
		return err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	p, err := machine.Start(cmd, filepath.Join(dir, "log"), serverCPU)
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := await(ctx, p); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		return fmt.Errorf("%w\n%s", err, log)
	}
	before := p.Usage()
	r, err := load(ctx, o)
	if err != nil {
		return err
	}
	used, _ := p.Usage().Since(before)
	fmt.Printf("%-10s %10.0f %8.2f %8.2f %14.1f %6d %5d | %10.0f %8.2f %8.2f %5d\n", name,
		float64(r.updates.count())/o.duration.Seconds(), r.updates.at(0.5), r.updates.at(0.99), float64(used.Microseconds())/float64(max(r.updates.count(), 1)), r.wrong, r.lost,
		float64(r.queries.count())/o.duration.Seconds(), r.queries.at(0.5), r.queries.at(0.99), r.unanswered)
	return nil
}
