// Package systemd implements the parts of systemd's protocols that a service needs:
// readiness and watchdog messages (sd_notify(3)), and sockets that the service manager
// bound (sd_listen_fds(3)). If no service manager started the process, all calls do
// nothing.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// Environment returns a variable set by the service manager: os.Getenv, or a test's own.
type Environment func(key string) string

// The states that a service reports.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
	Alive    = "WATCHDOG=1"
)

// Reloading returns the state of a service that begins to reload at a time of the
// monotonic clock.
func Reloading(monotonic time.Duration) string {
	return "RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonic.Microseconds(), 10)
}

// Status returns the state that shows a line of text in `systemctl status`.
func Status(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

// Notifier reports states to the service manager.
type Notifier struct {
	conn     *net.UnixConn // nil: no service manager
	watchdog time.Duration
}

// NewNotifier returns a Notifier to the service manager that env names.
func NewNotifier(env Environment) (*Notifier, error) {
	n := &Notifier{}
	address := env("NOTIFY_SOCKET")
	if address == "" {
		return n, nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET %q: %w", address, err)
	}
	n.conn = conn
	if pid := env("WATCHDOG_PID"); pid == "" || pid == strconv.Itoa(os.Getpid()) {
		if usec, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
			n.watchdog = time.Duration(usec) * time.Microsecond
		}
	}
	return n, nil
}

// Interval returns how often Alive must be sent: half the time after which the service
// manager considers the service dead. Zero: never.
func (n *Notifier) Interval() time.Duration { return n.watchdog / 2 }

// Send sends one or several states to the service manager.
func (n *Notifier) Send(states ...string) error {
	if n.conn == nil {
		return nil
	}
	if _, err := n.conn.Write([]byte(strings.Join(states, "\n"))); err != nil {
		return fmt.Errorf("notifying the service manager: %w", err)
	}
	return nil
}

// Close ends the connection to the service manager.
func (n *Notifier) Close() error {
	if n.conn == nil {
		return nil
	}
	return n.conn.Close()
}

// firstFD is the descriptor of the first passed socket (sd_listen_fds(3)).
const firstFD = 3

// Sockets are the UDP and listening TCP sockets that the service manager bound.
type Sockets struct {
	Files []*os.File
	Addrs []netip.AddrPort // the address of each
}

// Close closes all of them.
func (s *Sockets) Close() {
	for _, f := range s.Files {
		f.Close()
	}
}

// Activated returns the sockets that the service manager passed to this process. The
// caller owns them; a second call fails.
func Activated(env Environment) (*Sockets, error) {
	s := &Sockets{}
	if env("LISTEN_FDS") == "" || env("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return s, nil // none, or passed to a parent process
	}
	n, err := strconv.Atoi(env("LISTEN_FDS"))
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS %q is not a number of sockets", env("LISTEN_FDS"))
	}
	for fd := firstFD; fd < firstFD+n; fd++ {
		f := os.NewFile(uintptr(fd), fmt.Sprintf("activated socket %d", fd-firstFD+1))
		addr, err := addressOf(f)
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("socket %d of %d that the service manager passed: %w", fd-firstFD+1, n, err)
		}
		s.Files = append(s.Files, f)
		s.Addrs = append(s.Addrs, addr)
	}
	return s, nil
}

// addressOf returns the address that a UDP socket or a listening TCP socket is
// bound to.
func addressOf(f *os.File) (netip.AddrPort, error) {
	var addr net.Addr
	if l, err := net.FileListener(f); err == nil {
		addr = l.Addr()
		l.Close()
	} else if c, err := net.FilePacketConn(f); err == nil {
		addr = c.LocalAddr()
		c.Close()
	}
	var a netip.AddrPort
	switch t := addr.(type) {
	case *net.TCPAddr:
		a = t.AddrPort()
	case *net.UDPAddr:
		a = t.AddrPort()
	default:
		return a, errors.New("it is neither UDP nor listening TCP; use ListenDatagram= and ListenStream= with IP addresses")
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
}
