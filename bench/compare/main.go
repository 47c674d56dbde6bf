package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

type options struct {
	this, other string
	sets        string // directory of zone sets
	examples    string // directory with a certificate and its key
	seed        uint64
	requests    int
	upgrade     bool
	show        int
	keep        bool
	verbose     bool
}

func main() {
	var o options
	flag.StringVar(&o.this, "this", "./ptrd", "the `binary` to check")
	flag.StringVar(&o.other, "other", "", "the `binary` to compare it with")
	flag.StringVar(&o.sets, "sets", "internal/interop/testdata", "`directory` of zone sets")
	flag.StringVar(&o.examples, "examples", "examples", "`directory` of tls.pem and tls.key")
	flag.Uint64Var(&o.seed, "seed", 1, "makes the requests")
	flag.IntVar(&o.requests, "requests", 100000, "the least number of requests")
	flag.BoolVar(&o.upgrade, "upgrade", false, "both sides run the other binary until the restart in the middle")
	flag.IntVar(&o.show, "show", 10, "print so many differences in full")
	flag.BoolVar(&o.keep, "keep", false, "keep the directories of the servers")
	flag.BoolVar(&o.verbose, "v", false, "print what reloads with an error report")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	same, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !same {
		os.Exit(1)
	}
}

// run reports whether the two binaries sent the same.
func run(ctx context.Context, o options) (same bool, err error) {
	if runtime.GOOS != "linux" {
		return false, errors.New("requests come from several loopback addresses, which needs Linux")
	}
	if o.other == "" {
		return false, errors.New("-other names the binary to compare with")
	}
	for _, path := range []*string{&o.this, &o.other, &o.examples} {
		if *path, err = filepath.Abs(*path); err != nil {
			return false, err
		}
		if _, err := os.Stat(*path); err != nil {
			return false, err
		}
	}
	dir, err := os.MkdirTemp("", "ptrd-compare-")
	if err != nil {
		return false, err
	}
	if o.keep {
		fmt.Println("directories:", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	begin := time.Now()
	c, err := newComparison(ctx, o, dir)
	if err != nil {
		return false, err
	}
	defer c.stop()
	if err := c.play(); err != nil {
		return false, fmt.Errorf("%w\n%s", err, c.logs())
	}
	c.report(os.Stdout)
	fmt.Printf("seed %d, %s\n", o.seed, time.Since(begin).Round(time.Second))
	return c.differences == 0, nil
}
