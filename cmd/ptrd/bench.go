package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"github.com/ptrd/ptrd/internal/loadgen"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/spf13/cobra"
)

// benchFlags are the flags of bench: the options of the load generator, and those that need
// parsing first.
type benchFlags struct {
	loadgen.Options
	server          string
	queries         string
	zone, origin    string
	missing         float64
	prefix          string
	expect          string
	shuffle, asJSON bool
}

func newBench() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench --server ADDRESS[:PORT] (--queries FILE | --zone FILE --origin NAME | --prefix PREFIX)",
		Short: "Measure how many queries a DNS server answers, and how fast",
		Long: `bench sends queries to a server, as many as it answers or --rate a second, and reports
the number of answers by response code, and the times.

The queries are those in a file in the format of dnsperf (NAME TYPE a line), those for the
RRsets of a master file, or those for the PTR records of random addresses in a prefix. With
--rate, times are measured from when a query was due, so that a server that stalls for a
moment shows it. Without --rate, each answer lets the next query go, so that the times are
only the window divided by the throughput.

bench ends after --duration or after --count queries, whichever is first. SIGINT ends it with
the results so far. A server on another host needs --allow-remote, because load sent to the
wrong host is an attack.

Exit codes: 0 there were answers; 1 there were none, or some differ from --expect; 2 wrong
command line.`,
		Example: `  ptrd bench --server 127.0.0.1:5300 --prefix 203.0.113.0/24
  ptrd bench --server 127.0.0.1 --queries queries.txt --rate 20000 --duration 1m
  ptrd bench --server [::1]:5300 --tcp --zone zones/2.0.192.zone --origin 2.0.192.in-addr.arpa --missing 0.1`,
		Args:              exactly(0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.server, "server", "", "`ADDRESS[:PORT]` of the server; the default port is 53")
	fs.StringVar(&f.queries, "queries", "", "send the queries in `FILE`, in order, repeatedly; - is standard input")
	fs.StringVar(&f.zone, "zone", "", "query for the RRsets in the master `FILE`, in random order")
	fs.StringVar(&f.origin, "origin", "", "`NAME` of the zone, with --zone")
	fs.Float64Var(&f.missing, "missing", 0, "`PART` of the queries, 0 to 1, that are for names that do not exist in the zone, with --zone")
	fs.StringVar(&f.prefix, "prefix", "", "query for the PTR records of random addresses in the `PREFIX`")
	fs.BoolVar(&f.shuffle, "shuffle", false, "send the queries of --queries in random order")
	fs.BoolVar(&f.TCP, "tcp", false, "use TCP, with pipelining")
	fs.Uint64Var(&f.Rate, "rate", 0, "send `N` queries a second (default: as many as are answered)")
	fs.IntVar(&f.Window, "window", 0, fmt.Sprintf("have at most `N` queries in flight, over all sockets (default %d; with --rate, 32768)", loadgen.DefaultWindow))
	fs.IntVar(&f.Sockets, "sockets", loadgen.DefaultSockets, "use `N` sockets or connections")
	fs.IntVar(&f.Workers, "workers", 0, "send and receive with `N` threads (default: half of the processors)")
	fs.BoolVar(&f.Spin, "spin", false, "poll for answers without sleeping; each worker uses a whole processor")
	fs.DurationVar(&f.Duration, "duration", loadgen.DefaultDuration, "send queries for this time")
	fs.Uint64Var(&f.Count, "count", 0, "send at most `N` queries (default: no limit)")
	fs.DurationVar(&f.Timeout, "timeout", loadgen.DefaultTimeout, "wait for an answer for this time")
	fs.Uint16Var(&f.UDPSize, "edns", loadgen.DefaultUDPSize, "payload `SIZE` in EDNS; 0: send no OPT record")
	fs.BoolVar(&f.DO, "do", false, "request DNSSEC records (DO)")
	fs.BoolVar(&f.Cookie, "cookie", false, "use DNS cookies")
	fs.BoolVar(&f.RecursionDesired, "rd", false, "set RD, to query a resolver")
	fs.Uint64Var(&f.Seed, "seed", 1, "seed of everything that is random")
	fs.StringVar(&f.expect, "expect", "", "compare the answers for PTR with `FILE`: NAME TARGET|NXDOMAIN|NODATA a line")
	fs.BoolVar(&f.AllowRemote, "allow-remote", false, "allow a server on another host; be sure that its owner agrees")
	addJSON(cmd, &f.asJSON)
	for _, name := range []string{"server", "origin", "prefix"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions) // the flags exist
	}
	return cmd
}

