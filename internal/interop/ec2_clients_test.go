package interop

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// ec2Clients are clients that carry out the commands that they read, one a line, and the zones
// in which each of them sets reverse names.
var ec2Clients = []struct {
	name    string
	zones   string // of the configuration
	hosted  bool   // the reverse zone is a hosted zone
	require func(t *testing.T) (command, env []string)
}{
	{"aws-cli", "[{prefix: 203.0.113.0/24, ptr: {203.0.113.1: gw.example.com}}]", false, func(t *testing.T) (command, env []string) {
		return []string{"sh", "cli.sh"}, []string{"AWS=" + requireAWS(t)}
	}},
	{"boto3", "[{prefix: 203.0.113.0/24, dynamic: }]", false, func(t *testing.T) (command, env []string) {
		return []string{requirePython(t, "boto3"), "boto3_client.py"}, nil
	}},
	{"sdk-js", "[]", true, func(t *testing.T) (command, env []string) {
		node := peertest.Require(t, "node")
		modules := os.Getenv(modulesEnv)
		if _, err := os.Stat(filepath.Join(modules, "@aws-sdk/client-ec2")); modules == "" || err != nil {
			peertest.Missing(t, modulesEnv+" names no directory with @aws-sdk/client-ec2")
		}
		return []string{node, "sdk.js"}, []string{"NODE_PATH=" + modules}
	}},
}

// TestEC2Clients sets and removes the reverse name of an Elastic IP address with unmodified
// clients. After each step the server is killed, and starts again.
func TestEC2Clients(t *testing.T) {
	t.Parallel()
	program := requireBinary(t)
	for _, c := range ec2Clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			command, env := c.require(t)
			e := startElastic(t, program, c.zones)
			e.client(t, command, env)
			const reverse, apex = "65.113.0.203.in-addr.arpa.", "113.0.203.in-addr.arpa."
			if c.hosted {
				e.ok("zone", apex)
			}
			resolver := startUnbound(t, &zoneSet{zones: []setZone{{apex: apex}}}, e.addr)
			id, ip, _ := strings.Cut(e.ok("allocate"), " ")
			if ip != "203.0.113.65" || !strings.HasPrefix(id, "eipalloc-") {
				t.Fatalf("address %s with the id %s", ip, id)
			}
			const name = "mail.example.com."
			zone := e.ok("zone", "example.com.")
			e.refused("InvalidParameterValue", "modify", id, name)
			e.ptr(reverse, "")
			e.ok("address", zone, name, ip)
			e.want(name+" -", "modify", id, name)
			e.ptr(reverse, name)
			e.want(name+" -", "attribute", id)
			if got := askPTR(t, resolver, reverse); got != name {
				t.Errorf("unbound: the PTR is %q", got)
			}
			e.refused("InvalidAddress.PtrSet", "release", id)
			e.ptr(reverse, name)
			e.want("- -", "reset", id)
			e.ptr(reverse, "")
			e.want("", "attribute", id)
			e.want("", "release", id)
			e.want("0", "addresses")
		})
	}
}

// elastic is a server with the APIs of Route 53 and EC2, and a client of them.
type elastic struct {
	*victim
	t            *testing.T
	route53, ec2 netip.AddrPort
	in           io.Writer
	out          *bufio.Reader
}

// startElastic starts a server with these zones.
func startElastic(t *testing.T, program, zones string) *elastic {
	t.Helper()
	e := &elastic{t: t, victim: &victim{name: "server", addr: freePort(t), dir: t.TempDir(), program: program}, route53: freePort(t), ec2: freePort(t)}
	e.config = mustWrite(e.dir, "ptrd.yaml", fmt.Sprintf(`
listen: {dns: [%q], route53: %q, ec2: %q, admin: ""}
state_dir: state
defaults: {nameservers: [ns1.example.net]}
route53: {access_keys: [{id: %s, secret: %q}]}
ec2: {prefixes: [203.0.113.65/32, 203.0.113.66/31]}
zones: %s
`, e.addr, e.route53, e.ec2, apiKey, apiSecret, zones))
	e.endWith(t)
	e.start()
	return e
}

