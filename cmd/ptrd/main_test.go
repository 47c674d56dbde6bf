package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/zone"
)

// update rewrites the expectations of scripts, which a person then reads:
// go test ./cmd/ptrd -update
var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

// patience is how long a script waits for what must come. On a loaded machine, each process may stand still
// for seconds.
const patience = time.Minute

// moment is how long one try may take that is repeated, or that must not succeed.
const moment = time.Second

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ptrd": main})
}

// TestScript runs the commands like a user. In addition to the commands of
// testscript there are:
//
//	ready [STATE_DIR]            waits for the server and sets DNS, ADMIN and PID
//	ask [-tcp] [-from IP] [-to ADDR] NAME TYPE
//	                             asks the server and prints what it answers
//	await REGEXP ask|get|ptrd|file ARGS
//	                             does so, or reads the file, until the text matches
//	get PATH                     prints what the admin address answers
//	signal NAME                  sends HUP or another signal to the server
//	replace FILE OLD NEW         changes a text in a file, in place
//	forms ARGS                   runs ptrd with each form of an argument for X
//	code N ARGS                  runs ptrd, whose exit code must be N
//	later FILE FILE              compares the serials of two answers (RFC 1982)
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready":   ready,
			"ask":     ask,
			"await":   await,
			"get":     get,
			"signal":  signalServer,
			"replace": replace,
			"later":   later,
			"forms":   forms,
			"code":    exitCode,
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
	})
}

// exitCode runs a command whose exit code must be N.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N ARGS...")
	}
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec("ptrd", args[1:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// forms runs a command that takes a zone with each form of X.
func forms(ts *testscript.TestScript, _ bool, args []string) {
	const zone, host = "113.0.203.in-addr.arpa", "25.113.0.203.in-addr.arpa"
	refused := regexp.MustCompile("host bits|neither|no zone here|there is no zone|not in the configuration|no records there|name one of them|give one of")
	for what, want := range map[string]string{
		"203.0.113.25": "", "203.0.113.0/24": "", "203.0.113.24/31": "", zone: "", zone + ".": "", host: "", host + ".": "",
		"2001:db8::25": "", "2001:db8::/32": "",
		"203.0.113.25/24": `"203.0.113.25/24" has host bits; write "203.0.113.0/24" for the prefix, or "203.0.113.25/32" for the address`,
		"a..b":            `"a..b" is neither an address, a prefix nor a name: two dots with no label between them`,
	} {
		line := slices.Clone(args)
		line[slices.Index(line, "X")] = what
		var stderr bytes.Buffer
		cmd := exec.Command("ptrd", line...)
		cmd.Dir, cmd.Stderr = ts.MkAbs("."), &stderr
		_ = cmd.Run() // an error that is not about the argument is of no interest here
		if got := stderr.String(); want == "" && refused.MatchString(got) || !strings.Contains(got, want) {
			ts.Fatalf("ptrd %s: %s", strings.Join(line, " "), got)
		}
	}
}

// status asks the server behind a state directory.
func status(stateDir string) (*daemon.Status, error) {
	var buf bytes.Buffer
	if err := control.Call(timeout(moment), control.Path(stateDir), daemon.VerbStatus, nil, &buf); err != nil {
		return nil, err
	}
	var s daemon.Status
	return &s, json.Unmarshal(buf.Bytes(), &s)
}

func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: ready [STATE_DIR]")
	}
	dir := ts.MkAbs("state")
	if len(args) == 1 {
		dir = ts.MkAbs(args[0])
	}
	var s *daemon.Status
	poll(ts, func() (err error) {
		s, err = status(dir)
		if err == nil && !s.Ready {
			err = fmt.Errorf("not ready")
		}
		return err
	})
	ts.Setenv("DNS", s.Listen[0])
	ts.Setenv("ADMIN", s.Admin)
	ts.Setenv("PID", strconv.Itoa(s.PID))
}

