// Package control carries requests of the command line to a running server, over a Unix
// socket in the state directory.
//
// The protocol is HTTP/1.1: `POST /VERB?ARGUMENTS`, or with the arguments in the body if they
// are long. With status 200 the body is the
// answer, in a form that depends on the verb; with every other status it is an error
// message. The verbs are defined by package daemon.
//
// The user that the server runs as and root may connect: the socket has mode 0600, and
// on Linux the user of each peer is checked as well.
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

// MaxConns is the most connections at a time. A command uses one; a script that reloads
// for each of many zones may run several at once.
const MaxConns = 32

const (
	// maxQuery is up to how many octets arguments are in the URL, where servers of earlier
	// versions look for them.
	maxQuery = 4 << 10

	// maxArguments bounds arguments. The longest is a zone to import: a million record sets
	// have some 300 MB.
	maxArguments = 512 << 20
)

// Path returns the path of the socket in a state directory.
func Path(stateDir string) string { return filepath.Join(stateDir, socketName) }

// Verb answers one request; w is an [http.Flusher]. If it returns an error after it wrote something,
// the peer sees an incomplete answer. ctx ends when the peer closes the connection.
type Verb func(ctx context.Context, args url.Values, w io.Writer) error

// Server listens on the control socket.
type Server struct {
	ln    net.Listener
	conns *connlimit.Table
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

// Listen binds the control socket. It replaces a socket file that no process listens on;
// one that a process listens on is an error.
func Listen(o Options) (*Server, error) {
	ln, err := bind(o.Path)
	if err != nil {
		return nil, err
	}
	conns := connlimit.New(MaxConns)
	s := &Server{ln: guarded{ln}, conns: conns, verbs: o.Verbs, log: o.Log}
	s.http = &http.Server{
		Handler:           s,
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
			return nil, fmt.Errorf("control socket %s: in use: %w", path, err)
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

// clear removes a socket that no process listens on, and sets aside any other file.
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

// checkLength returns an error if a path does not fit into a socket address; the kernel
// would only report an invalid argument.
func checkLength(path string) error {
	limit := len(syscall.RawSockaddrUnix{}.Path) - 1
	if len(path) > limit {
		return fmt.Errorf("control socket %s: the path is %d octets long, at most %d are allowed; choose a shorter state_dir", path, len(path), limit)
	}
	return nil
}

// Serve answers until ctx is done, see [connlimit.Table.Serve]. A reload in progress
// completes.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.conns.Serve(ctx, s.http, s.ln); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// Close closes the socket of a Server that never served.
func (s *Server) Close() error { return s.ln.Close() }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	verb, ok := s.verbs[strings.TrimPrefix(r.URL.Path, "/")]
	switch {
	case !ok:
		http.Error(w, fmt.Sprintf("this server does not know the request %q; is it of another version than the command?", strings.TrimPrefix(r.URL.Path, "/")), http.StatusNotFound)
		return
	case r.Method != http.MethodPost:
		http.Error(w, "only POST is allowed", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxArguments)
	if err := r.ParseForm(); err != nil {
		http.Error(w, fmt.Sprintf("the arguments cannot be read: %v", err), http.StatusBadRequest)
		return
	}
	out := &counted{w: w}
	if err := verb(r.Context(), r.Form, out); err != nil {
		if out.n > 0 {
			s.log.Warn("a control request failed after part of its answer was sent", "verb", r.URL.Path, "err", err)
			panic(http.ErrAbortHandler) // so that the peer sees an incomplete answer
		}
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
	}
}

// counted counts the octets written.
type counted struct {
	w http.ResponseWriter
	n int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// Flush sends what was written so far.
func (c *counted) Flush() { _ = http.NewResponseController(c.w).Flush() } // the next write has the error

// guarded accepts only connections of users that may connect.
type guarded struct{ net.Listener }

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

// NotRunningError is returned if no server listens on the socket.
type NotRunningError struct {
	Path string
	Err  error
}

func (e *NotRunningError) Error() string {
	why := "there is no such file"
	switch {
	case errors.Is(e.Err, syscall.ENOTDIR):
		why = "the state directory is a file"
	case !errors.Is(e.Err, fs.ErrNotExist):
		why = "no process listens on it"
	}
	return fmt.Sprintf("control socket %s: %s, so ptrd does not run with this state_dir; start it with `ptrd serve`, or give the configuration that it runs with by --config, or its state directory by --state-dir", e.Path, why)
}

func (e *NotRunningError) Unwrap() error { return e.Err }

// Call sends one request to the server behind the socket at path and copies the
// answer to w. The error is a *NotRunningError if there is no server, or the server's
// message, or a failure of the connection.
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
	body := ""
	if len(u.RawQuery) > maxQuery {
		body, u.RawQuery = u.RawQuery, ""
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("control request %s: %w", verb, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ECONNREFUSED):
		return &NotRunningError{path, err}
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("control socket %s: permission denied; run this as the user that ptrd runs as, or as root", path)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("control socket %s: the server closed the connection without an answer; is it stopping, or does it run as another user?", path)
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
		return fmt.Errorf("control request %s: the answer is incomplete: %w", verb, err)
	}
	return nil
}
