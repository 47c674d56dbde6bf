package loadgen

import (
	"fmt"
	"net/netip"
	"time"
)

// Limits of Options. Together they bound the memory of a run.
const (
	MaxSockets = 1024

	// maxFlowWindow is half of the IDs: a free one is found at once, and an answer
	// that is late meets its old ID rather than a new query's.
	maxFlowWindow = 1 << 15

	// MaxWindow queries in flight take some 100 MB.
	MaxWindow = 1 << 18

	// MaxSamples take a gigabyte.
	MaxSamples = 1 << 26
)

// Defaults of Options.
const (
	DefaultSockets  = 8   // enough for a server that spreads clients over a few workers
	DefaultWindow   = 128 // of a closed loop: keeps a server busy and fits its receive buffer
	DefaultDuration = 10 * time.Second
	DefaultTimeout  = 2 * time.Second // longer than an authoritative server may ever take
	DefaultUDPSize  = 1232            // what resolvers send (RFC 9715)

	// defaultOpenWindow is large, so that a server that stalls for a moment does
	// not hold up queries that are due: a third of a second at 100,000 a second.
	defaultOpenWindow = 1 << 15
)

// Options say what is asked, of whom and how.
type Options struct {
	Server netip.AddrPort
	TCP    bool
	Source Source

	// AllowRemote lets Server be another address than a loopback one.
	AllowRemote bool

	// Rate is the number of queries a second of an open loop; 0 means a closed one,
	// in which each answer lets the next query go.
	Rate uint64

	// Window is the number of queries in flight over all sockets; 0 means a default.
	// An open loop whose window is full sends late, and reports it.
	Window int

	Sockets int // or connections; 0 means DefaultSockets
	Workers int // 0 means a half of the processors: the server wants some, too

	// The run ends with whichever comes first.
	Duration time.Duration // of sending; 0 means DefaultDuration
	Count    uint64        // queries; 0 means no such bound

	// Timeout is how long an answer is waited for after its query was sent; 0 means
	// DefaultTimeout.
	Timeout time.Duration

	// UDPSize is the payload size of the OPT record; 0 means no OPT record.
	UDPSize          uint16
	DO               bool // wants UDPSize
	Cookie           bool // wants UDPSize; each socket is a client of its own (RFC 7873)
	RecursionDesired bool

	// Seed decides addresses, IDs and client cookies.
	Seed uint64

	// Expect, if set, is what answers are compared with.
	Expect *Expectations

	// Progress, if set, is called about every second, from the goroutine of Run.
	Progress func(Progress)

	// Spin has workers look for answers all the time instead of sleeping until one
	// comes. It takes a processor for each worker, and a server on the same host need not
	// pay for waking the worker: for measurements of what the server itself costs.
	Spin bool

	// Samples is the room for single queries in Result.Samples; further ones are
	// not kept. 16 octets each.
	Samples int

	// Portable asks for the sockets of the net package where there are faster ones.
	Portable bool
}

// withDefaults returns o with everything set, or says which option is wrong.
func (o Options) withDefaults(processors int) (Options, error) {
	if o.Sockets == 0 {
		o.Sockets = DefaultSockets
	}
	if o.Window == 0 {
		o.Window = max(DefaultWindow, o.Sockets)
		if o.Rate > 0 {
			o.Window = defaultOpenWindow
		}
		o.Window = min(o.Window, o.Sockets*maxFlowWindow)
	}
	if o.Workers == 0 {
		o.Workers = max(1, processors/2)
	}
	o.Workers = min(o.Workers, o.Sockets)
	if o.Duration == 0 {
		o.Duration = DefaultDuration
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	return o, o.check()
}

// Check says which option is wrong, or may not be given with another. It does not look at Source.
func (o Options) Check() error {
	_, err := o.withDefaults(1)
	return err
}

func (o *Options) check() error {
	switch {
	case !o.Server.IsValid() || o.Server.Port() == 0:
		return fmt.Errorf("server %v is not an address with a port", o.Server)
	case !o.AllowRemote && !o.Server.Addr().Unmap().IsLoopback():
		return &RemoteError{o.Server.Addr()}
	case o.Sockets < 1 || o.Sockets > MaxSockets:
		return fmt.Errorf("%d sockets, 1 to %d are allowed", o.Sockets, MaxSockets)
	case o.Window < o.Sockets || o.Window > MaxWindow:
		return fmt.Errorf("a window of %d, %d (one for each socket) to %d are allowed", o.Window, o.Sockets, MaxWindow)
	case o.Window > o.Sockets*maxFlowWindow:
		return fmt.Errorf("a window of %d over %d sockets, a socket takes at most %d; use more sockets", o.Window, o.Sockets, maxFlowWindow)
	case o.Workers < 1:
		return fmt.Errorf("%d workers, at least 1 is needed", o.Workers)
	case o.Rate > maxRate:
		return fmt.Errorf("a rate of %d, at most %d queries a second are allowed", o.Rate, uint64(maxRate))
	case o.Samples < 0 || o.Samples > MaxSamples:
		return fmt.Errorf("%d samples, 0 to %d are allowed", o.Samples, MaxSamples)
	case o.Duration < 0 || o.Timeout < 0:
		return fmt.Errorf("a duration of %v and a timeout of %v, both have to be positive", o.Duration, o.Timeout)
	case (o.DO || o.Cookie) && o.UDPSize == 0:
		return fmt.Errorf("DO and cookies are part of EDNS, which is off; set the UDP size")
	}
	return nil
}

// RemoteError says that the server is not on this host.
type RemoteError struct{ Addr netip.Addr }

func (e *RemoteError) Error() string {
	return fmt.Sprintf("server %v is not a loopback address: a load generator that is pointed at the wrong host is an attack on it", e.Addr)
}

// Progress reports how far a run has come.
type Progress struct {
	Elapsed                  time.Duration
	Sent, Answered, Timeouts uint64 // so far
}
