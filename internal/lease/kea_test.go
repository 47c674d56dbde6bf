package lease

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/peertest"
)

// program starts a program that runs until the end of the test, and returns its output so far.
func program(t *testing.T, dir, path string, args ...string) (output func() string) {
	t.Helper()
	out := new(lockedText)
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(append(os.Environ(), "KEA_PIDFILE_DIR="+dir, "KEA_LOCKFILE_DIR="+dir), peertest.Env(path)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%v:\n%s", cmd.Args, out)
		}
	})
	return out.String
}

// lockedText is a text that several goroutines write.
type lockedText struct {
	mu   sync.Mutex
	text []byte
}

func (l *lockedText) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	return len(b), nil
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// await waits for a condition.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(10 * time.Millisecond) // between two looks
	}
}

// randomFile is a file of Kea with some lines for each of a few addresses.
func randomFile(r *rand.Rand, header string, lines int) string {
	var b strings.Builder
	b.WriteString(header)
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	for range lines {
		valid, end := 3600, noon.Unix()+int64(r.IntN(7200))-3600
		if r.IntN(4) == 0 {
			valid = 0
		}
		name := pick("pc", "pc.example.", "a&#x2cb", "", "&#xc3&#xa9t&#xe9", "x&#x20y") + pick("", "1", "2")
		state := pick("0", "0", "0", "1", "2")
		if header == kea4 {
			fmt.Fprintf(&b, "10.0.0.%d,00:0%d,,%d,%d,1,%s,%s,%s,%s,\n", r.IntN(20), r.IntN(10), valid, end, pick("0", "1"), pick("0", "1"), name, state)
			continue
		}
		kind, bits := pick("0", "0", "1", "2"), "128"
		address := fmt.Sprintf("2001:db8::%d", r.IntN(20))
		if kind == "2" {
			address, bits = fmt.Sprintf("2001:db8:%d::", r.IntN(20)), "48"
		}
		fmt.Fprintf(&b, "%s,00:0%d,%d,%d,1,1800,%s,7,%s,0,0,%s,,%s,,,\n", address, 1+r.IntN(9), valid, end, kind, bits, name, state)
	}
	return b.String()
}

