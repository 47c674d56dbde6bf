//go:build linux

// The command netlab runs a lab until it is interrupted, and removes it.
//
//	netlab [-scenario NAME] [-provider bind|nsd|knot] [-ptrd PATH] [-dir DIR] [up]
//	netlab down
//	netlab send SERVER CUSTOMER
//	netlab send SERVER ADDRESS HELO DOMAIN
//
// The scenario "mail" has customers with at most one fault, whose mail "send" sends on the host sender.
//
// The directory has the files of the hosts, the root hints, and the script "in", which runs
// commands on a host.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ptrd/ptrd/internal/netlab"
)

func main() {
	var c lab
	flag.StringVar(&c.dir, "dir", filepath.Join(os.TempDir(), "ptrd-lab-"+strconv.Itoa(os.Getuid())), "directory of the lab")
	flag.StringVar(&c.ptrd, "ptrd", "./ptrd", "path of ptrd")
	flag.StringVar(&c.scenario, "scenario", "base", "what runs: "+strings.Join(slices.Sorted(maps.Keys(netlab.Scenarios())), " or "))
	flag.StringVar(&c.provider, "provider", "bind", "software of the provider: bind, nsd or knot")
	flag.Parse()
	var err error
	switch verb := flag.Arg(0); {
	case netlab.IsInside():
		err = c.inside()
	case verb == "down":
		err = c.down()
	case verb == "" || verb == "up":
		err = c.up()
	case verb == "send":
		err = send(flag.Arg(1), flag.Args()[min(2, flag.NArg()):])
	default:
		err = fmt.Errorf("unknown command %q; there are up, down and send", verb)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "netlab:", err)
		os.Exit(1)
	}
}

// lab is the lab of one directory.
type lab struct{ dir, ptrd, scenario, provider string }

// make returns the scenario.
func (c *lab) make() (*netlab.Scenario, error) {
	s, ok := netlab.Scenarios()[c.scenario]
	if !ok {
		return nil, fmt.Errorf("unknown scenario %q; see -h", c.scenario)
	}
	return s(c.provider), nil
}

// pidFile has the process outside. Its lock is held while the lab runs, so that a process
// number that belongs to another program by now is noticed.
func (c *lab) pidFile() string { return filepath.Join(c.dir, "pid") }

// lock takes the lock of the directory, which a running lab has.
func (c *lab) lock() (*os.File, error) {
	f, err := os.OpenFile(c.pidFile(), os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, errRunning
	}
	return f, nil
}

var errRunning = errors.New("a lab runs; `make lab-down` stops it")

// up runs the lab until a signal.
func (c *lab) up() error {
	var err error
	if c.ptrd, err = filepath.Abs(c.ptrd); err != nil {
		return err
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return err
	}
	f, err := c.lock()
	if err != nil {
		return err
	}
	defer f.Close()
	// A crash may have left files of an earlier lab; its processes ended with it.
	if err := c.clear(); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	if _, err := fmt.Fprintln(f, os.Getpid()); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	ready, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer ready.Close()
	runtime.LockOSThread() // the lab ends with the thread
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "-dir", c.dir, "-ptrd", c.ptrd, "-provider", c.provider, "-scenario", c.scenario)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{write}
	netlab.Isolate(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("no network namespace can be made: %w", err)
	}
	write.Close()
	threads, err := io.ReadAll(ready)
	if err == nil && len(threads) > 0 {
		if err = c.describe(cmd.Process.Pid, string(threads)); err != nil {
			stop() // which ends the lab
		}
	}
	if waited := cmd.Wait(); ctx.Err() == nil {
		err = errors.Join(err, waited)
	}
	return err
}

// inside starts the lab in the namespaces and reports the thread of each host.
func (c *lab) inside() error {
	ready := os.NewFile(3, "ready")
	unix.CloseOnExec(3) // else the servers would have it too
	s, err := c.make()
	if err != nil {
		return err
	}
	l, err := netlab.Start(context.Background(), s, netlab.Options{Dir: c.dir, Ptrd: c.ptrd})
	if err != nil {
		return err
	}
	for name, tid := range l.Threads() {
		fmt.Fprintln(ready, name, tid)
	}
	ready.Close()
	select {} // until the process outside ends this one, and so all others here
}