// poll tries until there is no error.
func poll(ts *testscript.TestScript, try func() error) {
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("gave up after %v: %v", patience, err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// reply asks once, because servers count questions, and returns the answer as text.
func reply(ts *testscript.TestScript, within time.Duration, args []string) (string, error) {
	c := dns.Client{Net: "udp", Timeout: within}
	to := ts.Getenv("DNS")
	var from string
	fs := flag.NewFlagSet("ask", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	tcp := fs.Bool("tcp", false, "")
	fs.StringVar(&from, "from", "", "")
	fs.StringVar(&to, "to", to, "")
	class := fs.String("class", "IN", "")
	if err := fs.Parse(args); err != nil || fs.NArg() != 2 {
		ts.Fatalf("usage: ask [-tcp] [-from IP] [-to ADDR] [-class CLASS] NAME TYPE")
	}
	if *tcp {
		c.Net = "tcp"
	}
	if from != "" {
		addr, err := netip.ParseAddr(from)
		ts.Check(err)
		if c.Dialer = (&net.Dialer{Timeout: within}); *tcp {
			c.Dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))
		} else {
			c.Dialer.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0))
		}
	}
	name := fs.Arg(0)
	if addr, err := netip.ParseAddr(name); err == nil {
		name, err = dns.ReverseAddr(addr.String())
		ts.Check(err)
	}
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(name), dns.StringToType[fs.Arg(1)])
	m.Question[0].Qclass = dns.StringToClass[*class]
	m.RecursionDesired = false
	m.SetEdns0(1232, false)
	resp, _, err := c.Exchange(m, to)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(dns.RcodeToString[resp.Rcode])
	if resp.Authoritative {
		b.WriteString(" aa")
	}
	if resp.Truncated {
		b.WriteString(" tc")
	}
	b.WriteByte('\n')
	for _, s := range []struct {
		name string
		list []dns.RR
	}{{"answer", resp.Answer}, {"authority", resp.Ns}, {"additional", resp.Extra}} {
		for _, r := range s.list {
			if opt, ok := r.(*dns.OPT); ok {
				for _, o := range opt.Option {
					if e, ok := o.(*dns.EDNS0_EDE); ok {
						fmt.Fprintf(&b, "ede %d %s\n", e.InfoCode, e.ExtraText)
					}
				}
				continue
			}
			fmt.Fprintf(&b, "%s %s\n", s.name, strings.ReplaceAll(r.String(), "\t", " "))
		}
	}
	return b.String(), nil
}

func ask(ts *testscript.TestScript, neg bool, args []string) {
	within := patience
	if neg {
		within = moment
	}
	text, err := reply(ts, within, args)
	if neg {
		if err == nil {
			ts.Fatalf("there was an answer:\n%s", text)
		}
		return
	}
	ts.Check(err)
	ts.Stdout().Write([]byte(text))
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: await REGEXP ask|get|ptrd|file ARGS")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	poll(ts, func() error {
		var text string
		var err error
		switch args[1] {
		case "ask":
			text, err = reply(ts, moment, args[2:])
		case "get":
			text, err = fetch(ts, args[2])
		case "file":
			text = ts.ReadFile(args[2])
		case "ptrd":
			var out, errs bytes.Buffer
			run(context.Background(), inDir(ts, args[2:]), &out, &errs)
			text = out.String() + errs.String()
		default:
			ts.Fatalf("await does not know %q", args[1])
		}
		if err == nil && !re.MatchString(text) {
			err = fmt.Errorf("no %q in:\n%s", args[0], text)
		}
		return err
	})
}

// inDir makes the file after --config absolute: run works in this process.
func inDir(ts *testscript.TestScript, args []string) []string {
	out := append([]string(nil), args...)
	for i := range out {
		if i > 0 && out[i-1] == "--config" {
			out[i] = ts.MkAbs(out[i])
		}
	}
	return out
}

func fetch(ts *testscript.TestScript, path string) (string, error) {
	c := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get("http://" + ts.Getenv("ADMIN") + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.Status + "\n" + string(body), err
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: get PATH")
	}
	text, err := fetch(ts, args[0])
	if neg {
		if err == nil {
			ts.Fatalf("there was an answer:\n%s", text)
		}
		return
	}
	ts.Check(err)
	io.WriteString(ts.Stdout(), text)
}

// later compares the serials in two printed SOA answers.
func later(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: later FILE FILE")
	}
	var serials [2]zone.Serial
	for i, name := range args {
		m := regexp.MustCompile(`SOA \S+ \S+ (\d+) `).FindStringSubmatch(ts.ReadFile(name))
		if m == nil {
			ts.Fatalf("no SOA in %s", name)
		}
		n, err := strconv.ParseUint(m[1], 10, 32)
		ts.Check(err)
		serials[i] = zone.Serial(n)
	}
	if !serials[0].Before(serials[1]) {
		ts.Fatalf("serial %d is not later than %d", serials[1], serials[0])
	}
}

func signalServer(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM, "INT": syscall.SIGINT}
	if neg || len(args) != 1 || signals[args[0]] == 0 {
		ts.Fatalf("usage: signal HUP|TERM|INT")
	}
	pid, err := strconv.Atoi(ts.Getenv("PID"))
	ts.Check(err)
	p, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(p.Signal(signals[args[0]]))
}

func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	path := ts.MkAbs(args[0])
	old := ts.ReadFile(args[0])
	if !strings.Contains(old, args[1]) {
		ts.Fatalf("%s has no %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, []byte(strings.ReplaceAll(old, args[1], args[2])), 0o644))
}

// TestExample checks that the README's and the Makefile's own example is sound.
func TestExample(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"check", "--config", filepath.Join("..", "..", "config.example.yaml")}, &out, &errs); code != 0 {
		t.Errorf("exit %d\n%s%s", code, &out, &errs)
	}
}

func timeout(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	time.AfterFunc(d, cancel)
	return ctx
}
