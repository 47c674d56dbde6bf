// Package flood attacks a ptrd on a loopback address, asks it honestly meanwhile, and
// reports what the honest clients still got and what a victim got whose address was
// forged: floods over UDP with each of the defences and without, and hostile
// connections. `make bench-floods` writes the tables of docs/benchmarks.md.
//
//	main.go         flags, and each attack against each defence
//	scene.go        the zones and the configuration
//	flood.go        what the floods send, and from which addresses
//	spoof_linux.go  a socket that sends from any address of 127.0.0.0/8
//	hostile.go      what hostile connections do
//	honest.go       clients that ask as resolvers do
//	result.go       what came of it, kept from call to call
//	table.go        the tables
//
// Everything is bounded: the floods in rate and time, the connections in number, and
// 127.0.0.0/8 never leaves the host.
package flood

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/report"
)

const (
	maxRate     = 1_000_000
	maxSize     = 50_000 // connections
	maxDuration = time.Minute
)

// Run measures what the flags say; `go run ./bench/run floods -h` lists them.
func Run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "attack" {
		return runAttack(ctx, args[1:])
	}
	set := flag.NewFlagSet("floods", flag.ContinueOnError)
	program := set.String("ptrd", "./ptrd", "the server's `program`")
	rate := set.Int("rate", 400_000, "queries a second of a flood")
	duration := set.Duration("duration", time.Second, "for which honest clients ask under each attack")
	honest := set.Int("honest", 100, "queries a second of each honest client")
	which := set.String("floods", "", "`names` of some floods, with commas between them; all of them without, - for none")
	against := set.String("defences", "", "`names` of some defences, likewise")
	how := set.String("connections", "", "`names` of some uses of hostile connections, likewise")
	sizes := set.String("sizes", "1000,5000,18000", "`numbers` of hostile connections")
	runs := set.Int("runs", 1, "how often everything is measured, in turn")
	kept := set.String("results", "", "`file` that results are kept in; those of earlier calls count as well")
	document := set.String("o", "", "`file` whose part between the floods' markers is written; without, the tables go to standard output")
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
	case *duration < 100*time.Millisecond || *duration > maxDuration/2:
		return fmt.Errorf("a duration of %v, 100ms to %v are allowed", *duration, maxDuration/2)
	}
	attacks, err := plan(*which, *how, *sizes, *rate)
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
	results, err := report.OpenResults[result](*kept, false)
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
	for range *runs {
		for _, a := range attacks {
			for _, d := range a.against(defences) {
				r, err := scene.try(ctx, a, d, *honest, *duration)
				if err != nil {
					return fmt.Errorf("%s against %s: %w", a.name, d.name, err)
				}
				fmt.Fprintf(os.Stderr, "%s\n", r)
				if err := results.Add(*r); err != nil {
					return err
				}
			}
		}
	}
	text := describe(results.All, *honest, *duration)
	if *document == "" {
		fmt.Print(text)
		return nil
	}
	return report.Replace(*document, "floods", text)
}

// plannedAttack is an attack of a size.
type plannedAttack struct {
	name      string
	neighbour string        // a /24 that it comes from, or is in the name of
	size      int           // queries a second, or connections
	warm      time.Duration // until it has its size
	isTCP     bool
}

// plan returns the attacks of the flags.
func plan(which, how, sizes string, rate int) ([]plannedAttack, error) {
	var out []plannedAttack
	list, err := chosen(floods(), which, func(f flood) string { return f.name })
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		out = append(out, plannedAttack{name: f.name, neighbour: f.neighbour, size: rate})
	}
	ways, err := chosen(occupations(), how, func(o occupation) string { return o.name })
	if err != nil {
		return nil, err
	}
	for _, o := range ways {
		for _, text := range strings.Split(sizes, ",") {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 || n > maxSize {
				return nil, fmt.Errorf("%q connections, 1 to %d are allowed", text, maxSize)
			}
			warm := time.Duration(n)*time.Second/openRate + time.Second
			out = append(out, plannedAttack{name: o.name, neighbour: hostilePrefix, size: n, warm: warm, isTCP: true})
		}
	}
	return out, nil
}

// against returns the defences that have to do with the attack. Those against hostile
// connections are always there.
func (a *plannedAttack) against(all []defence) []defence {
	if a.isTCP {
		return []defence{{"always on", ""}}
	}
	return all
}

// chosen returns the items that a list of names has, or all.
func chosen[T any](all []T, list string, name func(T) string) ([]T, error) {
	switch list {
	case "":
		return all, nil
	case "-":
		return nil, nil
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

// elsewhere is a /24 that has nothing to do with any attack.
const elsewhere = "127.9.9.0"

// try starts a server with the defence, and attacks it while honest clients ask.
func (s *scene) try(ctx context.Context, a plannedAttack, d defence, honest int, length time.Duration) (*result, error) {
	server, err := s.start(ctx, d)
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	r := &result{Attack: a.name, Size: a.size, Defence: d.name, Seconds: length.Seconds(), Before: memory(server)}
	attack, err := launch(ctx, s, a.name, a.size, a.warm+length)
	if err != nil {
		return nil, err
	}
	if !pause(ctx, a.warm) {
		return nil, ctx.Err()
	}
	asking, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var clients []*honestClient
	for _, prefix := range []string{a.neighbour, elsewhere} {
		for kind := range honestKinds {
			clients = append(clients, ask(asking, s, kind, prefix, honest))
		}
	}
	<-asking.Done()
	r.After = memory(server) // while it lasts
	for _, c := range clients {
		r.Kept = append(r.Kept, c.wait())
		r.P50, r.P99 = append(r.P50, c.percentile(0.5)), append(r.P99, c.percentile(0.99))
	}
	r.Flow, err = attack()
	if err != nil {
		return nil, err
	}
	if server.Ended() {
		return nil, fmt.Errorf("the server has ended; its log is\n%s", s.log())
	}
	return r, ctx.Err()
}

// memory returns what the server takes, in octets.
func memory(p *machine.Process) uint64 { return p.Memory().PSS }
