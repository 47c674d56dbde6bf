package netlab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// Options are what a lab needs besides its scenario.
type Options struct {
	Dir  string // for the files of the hosts, within reach of other users; the caller removes it
	Ptrd string // path of the program
}

// A Lab is a running scenario.
type Lab struct {
	Scenario *Scenario
	options  Options
	machines []*machine
	faulty   []*faultyServer
}

// Start runs a scenario in the namespaces that Isolate made. It returns when all servers
// answer for all their zones.
func Start(ctx context.Context, s *Scenario, o Options) (*Lab, error) {
	if !IsInside() {
		return nil, errors.New("a lab runs in a process that Isolate started")
	}
	l := &Lab{Scenario: s, options: o}
	if err := l.start(ctx); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Lab) start(ctx context.Context) error {
	if err := arrange(); err != nil {
		return err
	}
	if err := os.Chmod(l.options.Dir, 0o755); err != nil {
		return err
	}
	outside, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return err
	}
	defer outside.Close()
	var ports strings.Builder
	for i := range l.Scenario.Hosts {
		h := &l.Scenario.Hosts[i]
		dir := filepath.Join(l.options.Dir, h.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		m, err := newMachine(h, dir, i == 0)
		l.machines = append(l.machines, m)
		if err != nil {
			return err
		}
		file := outside
		if i == 0 {
			file = nil
		} else {
			fmt.Fprintf(&ports, "link set %[1]s master %[2]s\nlink set %[1]s addrgenmode none\nlink set %[1]s up\n", port(i), bridge)
		}
		if err := m.link(file, i); err != nil {
			return err
		}
		if i > 0 { // the kernel would remove it some time after the namespace
			first := l.machines[0]
			first.undo = append(first.undo, func() { first.ip("link delete "+port(i), nil) })
		}
		if err := m.do(func() error { return os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0) }); err != nil {
			return err
		}
		if err := m.cover(l.systemFiles(m.Host), append(m.Dirs, programs[m.Software].dirs...)); err != nil {
			return err
		}
	}
	if err := l.machines[0].ip(ports.String(), nil); err != nil {
		return err
	}
	for _, m := range l.machines {
		for _, z := range l.Scenario.served(m.Name) {
			if z.primary == nil {
				continue
			}
			// A secondary that does not reach its primary waits long for its next try.
			if p, err := l.machine(z.Hosts[0]); err != nil {
				return err
			} else if err := l.await(ctx, p); err != nil {
				return err
			}
		}
		if err := l.launch(m); err != nil {
			return err
		}
	}
	for _, m := range l.machines {
		if err := l.await(ctx, m); err != nil {
			return err
		}
	}
	return os.WriteFile(l.Hints(), []byte(l.Scenario.hints()), 0o644)
}

// systemFiles are the files that make glibc ask the resolver of the lab, and the users that
// mail servers change to.
func (l *Lab) systemFiles(h *Host) map[string]string {
	var servers string
	for i := range l.Scenario.Hosts {
		if h := &l.Scenario.Hosts[i]; h.Software == "unbound" {
			servers += each(h.Addrs(), "nameserver %s\n")
		}
	}
	files := map[string]string{"/etc/resolv.conf": servers, "/etc/nsswitch.conf": "hosts: dns\n"}
	if programs[h.Software].mail {
		files["/etc/resolv.conf"] += mailResolver
		maps.Copy(files, mailUsers)
	}
	return files
}

// launch writes the files of a host and starts its software.
func (l *Lab) launch(m *machine) error {
	switch m.Software {
	case "":
		return nil
	case "faulty":
		f, err := startFaulty(l.Scenario, m)
		l.faulty = append(l.faulty, f)
		return err
	}
	p, ok := programs[m.Software]
	if !ok {
		return fmt.Errorf("host %s: no software %q; there are %v", m.Name, m.Software, slices.Sorted(maps.Keys(programs)))
	}
	files, args := p.configure(l.Scenario, m.Host, m.dir)
	if m.Config != "" {
		files[p.conf] = m.Config
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o640); err != nil {
			return err
		}
	}
	if isRoot() && !p.privileged {
		if err := chown(m.dir, unprivileged); err != nil {
			return err
		}
	}
	executable := p.executable
	if m.Software == "ptrd" {
		executable = l.options.Ptrd
	}
	cmd := m.prepare(executable, args...)
	if p.mail {
		if _, ok := peertest.Find(p.executable); !ok {
			return fmt.Errorf("host %s: %s is not installed; `.ci/unpack %s` unpacks it without installing it", m.Name, m.Software, peertest.Package(p.executable))
		}
		if !isRoot() {
			return fmt.Errorf("host %s: %s needs root, because it changes to other users", m.Name, m.Software)
		}
		program := cmd.Path
		if p.command != "" {
			program = filepath.Join(peertest.Root(program), p.command)
		}
		cmd = m.prepare("sh", append([]string{"-ec", p.setup + "exec \"$0\" \"$@\"", program}, args...)...)
		cmd.Env = append(os.Environ(), peertest.Env(program)...)
	}
	_, err := m.start(cmd, p.privileged)
	return err
}