// TestKeaCleanup runs the lease file cleanup of Kea over random files: it leaves the names as they
// were.
func TestKeaCleanup(t *testing.T) {
	lfc := peertest.Require(t, "kea-lfc")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 6 {
		header, option := kea4, "-4"
		if round%2 == 1 {
			header, option = kea6, "-6"
		}
		dir := t.TempDir()
		path := filepath.Join(dir, "leases")
		write(t, path, header)
		write(t, path+".2", randomFile(r, header, r.IntN(60)))
		write(t, path+".1", randomFile(r, header, r.IntN(60)))
		names := func() (out []string) {
			s := prepare(t, New(Options{Now: (&clockAt{noon}).now}), neighbour("kea", path))
			if st := s.Status(); st.Problem != "" || st.Skipped > 0 {
				t.Errorf("%+v", st)
			}
			for _, l := range list(s) {
				out = append(out, l[:strings.LastIndexByte(l, ' ')])
			}
			return out
		}
		before := names()
		cmd := exec.Command(lfc, option, "-x", path+".2", "-i", path+".1", "-o", path+".output", "-f", path+".completed", "-p", path+".pid", "-c", "ignored")
		cmd.Env = append(os.Environ(), "KEA_LOCKFILE_DIR="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if _, err := os.Stat(path + ".1"); err == nil {
			t.Error("the cleanup did not run")
		}
		mustEqual(t, "after "+option, names(), before...)
	}
}

// kea is a running kea-dhcp4 that is asked by its control socket.
type kea struct {
	t      *testing.T
	socket string
	output func() string
}

func (k *kea) ask(command string, arguments any) json.RawMessage {
	k.t.Helper()
	c, err := net.Dial("unix", k.socket)
	if err != nil {
		k.t.Fatalf("%v\n%s", err, k.output())
	}
	defer c.Close()
	if err := json.NewEncoder(c).Encode(map[string]any{"command": command, "arguments": arguments}); err != nil {
		k.t.Fatal(err)
	}
	data, err := io.ReadAll(c)
	var reply struct {
		Result    int
		Text      string
		Arguments json.RawMessage
	}
	if err == nil {
		err = json.Unmarshal(data, &reply)
	}
	if err != nil || reply.Result != 0 && reply.Result != 3 { // 3: there is none
		k.t.Fatalf("%s: %v: %s\n%s", command, err, data, k.output())
	}
	return reply.Arguments
}

func startKea(t *testing.T, dir, path string) *kea {
	t.Helper()
	bin := peertest.Require(t, "kea-dhcp4")
	hooks, _ := filepath.Glob(filepath.Join(peertest.Root(bin), "usr/lib/*/kea/hooks/libdhcp_lease_cmds.so"))
	if len(hooks) == 0 {
		peertest.Missing(t, "kea-dhcp4 has no commands for leases (libdhcp_lease_cmds.so)")
	}
	k := &kea{t: t, socket: filepath.Join(dir, "socket")}
	write(t, filepath.Join(dir, "kea.conf"), fmt.Sprintf(`{"Dhcp4": {
  "interfaces-config": {"interfaces": []},
  "control-socket": {"socket-type": "unix", "socket-name": %q},
  "lease-database": {"type": "memfile", "name": %q, "lfc-interval": 1},
  "hooks-libraries": [{"library": %q}],
  "subnet4": [{"id": 1, "subnet": "10.0.0.0/16", "pools": [{"pool": "10.0.0.1 - 10.0.255.254"}]}],
  "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}]
}}`, k.socket, path, hooks[0]))
	k.output = program(t, dir, bin, "-c", filepath.Join(dir, "kea.conf"))
	await(t, "kea-dhcp4 starts", func() bool {
		c, err := net.Dial("unix", k.socket)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return k
}

// TestKea follows kea-dhcp4, which cleans up its files every second, while it adds, changes and
// deletes leases: in the end the names are those that it has, and no name of a lease that it did not change
// was away.
func TestKea(t *testing.T) {
	dir, err := os.MkdirTemp("", "kea") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "kea-leases4.csv")
	k := startKea(t, dir, path)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	const steady, moving = 50, 20
	lease := func(n int, host string) map[string]any {
		return map[string]any{"ip-address": fmt.Sprintf("10.0.1.%d", n), "hw-address": fmt.Sprintf("52:54:00:00:00:%02x", n), "hostname": host, "subnet-id": 1, "valid-lft": 3600}
	}
	for n := range steady {
		k.ask("lease4-add", lease(n, fmt.Sprintf("steady-%d.example", n)))
	}
	var log lockedText
	x := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Changed: func(_ *Source, addrs []netip.Addr) {
		for _, a := range addrs {
			if b := a.As4(); b[3] < steady {
				t.Errorf("the name of %v changed", a)
			}
		}
	}})
	s := prepare(t, x, neighbour("kea", path))
	ended := make(chan error, 1)
	go func() { ended <- x.Run(t.Context()) }()
	t.Cleanup(func() { <-ended })
	has := map[int]bool{}
	cleanups, last := 0, os.FileInfo(nil)
	for began := time.Now(); cleanups < 2; {
		if time.Since(began) > patience {
			t.Fatalf("only %d cleanups\n%s", cleanups, k.output())
		}
		n := steady + r.IntN(moving)
		switch {
		case !has[n]:
			k.ask("lease4-add", lease(n, fmt.Sprintf("Moving, %d", r.IntN(1000))))
			has[n] = true
		case r.IntN(2) == 0:
			k.ask("lease4-update", lease(n, fmt.Sprintf("moved-%d.example.", r.IntN(1000))))
		default:
			k.ask("lease4-del", map[string]any{"ip-address": fmt.Sprintf("10.0.1.%d", n)})
			has[n] = false
		}
		if info, err := os.Stat(path + ".2"); err == nil && (last == nil || !info.ModTime().Equal(last.ModTime())) {
			cleanups, last = cleanups+1, info
		}
		<-time.After(5 * time.Millisecond) // a server with 200 changes a second
	}
	var all struct {
		Leases []struct {
			Address  string `json:"ip-address"`
			Hostname string
			Start    int64 `json:"cltt"`
			Valid    int64 `json:"valid-lft"`
		}
	}
	if err := json.Unmarshal(k.ask("lease4-get-all", map[string]any{"subnets": []int{1}}), &all); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, l := range all.Leases {
		name, reason := hostName(l.Hostname, s.Domain)
		if reason != "" {
			t.Fatalf("%q: %s", l.Hostname, reason)
		}
		want = append(want, fmt.Sprintf("%s %v %d", l.Address, name, l.Start+l.Valid))
	}
	slices.Sort(want)
	var got []string
	await(t, "the last change", func() bool {
		got = nil
		for l := range s.All() {
			got = append(got, fmt.Sprintf("%v %v %d", l.Addr, l.Name, l.End.Unix()))
		}
		slices.Sort(got)
		return slices.Equal(got, want)
	})
	if st := s.Status(); st.Skipped > 0 || st.Problem != "" || log.String() != "" {
		t.Errorf("%+v\n%s", st, log.String())
	}
}