func (f *benchFlags) run(cmd *cobra.Command) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	if err := f.read(cmd.InOrStdin()); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	line := progressLine(cmd.ErrOrStderr())
	if line != nil {
		f.Progress = func(p loadgen.Progress) { fmt.Fprintf(line, "\r\x1b[K%v", p) }
	}
	r, err := loadgen.Run(ctx, f.Options)
	if line != nil {
		fmt.Fprint(line, "\r\x1b[K")
	}
	if err != nil {
		return err
	}
	err = show(cmd, f.asJSON, r)
	if r.Answered == 0 {
		return fmt.Errorf("server %v answered none of %s; check that it listens there, and that its access lists allow this host", f.Server, spelling.Number(int(r.Sent), "message"))
	}
	return err
}

// check checks the flags that need no file.
func (f *benchFlags) check(cmd *cobra.Command) error {
	if f.server == "" {
		return usagef("bench needs a server; give --server ADDRESS[:PORT]")
	}
	var err error
	if f.Server, err = serverAddr("--server", f.server, portDNS); err != nil {
		return err
	}
	sources := 0
	for _, s := range []string{f.queries, f.zone, f.prefix} {
		if s != "" {
			sources++
		}
	}
	given := cmd.Flags().Changed
	switch {
	case sources != 1:
		return usagef("bench needs one source of queries, %d were given; give one of --queries, --zone and --prefix", sources)
	case f.zone != "" && f.origin == "":
		return usagef("--zone %s needs the name of the zone; give --origin NAME", f.zone)
	case f.zone == "" && (f.origin != "" || given("missing")):
		return usagef("--origin and --missing have no effect without --zone; remove them, or give --zone")
	case f.queries == "" && f.shuffle:
		return usagef("--shuffle has no effect without --queries, because other queries are in random order already; remove it")
	case !(f.missing >= 0 && f.missing <= 1):
		return usagef("--missing %v is not a part of the queries, must be 0 to 1", f.missing)
	}
	// For the generator, 0 means the default.
	for name, wrong := range map[string]bool{
		"window": f.Window == 0, "workers": f.Workers == 0, "sockets": f.Sockets == 0, "count": f.Count == 0,
		"rate": f.Rate == 0, "duration": f.Duration == 0, "timeout": f.Timeout == 0,
	} {
		if given(name) && wrong {
			return usagef("--%s 0 is too small; omit it for the default", name)
		}
	}
	if err := f.Options.Check(); err != nil {
		var remote *loadgen.RemoteError
		if errors.As(err, &remote) {
			return usagef("%v; if its owner agrees, give --allow-remote", err)
		}
		return usagef("%v", err)
	}
	return nil
}

// read reads the files.
func (f *benchFlags) read(stdin io.Reader) error {
	switch {
	case f.queries != "":
		q, err := readFrom(f.queries, stdin, loadgen.ReadQueries)
		if err != nil {
			return err
		}
		if f.shuffle {
			q.Shuffle(f.Seed)
		}
		f.Source = q
	case f.zone != "":
		origin, err := dname.Parse(f.origin)
		if err != nil {
			return usagef("--origin %q is not a name: %v", f.origin, err)
		}
		if f.Source, err = loadgen.ReadZone(f.zone, loadgen.ZoneOptions{Origin: origin, Missing: f.missing, Seed: f.Seed}); err != nil {
			return err
		}
	default:
		p, err := netip.ParsePrefix(f.prefix)
		if err != nil {
			return usagef("--prefix %q is not a prefix; write 203.0.113.0/24 or 2001:db8::/32", f.prefix)
		}
		if f.Source, err = loadgen.NewPrefix(p, f.Seed); err != nil {
			return usagef("--prefix: %v", err)
		}
	}
	if f.expect != "" {
		var err error
		f.Expect, err = readFrom(f.expect, stdin, loadgen.ReadExpectations)
		return err
	}
	return nil
}

// readFrom reads a file, or standard input for `-`.
func readFrom[T any](path string, stdin io.Reader, read func(string, io.Reader) (T, error)) (T, error) {
	if path == "-" {
		return read("standard input", stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		var none T
		return none, err
	}
	defer file.Close()
	return read(path, file)
}

// progressLine returns w if it is a terminal, which can show a line that changes, and otherwise
// nil.
func progressLine(w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return w
		}
	}
	return nil
}
