package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"
)

// stateDir returns the state directory of the configuration. It works with a configuration
// that has errors too, because the server may still run.
func (g *globals) stateDir() (string, error) {
	if g.state != "" {
		return g.state, nil
	}
	path, err := g.path()
	if err != nil {
		return "", fmt.Errorf("%w, or --state-dir with the state directory of the running server", err)
	}
	data, err := config.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%w; give --state-dir with the state directory of the running server", err)
	}
	// The rest of a large configuration takes a second to read.
	if m := topStateDir.FindSubmatch(data); m != nil {
		if dir, err := stateDirOf(path, string(slices.Concat(m[1:]...))); err == nil {
			return dir, nil
		}
	}
	cfg, err := config.ParseFile(path)
	if err == nil {
		return cfg.StateDir, nil
	}
	if dir, parseErr := stateDirOf(path, stateDirIn(data)); parseErr == nil {
		return dir, nil
	}
	return "", err
}

// stateDirOf returns the state directory of a configuration that has this one; empty: none.
func stateDirOf(path, dir string) (string, error) {
	text := "{zones: []}"
	if dir != "" {
		text = fmt.Sprintf("{state_dir: %q, zones: []}", dir)
	}
	cfg, err := config.Parse(path, []byte(text))
	if err != nil {
		return "", err
	}
	return cfg.StateDir, nil
}

// topStateDir is the key where it begins a line: then nothing else is around it.
var topStateDir = regexp.MustCompile(`(?m)^state_dir:[ \t]+(?:"([^"\\\n]*)"|'([^'\n]*)'|([^\s#"'&*!|>%@{\[][^#\n]*?))[ \t]*(?:#.*)?$`)

var stateDirLine = regexp.MustCompile(`(?m)^\s*["']?state_dir["']?\s*:\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s#"'][^#\n]*?))\s*(?:#.*)?$`)

// stateDirIn returns the state directory in the text of a configuration, even if that is not
// YAML; empty: none.
func stateDirIn(data []byte) string {
	var only struct {
		StateDir string `yaml:"state_dir"`
	}
	if yaml.Unmarshal(data, &only) == nil {
		return only.StateDir
	}
	if m := stateDirLine.FindSubmatch(data); m != nil {
		return string(slices.Concat(m[1], m[2], m[3]))
	}
	return ""
}

// send sends a request to the running server and writes the response to w.
func (g *globals) send(cmd *cobra.Command, verb string, args url.Values, w io.Writer) error {
	dir, err := g.stateDir()
	if err != nil {
		return err
	}
	return control.Call(cmd.Context(), control.Path(dir), verb, args, w)
}

// call sends a request to the running server and decodes the response into to.
func (g *globals) call(cmd *cobra.Command, verb string, args url.Values, to any) error {
	var buf bytes.Buffer
	if err := g.send(cmd, verb, args, &buf); err != nil {
		return err
	}
	if err := json.Unmarshal(buf.Bytes(), to); err != nil {
		return fmt.Errorf("the response of the server is not readable: %w; use the `ptrd` command of the version that runs", err)
	}
	return nil
}

// ask sends a request to the running server and prints the response.
func (g *globals) ask(cmd *cobra.Command, verb string, args url.Values, to printer) error {
	if err := g.call(cmd, verb, args, to); err != nil {
		return err
	}
	return g.show(cmd, to)
}

// follow sends a request whose answer goes on: lines of JSON, after an empty one when it has begun. It prints each,
// as text returns it, until ctrl-C or the server ends it.
func follow[T any](g *globals, cmd *cobra.Command, verb string, args url.Values, begun string, text func(*T) string) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cmd.SetContext(ctx)
	lines := &lineWriter{line: func(line []byte) error {
		if len(line) == 0 {
			remark(cmd, "%s; ctrl-C ends it", begun)
			return nil
		}
		if !g.json {
			var v T
			if err := json.Unmarshal(line, &v); err != nil {
				return fmt.Errorf("the response of the server is not readable: %w", err)
			}
			line = []byte(text(&v))
		} else {
			line = append(line, '\n')
		}
		_, err := cmd.OutOrStdout().Write(line)
		return err
	}}
	err := g.send(cmd, verb, args, lines)
	switch {
	case errors.Is(err, context.Canceled):
		return nil
	case err == nil:
		remark(cmd, "the server has ended it")
	}
	return err
}

// lineWriter calls line with each line that is written to it, without its end.
type lineWriter struct {
	line func([]byte) error
	rest []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		if err := w.line(slices.Clone(line)); err != nil {
			return 0, err
		}
		w.rest = rest
	}
}
