package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	startWait = 60 * time.Second
	replyWait = 20 * time.Second // for an answer that has to come
	graceWait = 150 * time.Millisecond
	poll      = 10 * time.Millisecond
)

// side is one of the servers, with its directory and the sockets that clients ask it from.
type side struct {
	name, program, dir string
	dns, tls           netip.AddrPort
	cmd                *exec.Cmd
	ended              chan struct{}
	udp                map[netip.Addr]*net.UDPConn // by address of the client
	serials            serials
	notified           *listener
	unasked            int // datagrams that answer nothing that was asked
}

func (s *side) write(file, text string) error {
	path := filepath.Join(s.dir, file)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	// The server watches its files: each version is there at once, or not at all.
	return os.Rename(path+".new", path)
}

func (s *side) start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(s.program, "serve", "--config", filepath.Join(s.dir, "ptrd.yaml"))
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	go func(c *exec.Cmd) {
		_ = c.Wait() // how it ended is in its log
		close(ended)
	}(s.cmd)
	return s.await(ctx, "an answer", func() bool {
		m, err := s.exchange(soaQuery("dyn.example."))
		return err == nil && len(m) == 1 && m[0][3]&15 == 0
	})
}

// await waits for a condition.
func (s *side) await(ctx context.Context, what string, is func() bool) error {
	for end := time.Now().Add(startWait); !is(); time.Sleep(poll) {
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended while %s was awaited", s.name, what)
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s: no %s", s.name, what)
		}
	}
	return nil
}

func (s *side) stop(how os.Signal) error {
	if s.cmd == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(how) // it may have ended
	select {
	case <-s.ended:
		s.cmd = nil
		return nil
	case <-time.After(startWait):
		_ = s.cmd.Process.Signal(syscall.SIGKILL)
		return fmt.Errorf("%s does not end", s.name)
	}
}

// command runs a subcommand against the server and returns its exit code and output.
func (s *side) command(args ...string) (int, string, error) {
	cmd := exec.Command(s.program, append(args, "--config", filepath.Join(s.dir, "ptrd.yaml"))...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), string(out), nil
	}
	return 0, string(out), err
}

// request is one message to both servers.
type request struct {
	kind  string
	id    uint16
	bytes []byte
	// build makes the octets where they depend on what this server sent before, such as
	// its serials.
	build func(*side) []byte
	// maybeSilent says that no answer is an answer, too.
	maybeSilent bool
	// changes says that it may change something, so that it is sent once only.
	changes bool
}

func (r *request) octets(s *side) []byte {
	if r.build != nil {
		return r.build(s)
	}
	return r.bytes
}

// replies are the messages that answer each request.
type replies [][][]byte

// window is how many datagrams are on their way at a time: few enough that none is lost.
const window = 32

