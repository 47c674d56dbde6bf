package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/peertest"
)

// insideEnv marks the process that runs in a network namespace of its own.
const insideEnv = "PTRD_DAEMON_NAMESPACE"

// TestAbsentAddresses runs TestInsideNamespace in a network namespace, whose addresses and
// interfaces come and go.
func TestAbsentAddresses(t *testing.T) {
	peertest.RequireRoot(t, "to make a network namespace")
	peertest.Require(t, "ip")
	cmd := exec.Command(os.Args[0], "-test.run=^TestInsideNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit):
		t.Errorf("%s", out)
	case errors.Is(err, fs.ErrPermission):
		peertest.Missing(t, "cannot make a network namespace: "+err.Error())
	default:
		t.Fatal(err)
	}
}

func TestInsideNamespace(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		t.Skip("runs in the namespace that TestAbsentAddresses makes")
	}
	ip := func(t *testing.T, args string) {
		t.Helper()
		if out, err := exec.Command(peertest.Require(t, "ip"), strings.Fields(args)...).CombinedOutput(); err != nil {
			if strings.Contains(args, "type bridge") {
				peertest.Missing(t, fmt.Sprintf("ip %s: %s", args, out))
			}
			t.Fatalf("ip %s: %v\n%s", args, err, out)
		}
	}
	ip(t, "link set lo up")
	config := func(listen string) string {
		return fmt.Sprintf("listen: {%s}\nstate_dir: ./state\ndefaults: {nameservers: [ns1.example.com]}\nzones: [{prefix: 192.0.2.0/24, ptr: {192.0.2.1: a.example.com}}]\n", listen)
	}
	until := func(t *testing.T, l *lab, what string, is func() bool) {
		t.Helper()
		for deadline := time.Now().Add(patience); !is(); <-time.After(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain: %s; %+v\n%s", what, l.Status().Absent, l.log)
			}
		}
	}
	answered := func(addr string) func() bool {
		return func() bool {
			m := new(dns.Msg)
			m.SetQuestion("1.2.0.192.in-addr.arpa.", dns.TypePTR)
			c := dns.Client{Timeout: 200 * time.Millisecond}
			r, _, err := c.Exchange(m, addr)
			return err == nil && len(r.Answer) == 1
		}
	}

	t.Run("comes later", func(t *testing.T) {
		l := start(t, shortDir(t), config(`dns: ["127.0.0.1:5300", "192.0.2.7:5300", "[fe80::1%d0]:5300"], admin: "192.0.2.7:9153"`))
		until(t, l, "what is there is answered", answered("127.0.0.1:5300"))
		if n := len(l.Status().Absent); n != 3 {
			t.Errorf("%d addresses wait: %+v", n, l.Status().Absent)
		}
		if ready, why := l.isReady(); !ready {
			t.Errorf("not ready with one address: %s", why)
		}
		ip(t, "addr add 192.0.2.7/32 dev lo")
		until(t, l, "an address that came is answered", answered("192.0.2.7:5300"))
		until(t, l, "the admin address as well", func() bool { return l.Status().Admin == "192.0.2.7:9153" })
		for range 2 { // created, and created again with another number
			ip(t, "link add d0 type bridge")
			ip(t, "link set d0 up")
			ip(t, "addr add fe80::1/64 dev d0 nodad")
			until(t, l, "a link-local address is answered", answered("[fe80::1%d0]:5300"))
			ip(t, "link del d0")
			until(t, l, "the interface is missed", func() bool { return len(l.Status().Absent) == 1 })
		}
		ip(t, "link add d0 type bridge")
		ip(t, "link set d0 up")
		ip(t, "addr add fe80::1/64 dev d0 nodad")
		if l.reload(t); len(l.Status().Absent) > 0 {
			t.Errorf("a reload does not bind an interface that was created again: %+v", l.Status().Absent)
		}
		until(t, l, "a link-local address is answered", answered("[fe80::1%d0]:5300"))
		ip(t, "link del d0")
		ip(t, "addr del 192.0.2.7/32 dev lo")
		if n := strings.Count(l.log.String(), "an address cannot be listened on yet"); n > 12 {
			t.Errorf("%d lines about addresses\n%s", n, l.log)
		}
	})
	t.Run("none is there", func(t *testing.T) {
		l := start(t, shortDir(t), config(`dns: "192.0.2.7:5300"`))
		if ready, why := l.isReady(); ready || !strings.Contains(why, "192.0.2.7:5300") {
			t.Errorf("ready without an address: %v %q", ready, why)
		}
		replace(t, l.dir+"/config.yaml", config(`dns: ["127.0.0.1:5300", "192.0.2.8:5300"]`))
		if o := l.reload(t); !o.InForce || fmt.Sprint(o.Opened, o.Waiting) != "[127.0.0.1:5300] [192.0.2.8:5300]" {
			t.Errorf("%+v", o)
		}
		if ready, why := l.isReady(); !ready {
			t.Errorf("not ready: %s", why)
		}
	})
	t.Run("freebind", func(t *testing.T) {
		l := start(t, shortDir(t), config(`dns: ["192.0.2.9:5300", "[2001:db8::9]:5300"], freebind: true`))
		if s := l.Status(); len(s.Absent) > 0 || len(s.Listen) != 2 {
			t.Errorf("listens on %v, waits for %v", s.Listen, s.Absent)
		}
		ip(t, "addr add 192.0.2.9/32 dev lo")
		until(t, l, "the address is answered", answered("192.0.2.9:5300"))
	})
}
