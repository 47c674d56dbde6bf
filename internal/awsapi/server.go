package awsapi

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ptrd/ptrd/internal/connlimit"
	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone"
)

// Timeouts of a client. The largest batch has 2 MB; a slower client only holds a connection.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
)

// MaxConns is the most connections at a time. Each can hold a request of Service.MaxBody.
const MaxConns = 64

// Service is an API. Its functions may be called by several goroutines.
type Service struct {
	Name    string // in signatures, denials and the log
	MaxBody int64  // octets of a request

	// Find returns the operation of a request whose signature was verified.
	Find func(*Request) (Operation, error)

	// Fault returns how the API names an error: of Find, of an operation, a [sigv4.Error] or a
	// [Refusal].
	Fault func(error) *Fault

	// WriteFault returns the body of a response with an error.
	WriteFault func(f *Fault, requestID string) ([]byte, error)
}

// Operation is an operation of an API for one request.
type Operation struct {
	Name    string
	Changes bool // anything
	// Answer returns the status and body of the response. With [zone.ErrUndecided] the
	// connection is closed without one.
	Answer func() (status int, body []byte, err error)
}

// Request is a request whose signature was verified.
type Request struct {
	ID     string // also in the header of the response
	HTTP   *http.Request
	Body   []byte
	Key    *Key
	Region string      // that the client signed for
	Reply  http.Header // of the response
}

// Options are what a Server needs.
type Options struct {
	Policy      func() *Policy
	Certificate func() *tls.Certificate // returns nil if new connections have no TLS; a reload may change that
	Now         func() time.Time        // nil: time.Now
	Log         *slog.Logger
	Guard       *supervise.Supervisor // contains panics over single requests; nil: they are not contained
	Counts      *Counts               // nil: requests are not counted
}

// Server serves an API.
type Server struct {
	s        *Service
	o        Options
	conns    *connlimit.Table
	throttle throttle
}

// New returns a Server.
func New(s *Service, o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{s: s, o: o, conns: connlimit.New(MaxConns)}
}

// Open returns the number of connections.
func (s *Server) Open() int { return s.conns.Open() }

// verifier returns the verifier of one request: a reload may change the keys meanwhile.
func (s *Server) verifier(p *Policy) *sigv4.Verifier {
	return &sigv4.Verifier{Service: s.s.Name, Now: s.o.Now, Key: func(id string) (*sigv4.Key, bool) {
		k := p.Keys[id]
		if k == nil {
			return nil, false
		}
		return &k.Key, true
	}}
}

// Serve answers on ln until ctx is done. It may run for several listeners at the same time.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	err := s.conns.Serve(ctx, &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}, listener{ln, s.o.Certificate, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return s.o.Certificate(), nil
	}}})
	if err != nil {
		return fmt.Errorf("%s address %v: %w", s.s.Name, ln.Addr(), err)
	}
	return nil
}

// listener accepts connections with TLS while there is a certificate. Without one it accepts
// those of loopback addresses alone, whatever a reload changes in which order.
type listener struct {
	net.Listener
	certificate func() *tls.Certificate
	tls         *tls.Config
}

func (l listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.certificate() != nil {
			return tls.Server(c, l.tls), nil
		}
		if a, ok := c.LocalAddr().(*net.TCPAddr); ok && a.IP.IsLoopback() {
			return c, nil
		}
		c.Close()
	}
}

// ServeHTTP answers one request, in XML whatever it is.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var id [16]byte
	rand.Read(id[:]) // never fails
	q := &Request{ID: hex.EncodeToString(id[:]), HTTP: r, Reply: w.Header()}
	w.Header().Set("x-amzn-RequestId", q.ID)
	w.Header().Set("Content-Type", "text/xml")
	var op Operation
	var status int
	var out []byte
	var err error
	ok := s.o.Guard.Do(s.s.Name, func() {
		if op, err = s.admit(w, q); err == nil {
			status, out, err = op.Answer()
		}
	})
	code := "OK"
	switch {
	case !ok || errors.Is(err, zone.ErrUndecided):
		s.o.Counts.add(Result{s.s.Name, op.Name, "closed"})
		panic(http.ErrAbortHandler) // closes the connection without an answer
	case err != nil:
		f := s.s.Fault(err)
		s.o.Log.Info(s.s.Name+" request refused", "operation", op.Name, "client", r.RemoteAddr, "code", f.Code, "err", truncated(f.Text))
		status, code = f.Status, f.Code
		out, err = s.s.WriteFault(f, q.ID)
	}
	s.o.Counts.add(Result{s.s.Name, op.Name, code})
	if err != nil { // there is nothing in it that XML cannot have
		s.o.Log.Error("a response of "+s.s.Name+" cannot be written", "operation", op.Name, "err", err)
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	if _, err := w.Write(out); err != nil {
		s.o.Log.Debug("a response of "+s.s.Name+" was not delivered", "err", err)
	}
}

// truncated returns the beginning of a text that can be as long as a request.
func truncated(s string) string {
	const most = 500
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// admit completes a request and returns its operation, which the key may call.
func (s *Server) admit(w http.ResponseWriter, q *Request) (op Operation, err error) {
	r := q.HTTP
	policy := s.o.Policy()
	var claim *sigv4.Claim
	if policy.Anonymous {
		// A web page can send such requests through the browser of a user; a browser says so.
		if r.Header.Get("Origin") != "" {
			return op, &Refusal{Denied, "Requests of web pages are not accepted without a signature."}
		}
		q.Key = anonymous
	} else {
		if claim, err = s.verifier(policy).Read(r); err != nil {
			return op, err
		}
		q.Key, q.Region = policy.Keys[claim.Key.ID], claim.Region()
	}
	if q.Body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, s.s.MaxBody)); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return op, &Refusal{TooLarge, fmt.Sprintf("The request has more than %d octets.", s.s.MaxBody)}
		}
		return op, &Refusal{TimedOut, "The request could not be read."}
	}
	if claim != nil {
		if err := claim.Verify(r, q.Body); err != nil {
			return op, err
		}
	}
	if !s.throttle.allow(q.Key.ID, policy.Throttle, s.o.Now()) {
		return op, &Refusal{Throttled, "Rate exceeded"}
	}
	if op, err = s.s.Find(q); err != nil {
		return op, err
	}
	if !q.Key.Permits(op.Name, op.Changes) {
		return op, &Refusal{Denied, fmt.Sprintf("Access key %s is not authorized to perform: %s:%s", q.Key.ID, s.s.Name, op.Name)}
	}
	return op, nil
}
