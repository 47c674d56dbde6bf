package netlab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ptrd/ptrd/internal/peertest"
)

// A machine is a running Host: a thread that is in the host's namespaces, where what must be
// done on the host is done, and the processes that it started.
type machine struct {
	*Host
	dir   string
	tid   int
	calls chan func()
	procs []*process
	first bool     // whose namespaces do not vanish with the thread
	undo  []func() // what was done to them
}

// newMachine starts the thread of a host. The first host is the first process itself: it
// has the bridge, and its address is on it.
func newMachine(h *Host, dir string, first bool) (*machine, error) {
	m := &machine{Host: h, dir: dir, first: first, calls: make(chan func())}
	ready := make(chan error)
	go m.serve(ready)
	return m, <-ready
}

// serve is the thread of the host. It ends with it, and the namespaces with the thread.
func (m *machine) serve(ready chan<- error) {
	runtime.LockOSThread()
	m.tid = unix.Gettid()
	if m.tid == os.Getpid() {
		// The main thread stands for the process in /proc, and does not end.
		started := make(chan error)
		go m.serve(started)
		err := <-started
		runtime.UnlockOSThread()
		ready <- err
		return
	}
	if !m.first {
		if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
			ready <- fmt.Errorf("namespaces of %s: %w", m.Name, err)
			return
		}
	}
	ready <- nil
	for call := range m.calls {
		call()
	}
}

// do runs f on the thread of the host: sockets that it opens and processes that it starts
// are the host's.
func (m *machine) do(f func() error) error {
	done := make(chan error)
	m.calls <- func() { done <- f() }
	return <-done
}

// link connects host n to the bridge in the namespace outside, which its port is moved to.
// Without one, this is the first host, which makes the bridge.
func (m *machine) link(outside *os.File, n int) error {
	var b strings.Builder
	dev := "eth0"
	if outside == nil {
		dev = bridge
		m.undo = append(m.undo, func() { m.ip("link delete "+bridge, nil) })
		fmt.Fprintf(&b, "link add %s type bridge forward_delay 0 mcast_snooping 0\n", bridge)
	} else {
		fmt.Fprintf(&b, "link add eth0 type veth peer name %s netns /proc/self/fd/3\n", port(n))
	}
	// Every address of the lab is on the link: no routers. Addresses are usable at once.
	fmt.Fprintf(&b, "link set lo up\nlink set %s addrgenmode none\nlink set %s up\n", dev, dev)
	for _, a := range m.Addrs() {
		if a.Is4() {
			fmt.Fprintf(&b, "address add %s/32 dev %s\n", a, dev)
		} else {
			fmt.Fprintf(&b, "address add %s/128 dev %s nodad\n", a, dev)
		}
	}
	fmt.Fprintf(&b, "route add 0.0.0.0/0 dev %s\nroute add ::/0 dev %s\n", dev, dev)
	return m.ip(b.String(), outside)
}

// bridge is the device that connects the hosts, and port that of a host on it.
const bridge = "lab0"

func port(n int) string { return fmt.Sprintf("port%d", n) }

// ip runs a batch of commands of iproute2 on the host.
func (m *machine) ip(batch string, file *os.File) error {
	program, _ := peertest.Find("ip")
	return m.do(func() error {
		cmd := exec.Command(program, "-batch", "-")
		if file != nil {
			cmd.ExtraFiles = []*os.File{file}
		}
		return command(cmd, batch)
	})
}

// cover puts files and directories in the place of others, for this host only.
func (m *machine) cover(files map[string]string, dirs []string) error {
	for path, text := range files {
		own := filepath.Join(m.dir, filepath.Base(path))
		if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
			return err
		}
		if err := m.bind(own, path); err != nil {
			return err
		}
	}
	for _, path := range dirs {
		own := filepath.Join(m.dir, "dirs", path)
		if err := os.MkdirAll(own, 0o755); err != nil {
			return err
		}
		if err := m.bind(own, path); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) bind(own, path string) error {
	if err := m.do(func() error { return unix.Mount(own, path, "", unix.MS_BIND, "") }); err != nil {
		return fmt.Errorf("%s of %s: %w", path, m.Name, err)
	}
	m.undo = append(m.undo, func() { unix.Unmount(path, unix.MNT_DETACH) })
	return nil
}

// prepare returns a command that runs on the host when it is passed to output or start.
func (m *machine) prepare(program string, args ...string) *exec.Cmd {
	if path, ok := peertest.Find(program); ok {
		program = path
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = m.dir
	return cmd
}

// output runs a command on the host until it ends or the context does, and returns what it
// prints.
func (m *machine) output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := m.do(cmd.Start); err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
	defer stop()
	err := cmd.Wait()
	if ctx.Err() != nil {
		err = fmt.Errorf("%v: %w", cmd.Args, context.Cause(ctx))
	}
	return out.String(), err
}

// A process is a server that runs on a host.
type process struct {
	cmd   *exec.Cmd
	log   string // path
	ended chan struct{}
}

// unprivileged is the user that servers run as, where the lab runs as root: "nobody".
const unprivileged = 65534

// start runs a server of the host in the background, with its output in a file.
func (m *machine) start(cmd *exec.Cmd, privileged bool) (*process, error) {
	p := &process{cmd: cmd, log: filepath.Join(m.dir, "log"), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !privileged && isRoot() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: unprivileged, Gid: unprivileged}
	}
	if err := m.do(cmd.Start); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		cmd.Wait()
	}()
	m.procs = append(m.procs, p)
	return p, nil
}

// stop ends a server and what it started, whose parent is this process then: their sockets are
// closed when it returns.
func (p *process) stop() {
	group := -p.cmd.Process.Pid
	unix.Kill(group, unix.SIGKILL)
	<-p.ended
	for {
		if _, err := unix.Wait4(group, nil, 0, nil); err != nil && err != unix.EINTR {
			return // no child is left
		}
	}
}

// isRoot reports whether this process has other users to switch to.
func isRoot() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && len(strings.Fields(string(b))) == 3 && strings.Fields(string(b))[2] != "1"
}

// close ends the host.
func (m *machine) close() {
	for _, p := range m.procs {
		p.stop()
	}
	if m.first {
		for _, undo := range slices.Backward(m.undo) {
			undo()
		}
	}
	close(m.calls)
}