// start starts the server and waits for its APIs, which it serves last.
func (e *elastic) start() {
	e.t.Helper()
	e.launch(e.t)
	for _, addr := range []netip.AddrPort{e.route53, e.ec2} {
		awaitThat(e.t, "the API accepts connections", func() bool {
			c, err := net.Dial("tcp", addr.String())
			if err == nil {
				c.Close()
			}
			return err == nil
		}, e.process)
	}
}

// client starts a client.
func (e *elastic) client(t *testing.T, command, env []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/ec2")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background()) // that of t ends before the client may
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	cmd.Env = append(append(os.Environ(), env...), "AWS_ACCESS_KEY_ID="+apiKey, "AWS_SECRET_ACCESS_KEY="+apiSecret, "AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1",
		"AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=2", "ROUTE53=http://"+e.route53.String(), "EC2=http://"+e.ec2.String())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	endWithParent(cmd)
	cmd.Cancel = func() error { endGroup(cmd.Process); return nil }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.in, e.out = in, bufio.NewReader(out)
	t.Cleanup(func() {
		in.Close()
		defer cancel()
		defer time.AfterFunc(startWait, cancel).Stop()
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("the client ended: %v\n%s", err, stderr.String())
		}
	})
}

// call has the client carry out a command, and kills the server afterwards.
func (e *elastic) call(words ...string) string {
	e.t.Helper()
	line := strings.Join(words, " ")
	if _, err := fmt.Fprintln(e.in, line); err != nil {
		e.t.Fatal(err)
	}
	timer := time.AfterFunc(clientTime, e.kill) // the client fails then
	answer, err := e.out.ReadString('\n')
	timer.Stop()
	if err != nil {
		e.t.Fatalf("%s: %q, %v\n%s", line, answer, err, e.log())
	}
	e.kill()
	e.start()
	return strings.TrimSpace(answer)
}

// ok returns the rest of the answer to what succeeds.
func (e *elastic) ok(words ...string) string {
	e.t.Helper()
	answer := e.call(words...)
	rest, ok := strings.CutPrefix(answer, "ok")
	if !ok {
		e.t.Fatalf("%v: %s\n%s", words, answer, e.log())
	}
	return strings.TrimSpace(rest)
}

func (e *elastic) want(answer string, words ...string) {
	e.t.Helper()
	if got := e.ok(words...); got != answer {
		e.t.Errorf("%v: %q, want %q", words, got, answer)
	}
}

func (e *elastic) refused(code string, words ...string) {
	e.t.Helper()
	if got := e.call(words...); got != "refused "+code {
		e.t.Errorf("%v: %s, want refused %s", words, got, code)
	}
}

// ptr compares the PTR that the server has.
func (e *elastic) ptr(owner, want string) {
	e.t.Helper()
	if got := askPTR(e.t, e.addr, owner); got != want {
		e.t.Errorf("the PTR at %s is %q, want %q", owner, got, want)
	}
}

// askPTR returns the target of a PTR; empty: there is none.
func askPTR(t *testing.T, server netip.AddrPort, owner string) string {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(owner, dns.TypePTR)
	var r *dns.Msg
	awaitThat(t, owner+" PTR is answered", func() (ok bool) { // a resolver may have had no response in its time
		var err error
		r, _, err = (&dns.Client{Net: "tcp", Timeout: exchangeWait}).Exchange(m, server.String())
		return err == nil && r.Rcode != dns.RcodeServerFailure
	})
	switch {
	case len(r.Answer) == 1 && r.Answer[0].Header().Rrtype == dns.TypePTR:
		return r.Answer[0].(*dns.PTR).Ptr
	case r.Rcode == dns.RcodeNameError:
		return ""
	}
	t.Fatalf("the answer of %v about %s:\n%v", server, owner, r)
	return ""
}
