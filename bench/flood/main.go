// Command flood floods a ptrd on a loopback address, asks it honestly meanwhile, and
// tells what the honest clients still got and what a victim got whose address was
// forged: with each of the defences and without. `make bench-floods` writes the table
// of docs/benchmarks.md.
//
//	main.go         flags, and each flood against each defence
//	scene.go        the zones and the configuration
//	flood.go        what the floods send, and from which addresses
//	spoof_linux.go  a socket that sends from any address of 127.0.0.0/8
//	honest.go       clients that ask as resolvers do
//	table.go        the result
//
// Everything is bounded: the floods in rate and time, and 127.0.0.0/8 never leaves the
// host.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/report"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "flood:", err)
		os.Exit(1)
	}
}

const (
	maxRate     = 1_000_000
	maxDuration = time.Minute
)

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "attack" {
		return runAttack(ctx, args[1:])
	}
	set := flag.NewFlagSet("flood", flag.ContinueOnError)
	program := set.String("ptrd", "./ptrd", "the server's `program`")
	rate := set.Int("rate", 400_000, "queries a second of a flood")
	duration := set.Duration("duration", time.Second, "of each flood")
	honest := set.Int("honest", 100, "queries a second of each honest client")
	which := set.String("floods", "", "`names` of some floods, with commas between them; all of them without")
	against := set.String("defences", "", "`names` of some defences, likewise")
	document := set.String("o", "", "`file` whose part between the floods' markers is written; without, the table goes to standard output")
	if err := set.Parse(args); err != nil {
		return err
	}
	switch {
	case set.NArg() > 0:
		return fmt.Errorf("%q: there are flags only", set.Arg(0))
	case *rate < 1 || *rate > maxRate:
		return fmt.Errorf("a rate of %d, 1 to %d are allowed", *rate, maxRate)
	case *honest < 1 || *honest > 1000:
		return fmt.Errorf("%d honest queries a second, 1 to 1000 are allowed", *honest)
	case *duration < 100*time.Millisecond || *duration > maxDuration:
		return fmt.Errorf("a duration of %v, 100ms to %v are allowed", *duration, maxDuration)
	}
	floods, err := chosen(floods(), *which, func(f flood) string { return f.name })
	if err != nil {
		return err
	}
	defences, err := chosen(defences(), *against, func(d defence) string { return d.name })
	if err != nil {
		return err
	}
	path, err := filepath.Abs(*program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ptrd-flood-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	scene, err := newScene(dir, path)
	if err != nil {
		return err
	}
	// The server has processor 0 for itself, if there is another one for the rest.
	if twoProcessors() {
		if err := machine.Pin(1); err != nil {
			return err
		}
	}
	var results []result
	for _, f := range floods {
		for _, d := range defences {
			r, err := scene.try(ctx, f, d, trial{rate: *rate, honest: *honest, duration: *duration})
			if err != nil {
				return fmt.Errorf("%s against %s: %w", f.name, d.name, err)
			}
			fmt.Fprintf(os.Stderr, "%s\n", r)
			results = append(results, *r)
		}
	}
	text := describe(results, *rate, *honest, *duration)
	if *document == "" {
		fmt.Print(text)
		return nil
	}
	return report.Replace(*document, "floods", text)
}

// chosen returns the items that a list of names has, or all.
func chosen[T any](all []T, list string, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	var out []T
	for _, want := range strings.Split(list, ",") {
		i := slices.IndexFunc(all, func(t T) bool { return name(t) == want })
		if i < 0 {
			names := make([]string, len(all))
			for i, t := range all {
				names[i] = name(t)
			}
			return nil, fmt.Errorf("%q is not one of %s", want, strings.Join(names, ", "))
		}
		out = append(out, all[i])
	}
	return out, nil
}

// trial is what all floods have in common.
type trial struct {
	rate, honest int // a second
	duration     time.Duration
}

// try starts a server with the defence, and floods it while honest clients ask.
func (s *scene) try(ctx context.Context, f flood, d defence, t trial) (*result, error) {
	server, err := s.start(ctx, d)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	r := &result{flood: f.name, defence: d.name, before: memory(server)}

	flooding, cancel := context.WithTimeout(ctx, t.duration)
	defer cancel()
	attack, err := launch(ctx, s, f, t)
	if err != nil {
		return nil, err
	}
	var clients []*honestClient
	for _, prefix := range []string{f.neighbour, "127.9.9.0"} {
		for _, kind := range []honestKind{plainClient, cookieClient, tcpClient} {
			clients = append(clients, ask(flooding, s, kind, prefix, t.honest))
		}
	}
	for _, c := range clients {
		r.kept = append(r.kept, c.wait())
	}
	r.flow, err = attack()
	if err != nil {
		return nil, err
	}
	if server.Ended() {
		return nil, fmt.Errorf("the server has ended; its log is\n%s", s.log())
	}
	r.after = memory(server)
	return r, ctx.Err()
}

// memory returns what the server takes, in octets.
func memory(p *machine.Process) uint64 { return p.Memory().PSS }
