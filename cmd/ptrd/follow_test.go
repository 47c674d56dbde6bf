package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/server/worker"
)

// `ptrd log --follow` shows a change when it is made, and ends with exit code 0 when it is interrupted.
func TestFollowLog(t *testing.T) {
	dir, err := os.MkdirTemp("", "ptrd") // short, for the path of the control socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	config := filepath.Join(dir, "config.yaml")
	write := func(target string) {
		t.Helper()
		text := fmt.Sprintf("listen: {dns: [\"127.0.0.1:0\"]}\nstate_dir: state\ndefaults: {nameservers: [ns1.example.com]}\nzones:\n  - {prefix: 192.0.2.0/24, ptr: {192.0.2.1: %s}}\n", target)
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.example.com")

	// start runs a command until its context ends, and returns its lines.
	start := func(ctx context.Context, args ...string) (out, errs *bufio.Reader, exit chan int) {
		exit = make(chan int, 1)
		outRead, outWrite := io.Pipe()
		errRead, errWrite := io.Pipe()
		go func() {
			code := run(ctx, append(args, "--config", config), outWrite, errWrite)
			outWrite.Close()
			errWrite.Close()
			exit <- code
		}()
		return bufio.NewReader(outRead), bufio.NewReader(errRead), exit
	}
	await := func(r *bufio.Reader, part string) {
		t.Helper()
		for {
			line, err := r.ReadString('\n')
			if strings.Contains(line, part) {
				return
			}
			if err != nil {
				t.Fatalf("no %q: %v", part, err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, log, served := start(ctx, "serve")
	await(log, "msg=serving")
	go io.Copy(io.Discard, log)
	followed, interrupt := context.WithCancel(ctx)
	out, errs, exit := start(followed, "log", "-f", "192.0.0.0/8")
	await(errs, "ptrd: showing changes; ctrl-C ends it")
	write("b.example.com")
	if code := run(ctx, []string{"reload", "--config", config}, io.Discard, io.Discard); code != 0 {
		t.Errorf("reload: exit code %d", code)
	}
	await(out, ", 1 removed, 1 added  (reload")
	interrupt()
	go io.Copy(io.Discard, out)
	go io.Copy(io.Discard, errs)
	if code := <-exit; code != 0 {
		t.Errorf("exit code %d", code)
	}
	cancel()
	<-served
}

// Queries that are not shown are counted in a line of their own.
func TestQueryText(t *testing.T) {
	q := worker.Query{Client: "192.0.2.1:53000", Transport: "udp", Verdict: "dropped", Missed: 3}
	if got, want := queryText(&q), "3 more queries are not shown\n00:00:00.000  192.0.2.1:53000 udp 0  no question  dropped\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
