package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/bench/report"
	"github.com/ptrd/ptrd/internal/peertest"
)

// What metrics and the query log do between a batch of requests and its responses.
// They are counted by leaving them out: the same benchmark is built once more with
// these functions empty.
var (
	metricsFunctions = []string{"Responder.count", "Responder.countPlain", "Responder.Publish", "Histogram.Observe", "Tally.AddTo"}
	logFunctions     = []string{"Sampler.Begin", "Sampler.plan", "Sampler.Take", "Sampler.Send"}
)

// instructionsBudget is the part of an answer's instructions that metrics and the
// query log together may take.
const instructionsBudget = 0.02

// The numbers of batches of the two runs whose difference is counted: what comes before and
// after the batches is the same in both.
const (
	fewBatches  = 500
	manyBatches = 4500
)

// instructions counts what an answer costs from the batch received to the batch
// sent, with and without metrics and query log.
func instructions(ctx context.Context, args []string) error {
	set := flag.NewFlagSet("instructions", flag.ContinueOnError)
	doc := set.String("doc", "docs/benchmarks.md", "the `file` whose part is written; empty: none")
	_ = set.Bool("quick", false, "as without: it is quick")
	if err := set.Parse(args); err != nil {
		return err
	}
	valgrind, ok := peertest.Find("valgrind")
	if !ok {
		fmt.Fprintln(os.Stderr, "# skipped: valgrind is not installed; Debian package valgrind")
		return nil
	}
	dir, err := os.MkdirTemp("", "ptrd-instructions")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	c := counter{ctx: ctx, dir: dir, valgrind: valgrind}
	bare, err := c.perAnswer("bare", "PTR$", append(metricsFunctions, logFunctions...))
	if err != nil {
		return err
	}
	quiet, err := c.perAnswer("metrics", "PTR$", logFunctions)
	if err != nil {
		return err
	}
	whole, err := c.perAnswer("whole", "PTR$", nil)
	if err != nil {
		return err
	}
	logged, err := c.perAnswer("whole", "PTR-log-1000$", nil)
	if err != nil {
		return err
	}
	made, err := c.perAnswer("whole", "PTR-made$", nil)
	if err != nil {
		return err
	}
	amongMany, err := c.perAnswer("whole", "PTR-made-10000$", nil)
	if err != nil {
		return err
	}
	t := report.Table{Head: []string{"an answer, from a received batch of 32 to the batch to be sent", "instructions", "of an answer"}}
	part := func(n float64) string { return fmt.Sprintf("%.2f %%", 100*n/bare) }
	t.Add("without metrics and query log", fmt.Sprintf("%.1f", bare), "")
	t.Add("metrics", fmt.Sprintf("%+.1f", quiet-bare), part(quiet-bare))
	t.Add("query log, off", fmt.Sprintf("%+.1f", whole-quiet), part(whole-quiet))
	t.Add("query log, one query in 1,000, written to nowhere", fmt.Sprintf("%+.1f", logged-quiet), part(logged-quiet))
	t.Add("the name made by a rule for the range, and not stored", fmt.Sprintf("%+.1f", made-whole), part(made-whole))
	t.Add("the name made by one of 10,000 rules", fmt.Sprintf("%+.1f", amongMany-whole), part(amongMany-whole))
	fmt.Println(&t)
	if *doc != "" {
		if err := report.Replace(*doc, "instructions", t.String()); err != nil {
			return err
		}
	}
	if over := (logged - bare) / bare; over > instructionsBudget {
		return fmt.Errorf("metrics and query log take %.2f %% of the instructions of an answer, %.0f %% are allowed", 100*over, 100*instructionsBudget)
	}
	return nil
}

// counter counts instructions of the benchmark of a batch.
type counter struct {
	ctx           context.Context
	dir, valgrind string
}

// callgrindTries is how often a run is made that fails: callgrind 3.19 now and then stumbles
// over a signal of the Go runtime.
const callgrindTries = 4

// batchOf is how many answers a batch of the benchmark has.
const batchOf = 32

// perAnswer builds the benchmark with some functions empty, runs it, and returns the
// instructions of one answer.
func (c *counter) perAnswer(name, bench string, empty []string) (float64, error) {
	binary := filepath.Join(c.dir, name+".test")
	overlay, err := emptied("server", filepath.Join(c.dir, name), empty)
	if err != nil {
		return 0, err
	}
	build := exec.CommandContext(c.ctx, "go", "test", "-c", "-overlay", overlay, "-o", binary, "./server/udp")
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%v: %w\n%s", build, err, out)
	}
	var counts [2]int64
	for i, batches := range []int{fewBatches, manyBatches} {
		for range callgrindTries {
			if counts[i], err = c.run(binary, bench, batches); err == nil {
				break
			}
		}
		if err != nil {
			return 0, err
		}
	}
	return float64(counts[1]-counts[0]) / (manyBatches - fewBatches) / batchOf, nil
}

// run counts the instructions of one run.
func (c *counter) run(binary, bench string, batches int) (int64, error) {
	cmd := exec.CommandContext(c.ctx, c.valgrind, "--tool=callgrind", "--callgrind-out-file="+filepath.Join(c.dir, "out"),
		binary, "-test.run=^$", "-test.bench=^BenchmarkBatch$/^"+bench, fmt.Sprintf("-test.benchtime=%dx", batches))
	// One thread, no collector, and no signals, which are all that is not the same each time.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.CombinedOutput()
	if err == nil && !strings.Contains(string(out), "BenchmarkBatch/") {
		err = errors.New("BenchmarkBatch of package server/udp did not run")
	}
	if err != nil {
		return 0, fmt.Errorf("%v: %w\n%s", cmd, err, out)
	}
	_, rest, ok := strings.Cut(string(out), "Collected : ")
	first := strings.Fields(rest)
	if !ok || len(first) == 0 {
		return 0, fmt.Errorf("the output of callgrind has no number of instructions:\n%s", out)
	}
	return strconv.ParseInt(first[0], 10, 64)
}

// emptied writes copies of the files of a package and those below it in which the given functions, as
// `Type.Name`, do nothing, and returns the file that `go build -overlay` takes.
func emptied(pkg, dir string, functions []string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var files []string
	for _, pattern := range []string{"*.go", "*/*.go"} {
		some, err := filepath.Glob(filepath.Join(pkg, pattern))
		if err != nil {
			return "", err
		}
		files = append(files, some...)
	}
	left := map[string]bool{}
	for _, f := range functions {
		left[f] = true
	}
	replace := map[string]string{}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		changed, found, err := empty(file, src, left)
		if err != nil {
			return "", err
		}
		if len(found) == 0 {
			continue
		}
		for _, f := range found {
			delete(left, f)
		}
		path, err := filepath.Abs(file)
		if err != nil {
			return "", err
		}
		replace[path] = filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(replace[path], changed, 0o644); err != nil {
			return "", err
		}
	}
	for f := range left {
		return "", fmt.Errorf("package %s has no function %s any more; what metrics and query log consist of is listed in bench/run/instructions.go", pkg, f)
	}
	path := filepath.Join(dir, "overlay.json")
	out, err := os.Create(path)
	if err != nil {
		return "", err
	}
	err = json.NewEncoder(io.Writer(out)).Encode(map[string]any{"Replace": replace})
	return path, errors.Join(err, out.Close())
}
