//go:build bench

package main

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ptrd/ptrd/bench/dataset"
	"github.com/ptrd/ptrd/bench/peer"
	"github.com/ptrd/ptrd/internal/loadgen"
	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/server/await"
)

// TestMain: the floor is this program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == floorName {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestFloorEnds: SIGTERM ends a floor that answers.
func TestFloorEnds(t *testing.T) {
	l := &lab{ctx: t.Context(), dir: t.TempDir(), out: io.Discard}
	s, err := l.newServer(nil, peer.Site{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.start("udp"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	conn, err := net.Dial("udp", s.at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for answer := make([]byte, 12); ; {
		if _, err := conn.Write(make([]byte, 12)); err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			if _, err := conn.Read(answer); err == nil {
				break
			}
		}
		if s.Ended() {
			t.Fatal(s.logTail())
		}
	}
	if err := syscall.Kill(s.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	await.That(t, "the end of it", s.Ended)
}

// TestPeers: each server that is on this machine takes the configuration that it gets
// here, gives right answers, and reloads.
func TestPeers(t *testing.T) {
	for _, p := range peer.All() {
		t.Run(p.Name, func(t *testing.T) {
			if err := p.Find(); err != nil {
				peertest.Optional(t, err.Error())
			}
			if p.Name == "PowerDNS" {
				peertest.Require(t, "pdns_server", peertest.Bind)
			}
			l := &lab{ctx: t.Context(), dir: t.TempDir(), out: io.Discard, peers: []*peer.Peer{p}}
			d, err := l.openData("v4-100")
			if err != nil {
				t.Fatal(err)
			}
			if err := d.set.WriteChanged(filepath.Join(l.dir, "data")); err != nil {
				t.Fatal(err)
			}
			apex := d.apexes[0]
			file := filepath.Join(d.Zones, apex+".zone")
			old := time.Now().Add(-time.Hour)
			if err := os.Chtimes(file, old, old); err != nil {
				t.Fatal(err)
			}
			s, err := l.newServer(p, peer.Site{Zones: d.Zones, Apexes: d.apexes, Reloads: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := l.bringUp(s, d, "udp", time.Minute); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Stop)
			if v := p.Version(); v == "" || v[0] < '0' || v[0] > '9' {
				t.Errorf("version %q", v)
			}
			if err := os.Rename(filepath.Join(d.Changed, apex+".zone"), file); err != nil {
				t.Fatal(err)
			}
			if err := p.Reload(t.Context(), s.site, apex); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { t.Log(s.logTail()) })
			await.That(t, "answers with the new serial", func() bool {
				n, ok := serial(s.at, apex)
				return ok && n == dataset.SerialAfter
			})
		})
	}
}

// TestMakers: each server that is on this machine makes the names of a range as the others.
func TestMakers(t *testing.T) {
	for _, p := range peer.Makers() {
		for _, set := range []string{"made4-1k", "made6-1k"} {
			if p.Name == "dnsmasq" && set == "made6-1k" {
				continue // it has another form of IPv6 addresses
			}
			t.Run(p.Name+"/"+set, func(t *testing.T) {
				if err := p.Find(); err != nil {
					peertest.Optional(t, err.Error())
				}
				if p.Name == "PowerDNS" {
					peertest.Require(t, "pdns_server", peertest.Bind)
				}
				l := &lab{ctx: t.Context(), dir: t.TempDir(), out: io.Discard, peers: []*peer.Peer{p}}
				d, err := l.openData(set)
				if err != nil {
					t.Fatal(err)
				}
				if err := d.set.WriteEmpty(filepath.Join(l.dir, "data")); err != nil {
					t.Fatal(err)
				}
				s, err := l.newServer(p, peer.Site{Zones: d.Empty, Apexes: d.apexes, Role: peer.Ranges})
				if err != nil {
					t.Fatal(err)
				}
				if err := l.bringUp(s, d, "udp", time.Minute); err != nil {
					t.Fatal(err)
				}
				s.Stop()
			})
		}
	}
}

// TestSpan: the latencies of a reload are those of the queries that were due meanwhile.
func TestSpan(t *testing.T) {
	const ms = time.Millisecond
	samples := []loadgen.Sample{{Due: 9 * ms, Latency: ms}, {Due: 10 * ms, Latency: 2 * ms}, {Due: 11 * ms, Latency: loadgen.Lost}, {Due: 12 * ms, Latency: 4 * ms}, {Due: 20 * ms, Latency: 9 * ms}}
	v := latencies(samplesDue(samples, 10*ms, 20*ms))
	if v[valueSent] != 3 || v[valueLost] != 1 || v[valueMax] != 4000 || v[valueP50] != 4000 {
		t.Errorf("%v", v)
	}
	if v := latencies(nil); v[valueSent] != 0 || v[valueLost] != 0 {
		t.Errorf("%v", v)
	}
}

// TestResults: what was measured is there for the next call, unless that begins again.
func TestResults(t *testing.T) {
	dir := t.TempDir()
	r, err := openResults(dir, "x", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []float64{3, 1, 2} {
		if err := r.Add(record{Kind: kindUDP, Set: "v4-1k", Server: "a", Values: map[string]float64{valueCPU: n}}); err != nil {
			t.Fatal(err)
		}
	}
	if r, err = openResults(dir, "x", false); err != nil {
		t.Fatal(err)
	}
	l := lab{results: r}
	if got := l.summary(kindUDP, "v4-1k", "a", valueCPU).String(); got != "2.00 (1.00–3.00)" {
		t.Error(got)
	}
	if r, err = openResults(dir, "x", true); err != nil || len(r.All) != 0 {
		t.Errorf("%v, %v", r, err)
	}
}

func TestReadDnsperf(t *testing.T) {
	const out = "DNS Performance Testing Tool\nVersion 2.10.0\n\n  Queries sent:         100\n  Queries completed:    98 (98.00%)\n  Queries lost:         2 (2.00%)\n  Run time (s):         2.000100\n"
	answered, lost, seconds, err := readDnsperf([]byte(out))
	if answered != 98 || lost != 2 || seconds != 2.0001 || err != nil {
		t.Error(answered, lost, seconds, err)
	}
	if m := dnsperfVersion.FindStringSubmatch(out); m == nil || m[1] != "2.10.0" {
		t.Errorf("%q", m)
	}
	if _, _, _, err := readDnsperf([]byte("Queries lost: 1")); err == nil {
		t.Error("no error without the numbers")
	}
}

// TestOverFloor: a run is compared with the floor of its own round.
func TestOverFloor(t *testing.T) {
	runs := func(round int, cpu ...float64) (out []record) {
		for i, c := range cpu {
			out = append(out, record{Round: round + i, Values: map[string]float64{valueCPU: c}})
		}
		return out
	}
	// Round 0 has no floor; the machine was twice as slow in round 3.
	if got := ratio(runs(0, 9, 3, 4, 8), runs(1, 2, 2, 4)).String(); got != "2.00 (1.50–2.00)" {
		t.Error(got)
	}
}
