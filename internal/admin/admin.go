// Package admin answers HTTP on the admin address: metrics, health, status, and
// profiles where they are configured. It only reads; state is changed over the
// control socket.
//
//	/metrics        Prometheus text, see docs/metrics.md
//	/healthz        200 as long as the process answers
//	/readyz         200 once every configured zone was loaded or reported as broken
//	/status         JSON, what `ptrd status --json` prints
//	/debug/pprof/   profiles, only with `listen.pprof: true`
package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"time"
)

// The times that a client has. An answer of /metrics with a thousand zones takes
// milliseconds; whoever is slower than this only holds a connection.
const (
	readTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute // scrapes come every 15 to 60 s and may keep their connection
)

// Options are what a Server shows.
type Options struct {
	Metrics http.Handler
	Ready   func() (ready bool, why string) // why tells what is awaited
	Status  func() any                      // printed as JSON
	Pprof   func() bool                     // whether profiles are configured at the moment
	Log     *slog.Logger
}

// Server answers on admin addresses.
type Server struct {
	o   Options
	mux *http.ServeMux
}

// New returns a Server.
func New(o Options) *Server {
	s := &Server{o: o, mux: http.NewServeMux()}
	s.mux.HandleFunc("/{$}", s.index)
	s.mux.Handle("/metrics", o.Metrics)
	s.mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") })
	s.mux.HandleFunc("/readyz", s.ready)
	s.mux.HandleFunc("/status", s.status)
	s.mux.HandleFunc("/debug/pprof/", s.profile)
	return s
}

// ServeHTTP answers one request. Only GET and HEAD are taken.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		text(w, http.StatusMethodNotAllowed, "the admin address only reads; state is changed by `ptrd reload` and the other commands")
		return
	}
	s.mux.ServeHTTP(w, r)
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
	// A profile takes as long as its client asked for.
	if err := http.NewResponseController(w).SetWriteDeadline(time.Time{}); err != nil {
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

// Serve answers on ln until ctx is done. It may run for several listeners at the
// same time, which is how the admin address moves.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	hs := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if hs.Shutdown(bound) != nil {
			hs.Close()
		}
	})
	err := hs.Serve(ln)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("admin address %v: %w", ln.Addr(), err)
}
