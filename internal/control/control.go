// Package control carries questions and orders between the command line and a
// running server, over a Unix socket in the state directory.
//
// The protocol is HTTP/1.1: `POST /VERB?ARGUMENTS`. 200 brings the answer, whose
// form is the verb's own; every other code brings a text that says what was
// wrong. What verbs there are is the server's affair; this package knows none.
//
// Who may connect: the user that the server runs as, and root. The socket has
// mode 0600, and on Linux the kernel is asked for each peer's user as well.
package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ptrd/ptrd/internal/connlimit"
	"github.com/ptrd/ptrd/zone/disk"
)

// socketName is the socket's name in the state directory.
const socketName = "control.sock"

// MaxConns is how many connections there are at a time. A command has one; a script
// that reloads for each of many zones may run some at once.
const MaxConns = 32

// Path returns the path of the socket in a state directory.
func Path(stateDir string) string { return filepath.Join(stateDir, socketName) }

// Verb answers one request. What it has written before it returns an error is
// sent all the same, and the peer is told that it is not whole. ctx ends when
// the peer goes away.
type Verb func(ctx context.Context, args url.Values, w io.Writer) error

// Server listens on the control socket.
type Server struct {
	ln    net.Listener
	http  *http.Server
	verbs map[string]Verb
	log   *slog.Logger
}

// Options are what a Server needs.
type Options struct {
	Path  string // of the socket
	Verbs map[string]Verb
	Log   *slog.Logger
}

// Listen binds the control socket. A socket file that nobody listens on any more
// is replaced; one that somebody listens on is an error.
func Listen(o Options) (*Server, error) {
	ln, err := bind(o.Path)
	if err != nil {
		return nil, err
	}
	conns := connlimit.New(MaxConns)
	s := &Server{ln: conns.Listener(guard(ln)), verbs: o.Verbs, log: o.Log}
	s.http = &http.Server{
		Handler:           conns.Handler(s),
		ConnContext:       conns.ConnContext,
		ReadHeaderTimeout: 5 * time.Second, // requests are a line long and come from this machine
		IdleTimeout:       5 * time.Second, // a command has one request
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return s, nil
}

func bind(path string) (net.Listener, error) {
	if err := checkLength(path); err != nil {
		return nil, err
	}
	lc := net.ListenConfig{Control: private}
	ln, err := lc.Listen(context.Background(), "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, fmt.Errorf("control socket %s: another ptrd serves from this state_dir; stop it or give this one a state_dir of its own", path)
		} else if !errors.Is(err, syscall.ECONNREFUSED) {
			return nil, fmt.Errorf("control socket %s: somebody has it: %w", path, err)
		}
		if err := clear(path); err != nil {
			return nil, fmt.Errorf("control socket %s: removing what a dead server left: %w", path, err)
		}
		ln, err = lc.Listen(context.Background(), "unix", path)
	}
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		ln.Close()
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	return ln, nil
}

// clear removes a socket that nobody listens on, and sets aside anything else.
func clear(path string) error {
	fi, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if fi.Mode().Type() == fs.ModeSocket {
		return os.Remove(path)
	}
	_, err = disk.SetAside(disk.OS{}, path)
	return err
}

// checkLength refuses a path that does not fit into a socket address, which
// the kernel would only call an invalid argument.
func checkLength(path string) error {
	limit := len(syscall.RawSockaddrUnix{}.Path) - 1
	if len(path) > limit {
		return fmt.Errorf("control socket %s: the path is %d octets long, at most %d are allowed; choose a shorter state_dir", path, len(path), limit)
	}
	return nil
}

// Serve answers until ctx is done, then waits for the requests in work for at
// most a second.
func (s *Server) Serve(ctx context.Context) error {
	// Requests end with their peer, not with ctx: a reload in work gets to its end.
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if s.http.Shutdown(bound) != nil {
			s.http.Close()
		}
	})
	err := s.http.Serve(s.ln)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("control socket: %w", err)
}

// Close gives the socket up without having served.
func (s *Server) Close() error { return s.ln.Close() }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	verb, ok := s.verbs[strings.TrimPrefix(r.URL.Path, "/")]
	switch {
	case !ok:
		http.Error(w, fmt.Sprintf("this server does not know the request %q; is it of another version than the command?", strings.TrimPrefix(r.URL.Path, "/")), http.StatusNotFound)
		return
	case r.Method != http.MethodPost:
		http.Error(w, "only POST is taken here", http.StatusMethodNotAllowed)
		return
	}
	out := &counted{w: w}
	if err := verb(r.Context(), r.URL.Query(), out); err != nil {
		if out.n > 0 {
			s.log.Warn("control request broken off", "verb", r.URL.Path, "err", err)
			panic(http.ErrAbortHandler) // the peer sees an answer without its end
		}
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	}
}

// counted counts the octets written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// guarded hands out only connections of users that may connect.
type guarded struct{ net.Listener }

func guard(ln net.Listener) net.Listener { return guarded{ln} }

func (g guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if mayConnect(c) {
			return c, nil
		}
		c.Close()
	}
}

// NotRunningError says that no server listens on the socket.
type NotRunningError struct {
	Path string
	Err  error
}

func (e *NotRunningError) Error() string {
	why := "there is no such file"
	if !errors.Is(e.Err, fs.ErrNotExist) {
		why = "nobody listens there"
	}
	return fmt.Sprintf("control socket %s: %s, so ptrd does not run with this state_dir; start it with `ptrd serve`, or name the config it runs with by --config", e.Path, why)
}

func (e *NotRunningError) Unwrap() error { return e.Err }

// Call sends one request to the server behind the socket at path and copies the
// answer to w. The error is a *NotRunningError where there is no server, and
// else the text that the server gave or what went wrong on the way.
func Call(ctx context.Context, path, verb string, args url.Values, w io.Writer) error {
	if err := checkLength(path); err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
		DisableKeepAlives: true,
	}}
	u := url.URL{Scheme: "http", Host: "ptrd", Path: "/" + verb, RawQuery: args.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), http.NoBody)
	if err != nil {
		return fmt.Errorf("control request %s: %w", verb, err)
	}
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return &NotRunningError{path, err}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control socket %s: permission denied; run this as the user that ptrd runs as, or as root", path)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("control socket %s: the server hung up without an answer; is it stopping, or does it run as another user?", path)
	case err != nil:
		return fmt.Errorf("control socket %s: %w", path, errors.Unwrap(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return fmt.Errorf("control socket %s: %w", path, err)
		}
		return errors.New(strings.TrimSpace(string(text)))
	}
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("control request %s: the answer is not whole: %w", verb, err)
	}
	return nil
}
