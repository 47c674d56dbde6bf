// Package admin serves HTTP on the admin address: metrics, health, status, and profiles
// if they are configured. It only reads; state is changed over the control socket.
//
//	/metrics        Prometheus text, see docs/metrics.md
//	/healthz        200 as long as the process answers
//	/readyz         200 if clients should be sent here, see docs/daily-work.md; else 503 and why
//	/status         JSON, what `ptrd status --json` prints
//	/debug/pprof/   profiles, only with `listen.pprof: true`
//
// There is no password. To prevent a web page from reading it through the browser of a
// user (DNS rebinding), requests are refused unless they name the server by an address,
// localhost, the host's own name or one of `listen.admin_hosts`.
package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/connlimit"
)

// Timeouts of a client. An answer of /metrics with a thousand zones takes milliseconds; a
// slower client only holds a connection.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute // scrapes come every 15 to 60 s and may keep their connection
)

// MaxConns is the most connections at a time. A few scrapers and probes need one each.
const MaxConns = 64

// maxProfile bounds how long a profile may take: it holds a connection.
const maxProfile = 5 * time.Minute

// Options are what a Server shows.
type Options struct {
	Metrics http.Handler
	Ready   func() (ready bool, why string) // why: what is missing
	Status  func() any                      // printed as JSON
	Pprof   func() bool                     // whether profiles are configured at the moment
	Hosts   func() []string                 // names of the server that requests may have, in lower case, without a final dot
	Log     *slog.Logger
}

// Server serves admin addresses.
type Server struct {
	o     Options
	mux   *http.ServeMux
	conns *connlimit.Table
}

// New returns a Server.
func New(o Options) *Server {
	s := &Server{o: o, mux: http.NewServeMux(), conns: connlimit.New(MaxConns)}
	s.mux.HandleFunc("/{$}", s.index)
	s.mux.Handle("/metrics", o.Metrics)
	s.mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	s.mux.HandleFunc("/readyz", s.ready)
	s.mux.HandleFunc("/status", s.status)
	s.mux.HandleFunc("/debug/pprof/", s.profile)
	return s
}

// ServeHTTP answers one request. Only GET and HEAD are allowed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if !s.isOurs(r.Host) {
		s.o.Log.Warn("request to the admin address refused: its host name is not known; if it is one of this server, add it to listen.admin_hosts", "host", r.Host, "client", r.RemoteAddr)
		text(w, http.StatusMisdirectedRequest, fmt.Sprintf("%q is no name of this server; use its address, or add the name to `listen.admin_hosts`", r.Host))
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		text(w, http.StatusMethodNotAllowed, "the admin address only reads; state is changed by `ptrd reload` and the other commands")
		return
	}
	s.mux.ServeHTTP(w, r)
}

// isOurs reports whether a Host header names this server. Any address does: a web page
// cannot claim an address that its author does not have. Clients older than HTTP/1.1
// send no header; browsers do.
func (s *Server) isOurs(host string) bool {
	if host == "" {
		return true
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return host == "localhost" || slices.Contains(s.o.Hosts(), host)
}

func text(w http.ResponseWriter, code int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintln(w, s)
}

func (s *Server) index(w http.ResponseWriter, _ *http.Request) {
	paths := []string{"/metrics", "/healthz", "/readyz", "/status"}
	if s.o.Pprof() {
		paths = append(paths, "/debug/pprof/")
	}
	text(w, http.StatusOK, strings.Join(paths, "\n"))
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if ok, why := s.o.Ready(); !ok {
		text(w, http.StatusServiceUnavailable, why)
		return
	}
	text(w, http.StatusOK, "ok")
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s.o.Status()); err != nil {
		s.o.Log.Debug("status not delivered", "err", err)
	}
}

func (s *Server) profile(w http.ResponseWriter, r *http.Request) {
	if !s.o.Pprof() {
		text(w, http.StatusNotFound, "profiles are off; `listen.pprof: true` turns them on")
		return
	}
	if v := r.FormValue("seconds"); v != "" {
		if n, err := strconv.ParseFloat(v, 64); err != nil || !(n > 0 && n <= maxProfile.Seconds()) {
			text(w, http.StatusBadRequest, fmt.Sprintf("seconds=%.20s: must be a number above 0, at most %.0f", v, maxProfile.Seconds()))
			return
		}
	}
	// The deadline for reading the request would end a long profile; package pprof extends
	// the deadline for writing the answer.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		s.o.Log.Debug("profile under the usual deadline", "err", err)
	}
	switch r.URL.Path {
	case "/debug/pprof/cmdline":
		pprof.Cmdline(w, r)
	case "/debug/pprof/profile":
		pprof.Profile(w, r)
	case "/debug/pprof/symbol":
		pprof.Symbol(w, r)
	case "/debug/pprof/trace":
		pprof.Trace(w, r)
	default:
		pprof.Index(w, r)
	}
}

// Serve answers on ln until ctx is done. It may run for several listeners at the same
// time, as while the admin address changes; they share the limit of connections.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	err := s.conns.Serve(ctx, &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}, ln)
	if err != nil {
		return fmt.Errorf("admin address %v: %w", ln.Addr(), err)
	}
	return nil
}
