package handover

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/peertest"
)

var allFaults = flag.Bool("zonemaster-faults", false, "run Zonemaster for all faults, not only for zones without and some others")

// insideEnv marks the process in a network namespace of its own.
const insideEnv = "PTRD_HANDOVER_NAMESPACE"

var rootAddr = netip.MustParseAddr("11.0.0.53")

// TestZonemaster compares ptrd with Zonemaster: for each fault, both report the same errors, of those
// whose tags this version of Zonemaster knows.
func TestZonemaster(t *testing.T) {
	peertest.RequireRoot(t, "to make a network namespace")
	for _, p := range []string{"ip", "zonemaster-cli"} {
		peertest.Require(t, p)
	}
	args := []string{"-test.run=^TestInside$", "-test.v"}
	if *update {
		args = append(args, "-update")
	}
	if *allFaults {
		args = append(args, "-zonemaster-faults")
	}
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		t.Logf("%s", out)
	case errors.As(err, &exit):
		t.Errorf("%s", out)
	case errors.Is(err, fs.ErrPermission):
		peertest.Missing(t, "cannot make a network namespace: "+err.Error())
	default:
		t.Fatal(err)
	}
}

// usual are the faults that are compared without the flag.
var usual = []string{"ready, NSEC3 and CDS", "NSEC not signed"}

