package route53

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone/dname"
)

// Options are what a Server needs.
type Options struct {
	Store       *hosted.Store
	Policy      func() *awsapi.Policy
	Certificate func() *tls.Certificate // returns nil if the listener has no TLS
	View        func() *answer.View     // for TestDNSAnswer
	Addresses   func() []string         // that DNS is served at, for TestDNSAnswer
	Now         func() time.Time        // nil: time.Now
	Log         *slog.Logger
	Guard       *supervise.Supervisor // contains panics over single requests; nil: they are not contained
	Counts      *awsapi.Counts        // nil: requests are not counted
}

// Server serves the API.
type Server struct {
	o    Options
	http *awsapi.Server
}

// New returns a Server.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{o: o}
	s.http = awsapi.New(&awsapi.Service{
		Name: "route53", MaxBody: maxBody, Find: s.find, Fault: faultOf, WriteFault: writeFault,
	}, awsapi.Options{Policy: o.Policy, Certificate: o.Certificate, Now: o.Now, Log: o.Log, Guard: o.Guard, Counts: o.Counts})
	return s
}

// Serve answers on ln until ctx is done. It may run for several listeners at the same time.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error { return s.http.Serve(ctx, ln) }

// request is a request on its way to an operation.
type request struct {
	http  *http.Request
	body  []byte
	key   *awsapi.Key
	path  []string // parameters of the path
	query map[string]string
	reply http.Header
}

// find returns the operation of a request.
func (s *Server) find(r *awsapi.Request) (awsapi.Operation, error) {
	q := &request{http: r.HTTP, body: r.Body, key: r.Key, reply: r.Reply}
	op, err := find(r.HTTP, q)
	if err != nil {
		return awsapi.Operation{}, err
	}
	return awsapi.Operation{Name: op.name, Changes: op.method != http.MethodGet && !op.reads, Answer: func() (int, []byte, error) {
		return s.answer(op, q)
	}}, nil
}

// answer returns the response of an operation.
func (s *Server) answer(op *operation, q *request) (status int, out []byte, err error) {
	if op.handle == nil {
		return 0, nil, faultf("NotImplemented", "%s is not offered: %s.", op.name, op.missing)
	}
	if err := q.readQuery(op.query); err != nil {
		return 0, nil, err
	}
	v, err := op.handle(s, q)
	if err != nil {
		return 0, nil, err
	}
	if status = op.status; status == 0 {
		status = http.StatusOK
	}
	out, err = awsapi.XML(namespace, op.name+"Response", v)
	return status, out, err
}

// zone returns a hosted zone that the key may act on.
func (s *Server) zone(q *request, id string) (*hosted.Zone, error) {
	z, err := s.o.Store.Zone(bareID(id))
	if err != nil {
		return nil, err
	}
	return z, q.allows(z.Apex)
}

// isLimited reports whether the key may act on some zones only.
func (q *request) isLimited() bool { return !q.key.Allows(dname.Root()) }

func (q *request) allows(apex dname.Name) error {
	if q.key.Allows(apex) {
		return nil
	}
	return faultf("AccessDenied", "Access key %s is not authorized for zone %s", q.key.ID, hosted.FormatName(apex))
}