// askUDP sends requests from one address and collects the answers.
func (s *side) askUDP(from netip.Addr, requests []*request) (replies, error) {
	out := make(replies, len(requests))
	for at := 0; at < len(requests); at += window {
		end := min(at+window, len(requests))
		if err := s.askWindow(from, requests[at:end], out[at:end]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *side) askWindow(from netip.Addr, requests []*request, out replies) error {
	const sentinel = 0 // the ID of no other request
	c, err := s.socket(from)
	if err != nil {
		return err
	}
	byID := map[uint16]int{}
	awaited := 0
	for i, r := range requests {
		if _, err := c.Write(r.octets(s)); err != nil {
			return err
		}
		byID[r.id] = i
		if !r.maybeSilent {
			awaited++
		}
	}
	// What may stay without an answer has none when a later question has one, and some
	// time has passed.
	if _, err := c.Write(soaQuery("dyn.example.")); err != nil {
		return err
	}
	buf := make([]byte, 65536)
	seen := false
	deadline := time.Now().Add(2 * time.Second)
	for left := len(requests); left > 0; {
		_ = c.SetReadDeadline(deadline)
		n, err := c.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return err
		}
		if n < 2 {
			continue
		}
		id := binary.BigEndian.Uint16(buf)
		i, known := byID[id]
		switch {
		case id == sentinel:
			seen = true
		case !known || out[i] != nil:
			s.unasked++
		default:
			out[i] = [][]byte{bytes.Clone(buf[:n])}
			left--
			if !requests[i].maybeSilent {
				awaited--
			}
		}
		if seen && awaited == 0 {
			deadline = time.Now().Add(graceWait)
		}
	}
	for i, r := range requests {
		if out[i] == nil && !r.maybeSilent && !r.changes {
			if out[i], err = s.askAgain(c, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// askAgain repeats one request whose answer did not come.
func (s *side) askAgain(c *net.UDPConn, r *request) ([][]byte, error) {
	buf := make([]byte, 65536)
	for range 3 {
		if _, err := c.Write(r.octets(s)); err != nil {
			return nil, err
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		for {
			n, err := c.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, err
			}
			if n > 1 && binary.BigEndian.Uint16(buf) == r.id {
				return [][]byte{bytes.Clone(buf[:n])}, nil
			}
		}
	}
	return nil, nil
}

// socket returns the client's socket at an address.
func (s *side) socket(from netip.Addr) (*net.UDPConn, error) {
	if c := s.udp[from]; c != nil {
		return c, nil
	}
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), net.UDPAddrFromAddrPort(s.dns))
	if err != nil {
		return nil, err
	}
	_ = c.SetReadBuffer(4 << 20) // a smaller one costs repetitions
	s.udp[from] = c
	return c, nil
}

// dial opens a connection.
func (s *side) dial(from netip.Addr, secure bool) (halfCloser, error) {
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: replyWait}
	if secure {
		c, err := tls.DialWithDialer(&d, "tcp", s.tls.String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"dot"}})
		if err != nil {
			return nil, err
		}
		return c, nil
	}
	c, err := d.Dial("tcp", s.dns.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// askStream sends all requests on one connection without waiting for answers, ends its
// side of it, and collects what comes until the server closes.
func (s *side) askStream(from netip.Addr, secure bool, requests []*request, tail []byte) (replies, error) {
	out := make(replies, len(requests))
	byID := map[uint16]int{}
	c, err := s.dial(from, secure)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var all []byte
	for i, r := range requests {
		m := r.octets(s)
		all = binary.BigEndian.AppendUint16(all, uint16(len(m)))
		all = append(all, m...)
		byID[r.id] = i
	}
	all = append(all, tail...)
	_ = c.SetDeadline(time.Now().Add(replyWait))
	written := make(chan struct{})
	go func() {
		defer close(written)
		if _, err := c.Write(all); err == nil { // a server that closed shows in the answers
			_ = c.CloseWrite()
		}
	}()
	defer func() { c.Close(); <-written }()
	for {
		m, err := readStream(c)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return out, fmt.Errorf("%s: the connection stays open", s.name)
			}
			return out, nil
		}
		if len(m) < 2 {
			s.unasked++
			continue
		}
		if i, ok := byID[binary.BigEndian.Uint16(m)]; ok {
			out[i] = append(out[i], m)
		} else {
			s.unasked++
		}
	}
}

// askInTurn sends each request when the one before it was answered.
func (s *side) askInTurn(from netip.Addr, requests []*request) (replies, error) {
	out := make(replies, len(requests))
	c, err := s.dial(from, false)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for i, r := range requests {
		_ = c.SetDeadline(time.Now().Add(replyWait))
		m := r.octets(s)
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)); err != nil {
			return out, nil // closed, which the answers show
		}
		m, err := readStream(c)
		if err != nil {
			return out, nil
		}
		out[i] = [][]byte{m}
	}
	return out, nil
}

func readStream(c io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(c, m)
	return m, err
}

// exchange asks once over UDP, outside of what is compared.
func (s *side) exchange(m []byte) ([][]byte, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.dns))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.Write(m); err != nil {
		return nil, err
	}
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 65536)
	n, err := c.Read(buf)
	if err != nil {
		return nil, err
	}
	return [][]byte{buf[:n]}, nil
}

// listener collects the NOTIFY messages that a server sends, and answers them.
type listener struct {
	conn *net.UDPConn
	seen chan []byte
}

func listen() (*listener, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	l := &listener{conn, make(chan []byte, 1<<16)}
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFromUDP(buf)
			if err != nil {
				close(l.seen)
				return
			}
			if n < 12 {
				continue
			}
			m := bytes.Clone(buf[:n])
			select {
			case l.seen <- bytes.Clone(m):
			default: // far more than a run sends
			}
			m[2] |= 0x80
			_, _ = conn.WriteToUDP(m, from) // it is sent again otherwise
		}
	}()
	return l, nil
}
