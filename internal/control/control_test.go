package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// socketPath is short: a test's own directory may be too long for a socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ptrd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return Path(dir)
}

func options(path string) Options {
	return Options{
		Path: path,
		Log:  slog.New(slog.DiscardHandler),
		Verbs: map[string]Verb{
			"echo": func(_ context.Context, args url.Values, w io.Writer) error {
				return json.NewEncoder(w).Encode(args)
			},
			"refuse": func(context.Context, url.Values, io.Writer) error {
				return errors.New("zones/a.zone:3:1: no")
			},
			"half": func(_ context.Context, _ url.Values, w io.Writer) error {
				if _, err := io.WriteString(w, strings.Repeat("line\n", 10000)); err != nil {
					return err
				}
				return errors.New("the rest is missing")
			},
		},
	}
}

func serve(t *testing.T, o Options) (stop func()) {
	t.Helper()
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func TestCall(t *testing.T) {
	path := socketPath(t)
	stop := serve(t, options(path))

	var out strings.Builder
	if err := Call(t.Context(), path, "echo", url.Values{"zone": {"2.0.192.in-addr.arpa."}}, &out); err != nil {
		t.Fatal(err)
	}
	if want := `{"zone":["2.0.192.in-addr.arpa."]}` + "\n"; out.String() != want {
		t.Errorf("echo gave %q, want %q", out.String(), want)
	}
	out.Reset()
	long := strings.Repeat("a zone\n", maxQuery)
	if err := Call(t.Context(), path, "echo", url.Values{"page": {long, "b"}}, &out); err != nil {
		t.Fatal(err)
	}
	var echoed url.Values
	if err := json.Unmarshal([]byte(out.String()), &echoed); err != nil || len(echoed) != 1 || !slices.Equal(echoed["page"], []string{long, "b"}) {
		t.Errorf("echo gave %d octets for %d, %v", out.Len(), len(long), err)
	}
	for verb, want := range map[string]string{
		"refuse":  "zones/a.zone:3:1: no",
		"half":    "control request half: the answer is incomplete: unexpected EOF",
		"unknown": `this server does not know the request "unknown"; is it of another version than the command?`,
	} {
		if err := Call(t.Context(), path, verb, nil, io.Discard); err == nil || err.Error() != want {
			t.Errorf("%s gave the error %v, want %s", verb, err, want)
		}
	}

	stop()
	var down *NotRunningError
	if err := Call(t.Context(), path, "echo", nil, io.Discard); !errors.As(err, &down) {
		t.Errorf("after the end: %v, want a NotRunningError", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no file modes on Windows")
	}
	path := socketPath(t)
	serve(t, options(path))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if m := info.Mode(); m.Perm() != 0o600 || m.Type() != fs.ModeSocket {
		t.Errorf("mode %v, want a socket with 0600", m)
	}
}

func TestStaleSocket(t *testing.T) {
	path := socketPath(t)
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Listen(options(path)); err == nil {
		s.Close()
		t.Fatal("took the socket of a live server")
	} else if !strings.Contains(err.Error(), "another ptrd serves from this state_dir") {
		t.Errorf("error %q does not say that another server is there", err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close() // what kill -9 leaves behind
	var down *NotRunningError
	if err := Call(t.Context(), path, "echo", nil, io.Discard); !errors.As(err, &down) {
		t.Errorf("at a dead socket: %v, want a NotRunningError", err)
	}
	if err := Call(t.Context(), filepath.Join(path, "x"), "echo", nil, io.Discard); !errors.As(err, &down) || !strings.Contains(err.Error(), "/x: the state directory is a file, so") {
		t.Errorf("below a file: %v", err)
	}
	serve(t, options(path))
	if err := Call(t.Context(), path, "echo", nil, io.Discard); err != nil {
		t.Error(err)
	}
}

func TestLongPath(t *testing.T) {
	path := Path(filepath.Join("/", strings.Repeat("x", 200)))
	_, err := Listen(options(path))
	for _, err := range []error{err, Call(t.Context(), path, "echo", nil, io.Discard)} {
		if err == nil || !strings.Contains(err.Error(), "choose a shorter state_dir") {
			t.Errorf("error %v does not tell the remedy", err)
		}
	}
}

func TestIsAllowed(t *testing.T) {
	for _, tt := range []struct {
		peer, self uint32
		want       bool
	}{
		{0, 0, true}, {0, 999, true}, {999, 999, true}, {1000, 999, false}, {1000, 0, false},
	} {
		if got := isAllowed(tt.peer, tt.self); got != tt.want {
			t.Errorf("isAllowed(%d, %d) = %v", tt.peer, tt.self, got)
		}
	}
}

// Commands are answered however many connections are open and idle.
func TestHalfRequests(t *testing.T) {
	path := socketPath(t)
	defer serve(t, options(path))()
	for range 10 * MaxConns {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "POST /echo HTTP/1.1\r\nHost: p"); err != nil && !errors.Is(err, syscall.EPIPE) {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	if err := Call(t.Context(), path, "echo", url.Values{"a": {"b"}}, &b); err != nil || strings.TrimSpace(b.String()) != `{"a":["b"]}` {
		t.Errorf("%q, %v", &b, err)
	}
}

// What is in the socket's place and is none is kept, and does not keep the server from
// starting.
func TestNoSocket(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"file":      func(path string) error { return os.WriteFile(path, []byte("x"), 0o600) },
		"directory": func(path string) error { return os.MkdirAll(filepath.Join(path, "sub"), 0o700) },
	} {
		path := socketPath(t)
		if err := put(path); err != nil {
			t.Fatal(err)
		}
		stop := serve(t, options(path))
		stop()
		if list, _ := filepath.Glob(path + ".aside-*"); len(list) != 1 {
			t.Errorf("%s: not kept: %v", name, list)
		}
	}
}
