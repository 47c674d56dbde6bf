package stream

import (
	"testing"

	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/workertest"
	"golang.org/x/sys/unix"
)

// TestAcceptWithoutDescriptors takes all descriptors away from the process:
// accepting rests, closes idle connections, and goes on when there are some.
func TestAcceptWithoutDescriptors(t *testing.T) {
	// One worker: of two, one whose accept failed before could evict what the other accepts afterwards.
	r := serve(t, func(o *Options) { o.Workers = 1 }, "127.0.0.1")
	idle := workertest.Dial(t, r.addr())
	idle.Ask(1, "a.example")
	await.Equal(t, "idle connections", 1, func() int { return r.inPhase(tcpIdle) })
	var clients [2]int // made before there are no descriptors
	for i := range clients {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		clients[i] = fd
	}
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	none := was
	none.Cur = 3
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	to := &unix.SockaddrInet4{Port: int(r.addr().Port()), Addr: r.addr().Addr().As4()}
	for _, fd := range clients {
		if err := unix.Connect(fd, to); err != nil {
			t.Fatal(err)
		}
	}
	await.That(t, "errors", func() bool { return r.Totals().AcceptErrors >= 3 })
	if !idle.IsClosed() {
		t.Error("an idle connection keeps its descriptor")
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	await.That(t, "the waiting connections", func() bool { return r.Totals().Open == len(clients) })
	// Pauses of 5, 10, 20 … ms: a spinning loop would have failed thousands of times.
	if n := r.Totals().AcceptErrors; n > 100 {
		t.Errorf("%d failed accepts", n)
	}
}