// down stops a running lab, and removes what one that crashed has left.
func (c *lab) down() error {
	if _, err := os.Stat(c.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	f, err := c.lock()
	if errors.Is(err, errRunning) {
		b, err := os.ReadFile(c.pidFile())
		if err != nil {
			return err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return fmt.Errorf("%s: %w", c.pidFile(), err)
		}
		if f, err = os.Open(c.pidFile()); err != nil {
			return err
		}
		defer f.Close()
		if err := unix.Kill(pid, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil { // until it has ended
			return err
		}
	} else if err != nil {
		return err
	} else {
		defer f.Close()
	}
	if err := c.clear(); err != nil {
		return err
	}
	return os.RemoveAll(c.dir)
}

// clear removes the files in the directory but for the one that is locked. A directory with
// other files is not one of a lab.
func (c *lab) clear() error {
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the lab has removed it
	} else if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(c.dir, netlab.Client)); len(entries) > 1 && err != nil {
		return fmt.Errorf("%s has files that are not a lab's; remove them, or use another -dir", c.dir)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(c.pidFile()) {
			if err := os.RemoveAll(filepath.Join(c.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// describe writes the script "in" and prints what runs where. The lines of threads have, for
// each host, its thread as it is numbered inside.
func (c *lab) describe(pid int, threads string) error {
	outside, err := numbers(pid)
	if err != nil {
		return err
	}
	var hosts strings.Builder
	for line := range strings.Lines(threads) {
		f := strings.Fields(line)
		fmt.Fprintf(&hosts, "%s) thread=%s ;;\n", f[0], outside[f[1]])
	}
	user := ""
	if os.Geteuid() != 0 {
		user = " -U --preserve-credentials"
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	script := fmt.Sprintf(`#!/bin/sh
# usage: in HOST [COMMAND...]: runs a command, or a shell, on a host of the lab
case "$1" in
%s*) echo "usage: $0 HOST [COMMAND...]" >&2; exit 2 ;;
esac
shift
[ $# -gt 0 ] || set -- "${SHELL:-sh}"
PATH=%q:$PATH
export PATH
exec nsenter -t $thread -n -m -p%s --wdns="$PWD" -- "$@"
`, hosts.String(), filepath.Dir(c.ptrd)+":"+filepath.Dir(self), user)
	in := filepath.Join(c.dir, "in")
	if err := os.WriteFile(in, []byte(script), 0o755); err != nil {
		return err
	}
	s, err := c.make()
	if err != nil {
		return err
	}
	for _, h := range s.Hosts {
		if h.Name == "root" {
			h.Names = h.Names[:1] // of thirteen, known to all resolvers
		}
		software := h.Software
		if software == "" {
			software = "-"
		}
		fmt.Printf("%-9s %-8s %s\n", h.Name, software, h.About)
		for _, n := range h.Names {
			fmt.Printf("%18s", "")
			if n.Name != "" {
				fmt.Printf(" %-23s", n.Name)
			}
			for _, a := range n.Addrs {
				fmt.Printf(" %s", a)
			}
			if n.Fault != "" {
				fmt.Printf(" (%s)", n.Fault)
			}
			if n.About != "" {
				fmt.Printf("  %s", n.About)
			}
			fmt.Println()
		}
	}
	if c.scenario == "mail" {
		fmt.Printf(`
Send mail of a customer, as ptr-missing, and find out why a mail server rejects it:

    %[1]s sender netlab send postfix ptr-missing
    %[1]s client ptrd doctor --ip 11.4.123.25 --helo mail.ptr-missing.example --domain ptr-missing.example
`, in)
	}
	fmt.Printf(`
Files are in %[1]s, a directory a host. Run commands on a host, or a shell:

    %[2]s client dig -x 11.4.7.25
    %[2]s client ptrd handover 11.4.7.0/24 --ns ns1.customer.example --ns ns2.customer.example
    %[2]s client zonemaster-cli --hints %[1]s/root.hints 7.4.11.in-addr.arpa
    %[2]s ns1

After a change of zone files, servers read them again on a signal:

    %[2]s client pkill -HUP 'named|nsd|knotd'

Ctrl-C or `+"`make lab-down`"+` removes everything.
`, c.dir, in)
	return nil
}

// send sends mail to a mail server, of a customer of the scenario "mail" from each of its
// addresses, or with another ADDRESS HELO DOMAIN, and prints the replies.
func send(server string, args []string) error {
	hosts := netlab.WithMail("bind", nil, netlab.Receivers...).Hosts
	i := slices.IndexFunc(hosts, func(h netlab.Host) bool { return h.Name == server })
	mails, err := mailsOf(args)
	if err != nil || i < 0 || !slices.Contains(netlab.Receivers, server) {
		return fmt.Errorf("usage: send SERVER CUSTOMER, or send SERVER ADDRESS HELO DOMAIN: SERVER is one of %v, CUSTOMER one that the start of the lab has printed", netlab.Receivers)
	}
	for _, m := range mails {
		refusal, err := m.Send(context.Background(), &hosts[i])
		if err != nil {
			return err
		}
		fmt.Printf("%v: %s\n", m.From, cmp.Or(refusal, "accepted"))
	}
	return nil
}

// mailsOf returns the mails that arguments of send describe.
func mailsOf(args []string) (mails []netlab.Mail, err error) {
	if len(args) == 3 {
		from, err := netip.ParseAddr(args[0])
		return []netlab.Mail{{From: from, HELO: args[1], MailFrom: args[2]}}, err
	}
	for _, f := range netlab.MailFaults() {
		for _, a := range f.Addrs() {
			if slices.Equal(args, []string{f.Name}) {
				mails = append(mails, f.Mail(a))
			}
		}
	}
	if mails == nil {
		err = errors.New("no such customer")
	}
	return mails, err
}

// numbers maps the numbers that threads have inside to those outside.
func numbers(pid int) (map[string]string, error) {
	tasks := fmt.Sprintf("/proc/%d/task", pid)
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(tasks, e.Name(), "status"))
		if err != nil {
			continue // a thread that has ended
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "NSpid:" {
				out[f[len(f)-1]] = e.Name()
			}
		}
	}
	return out, nil
}