// chown makes the files of a host those of its user.
func chown(dir string, user int) error {
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, user, user)
	})
}

// startWait is for a loaded machine; otherwise a host needs 0.2 s.
const startWait = time.Minute

// await waits until a host answers for all its zones at all its addresses.
func (l *Lab) await(ctx context.Context, m *machine) error {
	if m.Software == "" || m.Software == "faulty" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	if programs[m.Software].mail {
		if err := awaitMail(ctx, m); err != nil {
			log, _ := os.ReadFile(filepath.Join(m.dir, "log"))
			return fmt.Errorf("%s on host %s does not answer: %w\n%s", m.Software, m.Name, err, log)
		}
		return nil
	}
	zones := l.Scenario.served(m.Name)
	if len(zones) == 0 {
		zones = []service{{Zone: &Zone{}}}
	}
	for i, a := range m.Addrs() {
		if i > 0 { // of a server that has started, the other addresses are a matter of one question
			zones = zones[:1]
		}
		for _, z := range zones {
			if err := awaitZone(ctx, m, a, z.Apex); err != nil {
				log, _ := os.ReadFile(filepath.Join(m.dir, "log"))
				return fmt.Errorf("%s on host %s does not answer at %s for %q: %w\n%s", m.Software, m.Name, a, z.Apex, err, log)
			}
		}
	}
	return nil
}

// awaitZone waits for an authoritative answer with the SOA, or without a zone for any answer.
func awaitZone(ctx context.Context, m *machine, server netip.Addr, apex string) error {
	c := dns.Client{Timeout: time.Second}
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(apex), dns.TypeSOA)
	for {
		r, _, err := c.ExchangeContext(ctx, q, netip.AddrPortFrom(server, 53).String())
		if err == nil && (apex == "" || r.Authoritative && len(r.Answer) > 0) {
			return nil
		}
		select {
		case <-m.procs[len(m.procs)-1].ended:
			return errors.New("it has ended")
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(5 * time.Millisecond): // between two tries
		}
	}
}

// Hints returns the path of the root hints.
func (l *Lab) Hints() string { return filepath.Join(l.options.Dir, "root.hints") }

func (l *Lab) machine(name string) (*machine, error) {
	for _, m := range l.machines {
		if m.Name == name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no host %q in the lab", name)
}

// Run runs a command on a host and returns what it prints. The command "ptrd" is the
// program of Options.
func (l *Lab) Run(ctx context.Context, host, program string, args ...string) (string, error) {
	m, err := l.machine(host)
	if err != nil {
		return "", err
	}
	if program == "ptrd" {
		program = l.options.Ptrd
	}
	return m.output(ctx, m.prepare(program, args...))
}

// Threads returns the number of the thread that is in the namespaces of each host.
func (l *Lab) Threads() map[string]int {
	out := make(map[string]int)
	for _, m := range l.machines {
		out[m.Name] = m.tid
	}
	return out
}

// Restart writes the files of a host again, after a change of the scenario, and restarts its
// software.
func (l *Lab) Restart(ctx context.Context, host string) error {
	m, err := l.machine(host)
	if err != nil {
		return err
	}
	for _, p := range m.procs {
		p.stop()
	}
	m.procs = nil
	if err := l.launch(m); err != nil {
		return err
	}
	return l.await(ctx, m)
}

// Close stops all hosts.
func (l *Lab) Close() {
	for _, f := range l.faulty {
		f.close()
	}
	for _, m := range l.machines {
		m.close()
	}
}
