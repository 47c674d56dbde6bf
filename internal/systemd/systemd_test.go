package systemd

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func environment(m map[string]string) Environment {
	return func(k string) string { return m[k] }
}

func TestNotify(t *testing.T) {
	dir, err := os.MkdirTemp("", "ptrd") // short, unlike a test's own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skipf("no Unix datagram sockets here: %v", err)
	}
	defer manager.Close()
	n, err := NewNotifier(environment(map[string]string{
		"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": strconv.Itoa(os.Getpid()),
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if d := n.Interval(); d != 15*time.Second {
		t.Errorf("interval %v, want half of 30 s", d)
	}
	buf := make([]byte, 256)
	for _, tt := range []struct {
		states []string
		want   string
	}{
		{[]string{Ready, Status("serving 3 zones\nhere")}, "READY=1\nSTATUS=serving 3 zones here"},
		{[]string{Reloading(1500 * time.Microsecond)}, "RELOADING=1\nMONOTONIC_USEC=1500"},
		{[]string{Stopping}, "STOPPING=1"},
	} {
		if err := n.Send(tt.states...); err != nil {
			t.Fatal(err)
		}
		k, err := manager.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(buf[:k]); got != tt.want {
			t.Errorf("sent %q, want %q", got, tt.want)
		}
	}
}

func TestNoManager(t *testing.T) {
	env := environment(map[string]string{"WATCHDOG_USEC": "30000000"})
	n, err := NewNotifier(env)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Send(Ready); err != nil {
		t.Error(err)
	}
	if n.Interval() != 0 {
		t.Error("a watchdog without a manager")
	}
	s, err := Activated(env)
	if err != nil || len(s.Files) != 0 {
		t.Errorf("sockets %v, error %v from nobody", s, err)
	}
	if _, err := NewNotifier(environment(map[string]string{"NOTIFY_SOCKET": filepath.Join(t.TempDir(), "none")})); err == nil {
		t.Error("no error for a socket that is not there")
	}
}

// TestActivated starts this test binary again with two sockets as a service
// manager passes them.
func TestActivated(t *testing.T) {
	if os.Getenv("PTRD_TEST_ACTIVATED") == "1" {
		env := func(k string) string {
			if k == "LISTEN_PID" {
				return strconv.Itoa(os.Getpid()) // the manager knows it after fork, a test does not
			}
			return os.Getenv(k)
		}
		s, err := Activated(env)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i, a := range s.Addrs {
			t.Logf("passed %s at %v", s.Files[i].Name(), a)
		}
		return
	}
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	uf, err := udp.File()
	if err != nil {
		t.Skipf("sockets cannot be passed here: %v", err)
	}
	defer uf.Close()
	tf, err := tcp.File()
	if err != nil {
		t.Fatal(err)
	}
	defer tf.Close()
	run := func(n int, files ...*os.File) (string, error) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestActivated$", "-test.v")
		cmd.Env = append(os.Environ(), "PTRD_TEST_ACTIVATED=1", "LISTEN_FDS="+strconv.Itoa(n))
		cmd.ExtraFiles = files
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run(2, uf, tf)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"passed activated socket 1 at " + udp.LocalAddr().String(), "passed activated socket 2 at " + tcp.Addr().String()} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if out, err := run(1, file); err == nil || !strings.Contains(out, "socket 1 of 1 that the service manager passed: it is neither UDP nor listening TCP") {
		t.Errorf("a file in place of a socket: %v\n%s", err, out)
	}
}
