package route53

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
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/connlimit"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone/dname"
)

// Timeouts of a client. The largest batch has 2 MB; a slower client only holds a connection.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 60 * time.Second
	idleTimeout   = 2 * time.Minute
)

// MaxConns is the most connections at a time. Each can hold a request of 2 MB.
const MaxConns = 64

// Key is an access key and what it may do.
type Key struct {
	sigv4.Key
	Permits func(operation string, changes bool) bool
	Allows  func(apex dname.Name) bool
}

// Policy says who may use the API.
type Policy struct {
	Keys      map[string]*Key
	Anonymous bool // signatures are not looked at
	Throttle  int  // requests per second of a key; 0: any number
}

// Options are what a Server needs.
type Options struct {
	Store       *hosted.Store
	Policy      func() *Policy
	Certificate func() *tls.Certificate // returns nil if the listener has no TLS
	View        func() *answer.View     // for TestDNSAnswer
	Addresses   func() []string         // that DNS is served at, for TestDNSAnswer
	Now         func() time.Time        // nil: time.Now
	Log         *slog.Logger
	Guard       *supervise.Supervisor // contains panics over single requests; nil: they are not contained
}

// Server serves the API.
type Server struct {
	o        Options
	conns    *connlimit.Table
	throttle throttle
}

// New returns a Server.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Server{o: o, conns: connlimit.New(MaxConns)}
}

// verifier returns the verifier of one request: a reload may change the keys meanwhile.
func (s *Server) verifier(p *Policy) *sigv4.Verifier {
	return &sigv4.Verifier{Service: "route53", Now: s.o.Now, Key: func(id string) (*sigv4.Key, bool) {
		k := p.Keys[id]
		if k == nil {
			return nil, false
		}
		return &k.Key, true
	}}
}

// Serve answers on ln until ctx is done. It may run for several listeners at the same time.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	addr := ln.Addr()
	if s.o.Certificate() != nil {
		ln = tls.NewListener(ln, &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if c := s.o.Certificate(); c != nil {
				return c, nil
			}
			return nil, errors.New("no certificate is configured")
		}})
	}
	err := s.conns.Serve(ctx, &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}, ln)
	if err != nil {
		return fmt.Errorf("route53 address %v: %w", addr, err)
	}
	return nil
}

// request is a request whose signature was verified.
type request struct {
	http  *http.Request
	body  []byte
	key   *Key
	path  []string // parameters of the path
	query map[string]string
	reply http.Header
}

// ServeHTTP answers one request, in XML whatever it is.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var id [16]byte
	rand.Read(id[:]) // never fails
	requestID := hex.EncodeToString(id[:])
	w.Header().Set("x-amzn-RequestId", requestID)
	w.Header().Set("Content-Type", "text/xml")
	var name string
	var status int
	var out []byte
	var err error
	ok := s.o.Guard.Do("route53", func() { name, status, out, err = s.answer(w, r) })
	if !ok || errors.Is(err, hosted.ErrUndecided) {
		panic(http.ErrAbortHandler) // closes the connection without an answer
	}
	if err != nil {
		f := faultOf(err)
		s.o.Log.Info("route53 request refused", "operation", name, "peer", r.RemoteAddr, "code", f.code, "err", truncated(f.text))
		status = f.status
		out, err = errorBody(f, requestID)
	}
	if err != nil { // there is nothing in it that XML cannot have
		s.o.Log.Error("a response of route53 cannot be written", "operation", name, "err", err)
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	if _, err := w.Write(out); err != nil {
		s.o.Log.Debug("a response of route53 was not delivered", "err", err)
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

func errorBody(f *fault, requestID string) ([]byte, error) {
	var v struct {
		Error struct {
			Type    string
			Code    string
			Message string
		}
		RequestID string `xml:"RequestId"`
	}
	v.Error.Type, v.Error.Code, v.Error.Message, v.RequestID = "Sender", f.code, f.text, requestID
	if f.status >= http.StatusInternalServerError {
		v.Error.Type = "Receiver"
	}
	return body("ErrorResponse", v)
}

// answer returns the name of the operation and what it answers.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) (name string, status int, out []byte, err error) {
	policy := s.o.Policy()
	q := &request{http: r, reply: w.Header()}
	var claim *sigv4.Claim
	if policy.Anonymous {
		// A web page can send such requests through the browser of a user; a browser says so.
		if r.Header.Get("Origin") != "" {
			return "", 0, nil, faultf("AccessDenied", "Requests of web pages are not accepted without a signature.")
		}
		q.key = anonymous
	} else {
		if claim, err = s.verifier(policy).Read(r); err != nil {
			return "", 0, nil, err
		}
		q.key = policy.Keys[claim.Key.ID]
	}
	if q.body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody)); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return "", 0, nil, faultf("RequestEntityTooLarge", "The request has more than %d octets.", maxBody)
		}
		return "", 0, nil, faultf("RequestTimeout", "The request could not be read.")
	}
	if claim != nil {
		if err := claim.Verify(r, q.body); err != nil {
			return "", 0, nil, err
		}
	}
	if !s.throttle.allow(q.key.ID, policy.Throttle, s.o.Now()) {
		return "", 0, nil, faultf("Throttling", "Rate exceeded")
	}
	op, err := find(r, q)
	if err != nil {
		return "", 0, nil, err
	}
	if !q.key.Permits(op.name, op.method != http.MethodGet && !op.reads) {
		return op.name, 0, nil, faultf("AccessDenied", "Access key %s is not authorized to perform: route53:%s", q.key.ID, op.name)
	}
	if op.handle == nil {
		return op.name, 0, nil, faultf("NotImplemented", "%s is not offered: %s.", op.name, op.missing)
	}
	if err := q.readQuery(op.query); err != nil {
		return op.name, 0, nil, err
	}
	v, err := op.handle(s, q)
	if err != nil {
		return op.name, 0, nil, err
	}
	if status = op.status; status == 0 {
		status = http.StatusOK
	}
	out, err = body(op.name+"Response", v)
	return op.name, status, out, err
}

// anonymous is the key of requests that nobody signs.
var anonymous = &Key{
	Key:     sigv4.Key{ID: "anonymous"},
	Permits: func(string, bool) bool { return true },
	Allows:  func(dname.Name) bool { return true },
}

// zone returns a hosted zone that the key may act on.
func (s *Server) zone(q *request, id string) (*hosted.Zone, error) {
	z, err := s.o.Store.Zone(bareID(id))
	if err != nil {
		return nil, err
	}
	return z, q.allows(z.Apex)
}

func (q *request) allows(apex dname.Name) error {
	if q.key.Allows(apex) {
		return nil
	}
	return faultf("AccessDenied", "Access key %s is not authorized for zone %s", q.key.ID, hosted.FormatName(apex))
}

// throttle counts the requests of each key in the current second.
type throttle struct {
	mu     sync.Mutex
	second int64
	counts map[string]int
}

func (t *throttle) allow(key string, limit int, now time.Time) bool {
	if limit == 0 {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if unix := now.Unix(); t.counts == nil || t.second != unix {
		t.second, t.counts = unix, map[string]int{}
	}
	t.counts[key]++
	return t.counts[key] <= limit
}
