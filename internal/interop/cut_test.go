package interop

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ptrd/ptrd/internal/peertest"
)

// cutter passes on what clients and a server send each other over TCP, and cuts some long answers.
type cutter struct {
	to   netip.AddrPort
	cuts atomic.Int32 // of the next long answers
}

// cutAfter is how many octets a client receives of an answer that is cut.
const cutAfter = 100_000

// startCutter listens for clients of a server until the test ends.
func startCutter(t *testing.T, at, to netip.AddrPort) *cutter {
	c := &cutter{to: to}
	tcp, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() {
		tcp.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			client, err := tcp.AcceptTCP()
			if err != nil {
				return
			}
			running.Go(func() { c.pass(client) })
		}
	})
	return c
}

// pass passes on what is sent on one connection.
func (c *cutter) pass(client *net.TCPConn) {
	defer client.Close()
	server, err := net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(c.to))
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.CloseWrite()
	}()
	if n, err := io.CopyN(client, server, cutAfter); n == cutAfter && err == nil && c.cuts.Add(-1) >= 0 {
		_ = server.SetLinger(0)
		_ = client.SetLinger(0)
		return
	}
	_, _ = io.Copy(client, server)
}

// TestCutTransfer: a secondary whose transfer is cut gets NOTIFY again. It has the zone long before the
// retry time of the SOA.
func TestCutTransfer(t *testing.T) {
	t.Parallel()
	knot := peertest.Require(t, "knotd")
	const records = 2500 // ten megabytes, more than the buffers of a connection
	dir, own := t.TempDir(), t.TempDir()
	ours, theirs, between := freePort(t), freePort(t), freePort(t)
	change := func(serial uint32) {
		var b strings.Builder
		fmt.Fprintf(&b, "@ 3600 IN SOA ns1.example.net. hostmaster.example.net. %d 7200 7200 1209600 300\n@ NS ns1.example.net.\n", serial)
		text := strings.Repeat(fmt.Sprintf(` "%0250d"`, serial), 16)
		for i := range records {
			fmt.Fprintf(&b, "%d.%d TXT%s\n", i%250, i/250, text)
		}
		mustWrite(dir, "new", b.String())
		if err := os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "large.zone")); err != nil {
			t.Fatal(err)
		}
	}
	change(1)
	config := mustWrite(dir, "ptrd.yaml", fmt.Sprintf("listen: {dns: [%q], admin: \"\"}\nstate_dir: state\nzones: [{name: %s, file: large.zone, transfer: {allow: 127.0.0.1, notify: [%q]}}]\n",
		ours, smallZone, theirs))
	p := startProcess(t, dir, requireBinary(t), "serve", "--config", config)
	if !awaitZones(ours, []string{smallZone}, p.ended) {
		t.Fatal("ptrd does not answer")
	}
	cut := startCutter(t, between, ours)
	startProcess(t, own, knot, secondaryKnot(own, theirs, between, "", []string{smallZone})...)
	awaitThat(t, "the zone", func() bool { return serialAt(theirs, smallZone) == 1 })
	cut.cuts.Store(1)
	change(2)
	awaitThat(t, "the failure", func() bool { return strings.Contains(p.log(), "a zone transfer to a client failed") })
	awaitThat(t, "the change", func() bool { return serialAt(theirs, smallZone) == 2 })
}
