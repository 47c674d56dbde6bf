package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/bench/dataset"
	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/internal/loadgen"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// The servers have one processor, and this process, with its generator, another.
const (
	serverCPU    = 0
	generatorCPU = 1
)

// floorName is the name of the floor among the servers.
const floorName = "floor"

// firstPort is the port of the first server; each has one of its own.
const firstPort = 25301

// lab has what the subcommands share.
type lab struct {
	ctx   context.Context
	dir   string // data sets, configurations, results
	out   io.Writer
	peers []*peer.Peer // found on this machine, ptrd first

	*results
}

// data is a data set on disk and in memory.
type data struct {
	set *dataset.Set
	dataset.Files
	apexes    []string
	questions *loadgen.Questions // in their order
	sample    *loadgen.Questions // those with known answers
	answers   *loadgen.Expectations
	probes    []probe
}

// openData writes a data set unless it is there, and reads its questions.
func (l *lab) openData(name string) (*data, error) {
	set, err := dataset.Parse(name)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(l.out, "# data set %s\n", name)
	d := &data{set: set}
	if d.Files, err = set.Write(filepath.Join(l.dir, "data")); err != nil {
		return nil, err
	}
	list, err := os.ReadFile(d.List)
	if err != nil {
		return nil, err
	}
	d.apexes = strings.Fields(string(list))
	if d.questions, err = readFile(d.Queries, loadgen.ReadQueries); err != nil {
		return nil, err
	}
	if d.answers, err = readFile(d.Answers, loadgen.ReadExpectations); err != nil {
		return nil, err
	}
	known, err := readProbes(d.Answers)
	if err != nil {
		return nil, err
	}
	d.probes = choose(known)
	d.sample = &loadgen.Questions{}
	for _, p := range known {
		name, err := dname.Parse(p.name)
		if err != nil {
			return nil, err
		}
		if err := d.sample.Add(name, rr.TypePTR); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// site is where a server serves the data set.
func (d *data) site() peer.Site { return peer.Site{Zones: d.Zones, Apexes: d.apexes} }

func readFile[T any](path string, read func(string, io.Reader) (T, error)) (T, error) {
	f, err := os.Open(path)
	if err != nil {
		var none T
		return none, err
	}
	defer f.Close()
	return read(path, bufio.NewReader(f))
}

// server is a server that runs.
type server struct {
	name string
	*peer.Peer
	site *peer.Site
	*machine.Process
	at netip.AddrPort
}

// newServer gives a peer a directory and, unless the site has one, a port. A nil peer is the
// floor.
func (l *lab) newServer(p *peer.Peer, site peer.Site) (*server, error) {
	s := &server{name: floorName, Peer: p, site: &site}
	if p != nil {
		s.name = p.Name
	}
	if site.Port == 0 {
		site.Port = firstPort + 1 + slices.Index(l.peers, p)
	}
	s.at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(site.Port))
	site.Dir, site.UID = filepath.Join(l.dir, "run", fmt.Sprintf("%s-%d", s.name, site.Port)), os.Geteuid()
	if err := os.RemoveAll(s.site.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(s.site.Dir, 0o755); err != nil {
		return nil, err
	}
	if p == nil {
		return s, nil
	}
	return s, p.Configure(s.site)
}

// start starts the server on its processor, or on those given, with a log in its
// directory. The floor serves the given transport.
func (s *server) start(transport string, cpus ...int) error {
	if len(cpus) == 0 {
		cpus = []int{serverCPU}
	}
	var cmd *exec.Cmd
	if s.Peer == nil {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		cmd = exec.Command(self, "floor", transport, s.at.String())
	} else {
		cmd = s.Command(s.site)
	}
	var err error
	s.Process, err = machine.Start(cmd, filepath.Join(s.site.Dir, "out.log"), cpus...)
	return err
}

// awaitUp waits until the server has answered the probes rightly, one after the other,
// and returns how long that took since the given time.
func (s *server) awaitUp(ctx context.Context, since time.Time, probes []probe, patience time.Duration) (time.Duration, error) {
	for right := 0; right < len(probes); {
		if probes[right].ask(s.at) {
			right++
			continue
		}
		right = 0
		switch {
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case s.Ended():
			return 0, fmt.Errorf("%s ended: %s", s.name, s.logTail())
		case time.Since(since) > patience:
			return 0, fmt.Errorf("%s gives no right answers after %v: %s", s.name, patience, s.logTail())
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(since), nil
}

// startServer starts a server, on its processor or on those given, and waits for right
// answers. It returns how long that took.
func (l *lab) startServer(p *peer.Peer, site peer.Site, d *data, cpus ...int) (*server, time.Duration, error) {
	s, err := l.newServer(p, site)
	if err != nil {
		return nil, 0, err
	}
	begin := time.Now()
	if err := s.start("udp", cpus...); err != nil {
		return nil, 0, err
	}
	took, err := s.awaitUp(l.ctx, begin, d.probes, startPatience)
	if err != nil {
		s.Stop()
		return nil, 0, err
	}
	return s, took, nil
}

// logTail returns the end of the server's log.
func (s *server) logTail() string {
	b, _ := os.ReadFile(filepath.Join(s.site.Dir, "out.log"))
	return string(b[max(0, len(b)-400):])
}

// wrong returns how many of the sample of answers are wrong.
func (l *lab) wrong(s *server, d *data) (float64, error) {
	r, err := loadgen.Run(l.ctx, loadgen.Options{
		Server: s.at, Source: d.sample, Expect: d.answers, Count: uint64(d.sample.Len()), Sockets: 1, Window: 8, Workers: 1,
	})
	if err != nil {
		return 0, err
	}
	return float64(r.Expected.Different) + float64(r.Sent-r.Answered), nil
}

// startAll starts the servers of a data set one after the other and leaves out, with
// a word, those that do not come up. The caller stops what is returned.
func (l *lab) startAll(d *data, transport string, patience time.Duration) []*server {
	return l.startEach(d, transport, patience, func(*peer.Peer) peer.Site { return d.site() })
}

// startEach is startAll with a site for each server.
func (l *lab) startEach(d *data, transport string, patience time.Duration, site func(*peer.Peer) peer.Site) []*server {
	var running []*server
	for i := -1; i < len(l.peers) && l.ctx.Err() == nil; i++ {
		var p *peer.Peer
		if i >= 0 {
			p = l.peers[i]
		}
		s, err := l.newServer(p, site(p))
		if err == nil {
			err = l.bringUp(s, d, transport, patience)
		}
		if err != nil {
			fmt.Fprintf(l.out, "# left out: %v\n", err)
			continue
		}
		running = append(running, s)
	}
	return running
}

// bringUp starts one server and checks its answers; it is stopped if they are wrong.
func (l *lab) bringUp(s *server, d *data, transport string, patience time.Duration) error {
	begin := time.Now()
	if err := s.start(transport); err != nil {
		return err
	}
	if s.Peer == nil {
		time.Sleep(200 * time.Millisecond) // it says nothing when it is ready
		if s.Ended() {
			return errors.New(s.logTail())
		}
		return nil
	}
	took, err := s.awaitUp(l.ctx, begin, d.probes, patience)
	if err == nil {
		err = l.awaitRightAnswers(s, d, begin.Add(patience))
	}
	if err != nil {
		s.Stop()
		return err
	}
	fmt.Fprintf(l.out, "# %-12s up after %6.2f s, %8.1f MB\n", s.name, took.Seconds(), float64(s.Memory().PSS)/1e6)
	return nil
}

// awaitRightAnswers waits until the whole sample of answers is right: of many zones, some servers
// answer the first ones while they read the last.
func (l *lab) awaitRightAnswers(s *server, d *data, deadline time.Time) error {
	for {
		wrong, err := l.wrong(s, d)
		if err != nil || wrong == 0 {
			return err
		}
		if time.Now().After(deadline) || !sleep(l.ctx, time.Second) {
			return fmt.Errorf("%s: %.0f of %d answers are wrong", s.name, wrong, d.sample.Len())
		}
	}
}