// TestInside is the part of TestZonemaster in the namespace.
func TestInside(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		t.Skip("runs in the namespace that TestZonemaster makes")
	}
	dir := t.TempDir()
	hints := filepath.Join(dir, "hints")
	if err := os.WriteFile(hints, []byte(". 3600000 NS root.example.\nroot.example. 3600000 A "+rootAddr.String()+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	known := knownTags(t)
	var unknown []string
	for _, r := range rules() {
		if r.refuse != 0 && !known[r.tag] && !known[r.also] {
			unknown = append(unknown, r.tag)
		}
	}
	checkSection(t, "not compared", tagList(unknown))
	checkComplete(t, known)

	run(t, "ip", "link", "set", "lo", "up")
	net := &network{}
	net.serve(t, rootAddr)
	compared := map[string]bool{}
	for _, c := range faults() {
		if c.other == "crash" || !*allFaults && !slices.Contains(usual, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			m := c.make()
			for _, a := range m.servers() {
				net.serve(t, a)
			}
			net.model.Store(m)
			src := NewSource(delegation.Options{Hints: []delegation.Server{{Addr: netip.AddrPortFrom(rootAddr, 0)}}})
			f := Collect(t.Context(), m.handover(), src, m.now)
			var got []string
			for _, n := range f.Check(all) {
				if n.Refused == nil {
					continue
				}
				for _, tag := range []string{n.Tag, n.Also} {
					if known[tag] {
						got = append(got, tag)
					}
				}
			}
			want := zonemaster(t, hints, m, f)
			slices.Sort(got)
			got = slices.Compact(got)
			for _, tag := range tagsOf(c.other) {
				if only, isOurs := strings.CutPrefix(tag, "-"); isOurs {
					got = slices.DeleteFunc(got, func(t string) bool { return t == only })
				} else {
					want = slices.DeleteFunc(want, func(t string) bool { return "+"+t == tag })
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("ptrd finds %q, Zonemaster %q", got, want)
			}
			for _, tag := range got {
				compared[tag] = true
			}
		})
	}
	t.Logf("%d tags of errors were compared", len(compared))
}

// checkComplete: each tag of errors has a rule, or the document says why not.
func checkComplete(t *testing.T, known map[string]bool) {
	doc, err := os.ReadFile(rulesDoc)
	if err != nil {
		t.Fatal(err)
	}
	for tag, isError := range known {
		if isError && !strings.Contains(string(doc), "`"+tag+"`") {
			t.Errorf("%s: no rule for %s, and no word why", rulesDoc, tag)
		}
	}
}

// zonemaster returns the tags of all errors of an undelegated test.
func zonemaster(t *testing.T, hints string, m *model, f *Facts) []string {
	args := []string{"--hints", hints, "--level", "NOTICE", "--json", "--raw", "--no-progress", "--no-time"}
	for _, n := range m.names {
		addresses := m.addrs[n]
		if len(addresses) == 0 {
			args = append(args, "--ns", strings.TrimSuffix(n, "."))
		}
		for _, a := range addresses {
			args = append(args, "--ns", fmt.Sprintf("%s/%v", strings.TrimSuffix(n, "."), a))
		}
	}
	for _, d := range f.DS {
		args = append(args, "--ds", fmt.Sprintf("%d,%d,%d,%s", d.KeyTag, d.Algorithm, d.DigestType, d.Digest))
	}
	out := run(t, "zonemaster-cli", append(args, strings.TrimSuffix(m.zone, "."))...)
	var messages []struct {
		Level, Testcase, Tag string
		Args                 map[string]any
	}
	if err := json.Unmarshal([]byte(out), &messages); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var tags []string
	for _, msg := range messages {
		t.Logf("%s: %s %s %v", msg.Level, msg.Testcase, msg.Tag, msg.Args)
		if msg.Level == "ERROR" || msg.Level == "CRITICAL" {
			tags = append(tags, msg.Tag)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// knownTags returns the tags that the installed Zonemaster can report, and that its default profile
// has as errors. The profile has tags that no test reports any more.
func knownTags(t *testing.T) map[string]bool {
	var profile struct {
		Levels map[string]map[string]string `json:"test_levels"`
	}
	if err := json.Unmarshal([]byte(run(t, "zonemaster-cli", "--dump-profile")), &profile); err != nil {
		t.Fatal(err)
	}
	const list = `for ("Basic", Zonemaster::Engine::Test->modules) { print "@$_ " for values %{"Zonemaster::Engine::Test::$_"->metadata} }`
	reported := strings.Fields(run(t, "perl", "-MZonemaster::Engine", "-e", list))
	known := map[string]bool{}
	for module, of := range profile.Levels {
		for tag, level := range of {
			if module == "SYSTEM" || slices.Contains(reported, tag) {
				known[tag] = level == "ERROR" || level == "CRITICAL"
			}
		}
	}
	return known
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.CommandContext(t.Context(), peertest.Require(t, program), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// network serves a model at its addresses, and the root zone.
type network struct {
	model atomic.Pointer[model]
	mu    sync.Mutex
	done  map[netip.Addr]bool
}

// serve makes the address one of this namespace, and answers at it.
func (n *network) serve(t *testing.T, a netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.done[a] {
		return
	}
	if n.done == nil {
		n.done = map[netip.Addr]bool{}
	}
	n.done[a] = true
	args := []string{"address", "add", netip.PrefixFrom(a, a.BitLen()).String(), "dev", "lo"}
	if a.Is6() {
		args = append(args, "nodad")
	}
	run(t, "ip", args...)
	for _, transport := range []string{"udp", "tcp"} {
		started := make(chan struct{})
		s := &dns.Server{
			Addr: netip.AddrPortFrom(a, 53).String(), Net: transport, NotifyStartedFunc: func() { close(started) },
			// The default refuses messages with other than one question, and such.
			MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept },
			Handler: dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
				m := n.model.Load()
				var reply *dns.Msg
				switch {
				case m == nil || len(query.Question) != 1:
				case a == rootAddr:
					reply = m.root(query)
				default:
					reply = m.serve(a, query, transport == "tcp")
				}
				if reply != nil {
					w.WriteMsg(reply)
				}
			}),
		}
		failed := make(chan error, 1)
		go func() { failed <- s.ListenAndServe() }() // until the process ends
		select {
		case <-started:
		case err := <-failed:
			t.Fatal(err)
		}
	}
}
