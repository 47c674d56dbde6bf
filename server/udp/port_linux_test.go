package udp

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/workertest"
	"golang.org/x/sys/unix"
)

// A worker that waits has its socket watched, and is woken by a datagram; one that
// always finds datagrams has not, until it waits again.
func TestBusySocketIsNotWatched(t *testing.T) {
	s := newTestServer(t, func(o *Options) {
		o.Workers = 1
		o.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
	})
	l := s.listeners[0]
	defer l.Close()
	port := l.ports[0].(*mmsgPort)
	isWatched := func() bool {
		t.Helper()
		info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", port.epoll.FD))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(info), "tfd:")
	}
	socket := port.socket(s.Lanes.Get())
	c := workertest.UDPClient(t, l.addr.Addr())
	send := func() {
		t.Helper()
		if _, err := c.WriteToUDPAddrPort(workertest.FakeQuery(1, "a.example"), l.addr); err != nil {
			t.Fatal(err)
		}
	}
	recv := func() error {
		msgs, err := socket.recv(true)
		if err == nil && len(msgs) != 1 {
			err = fmt.Errorf("%d datagrams, want 1", len(msgs))
		}
		return err
	}
	for range 2 {
		received := make(chan error)
		go func() { received <- recv() }()
		await.That(t, "that the socket is watched", isWatched)
		send()
		if err := <-received; err != nil {
			t.Fatal(err)
		}
		// The datagram that was waited for is the first one that was found.
		for i := 1; i < unwatchAfter; i++ {
			if !isWatched() {
				t.Fatalf("not watched after %d batches, want %d", i, unwatchAfter)
			}
			send()
			await.That(t, "that the datagram is there", func() bool {
				n, err := unix.IoctlGetInt(port.fd, unix.SIOCINQ)
				return err != nil || n > 0
			})
			if err := recv(); err != nil {
				t.Fatal(err)
			}
		}
		if isWatched() {
			t.Fatalf("watched after %d batches without waiting", unwatchAfter)
		}
	}
}
