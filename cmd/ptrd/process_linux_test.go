package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/server/freeport"
)

// build makes the program as the Makefile does, without C code.
func build(t *testing.T, dir string) string {
	t.Helper()
	bin := filepath.Join(dir, "ptrd")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// place is a directory that every user may enter, with a config in it.
func place(t *testing.T, config string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ptrd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	writeText(t, filepath.Join(dir, "config.yaml"), config)
	return dir
}

// process is a running server.
type process struct {
	*exec.Cmd
	dir string
	log *bytes.Buffer
}

// launch starts the program, through a shell that knows its own process id.
func launch(t *testing.T, dir, bin string, env []string, files ...*os.File) *process {
	t.Helper()
	p := &process{dir: dir, log: &bytes.Buffer{}}
	p.Cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" serve --config "$1"`, bin, filepath.Join(dir, "config.yaml"))
	p.Cmd.Env = append(os.Environ(), env...)
	p.Cmd.ExtraFiles = files
	p.Cmd.Stderr = p.log
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Signal(os.Interrupt) // it may have ended
		p.Wait()
		if t.Failed() {
			t.Logf("log:\n%s", p.log)
		}
	})
	return p
}

// up waits for the server's status.
func (p *process) up(t *testing.T) *daemon.Status {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		s, err := status(filepath.Join(p.dir, "state"))
		if err == nil && s.Ready {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("not up: %v", err)
		}
		<-time.After(10 * time.Millisecond)
	}
}

func mustAnswer(t *testing.T, network, addr string) {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion("25.113.0.203.in-addr.arpa.", dns.TypePTR)
	c := dns.Client{Net: network, Timeout: patience}
	r, _, err := c.Exchange(m, addr)
	if err != nil {
		t.Fatalf("%s %s: %v", network, addr, err)
	}
	if len(r.Answer) != 1 {
		t.Fatalf("%s %s: %v", network, addr, r)
	}
}

const oneZone = `
state_dir: ./state
defaults: {nameservers: [ns1.example.com]}
zones:
  - {prefix: 203.0.113.0/24, ptr: {203.0.113.25: mail.example.com}}
`

// TestDropsRoot starts as root, becomes a user, and can still add a listener on
// a low port.
func TestDropsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give root up")
	}
	port := freeport.Must(t).Port() // which no other process has, nor the addresses with its octets
	first, second := fmt.Sprintf("127.78.%d.%d:53", port>>8, port&255), fmt.Sprintf("127.79.%d.%d:53", port>>8, port&255)
	dir := place(t, fmt.Sprintf("user: nobody\nlisten: {dns: [%q]}", first)+oneZone)
	p := launch(t, dir, build(t, dir), nil)
	s := p.up(t)
	mustAnswer(t, "udp", first)
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`Uid:\t65534\t65534\t65534\t65534`, `CapEff:\t0000000000000400`, `CapPrm:\t0000000000000400`, `NoNewPrivs:\t1`} {
		if !regexp.MustCompile(`(?m)^` + want + `$`).Match(data) {
			t.Errorf("no %q in\n%s", want, data)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 65534 || info.Mode().Perm() != 0o750 {
		t.Errorf("state directory of user %d with mode %v", uid, info.Mode())
	}
	writeText(t, filepath.Join(dir, "config.yaml"), fmt.Sprintf("user: nobody\nlisten: {dns: [%q, %q]}", first, second)+oneZone)
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"reload", "--config", filepath.Join(dir, "config.yaml")}, &out, &errs); code != 0 {
		t.Fatalf("reload: exit %d\n%s%s", code, &out, &errs)
	}
	mustAnswer(t, "udp", second)
	mustAnswer(t, "tcp", second)
}

// TestStateDir: a directory that the user cannot write to is reported with the remedy.
func TestStateDir(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run as another user")
	}
	dir := place(t, "user: nobody\nlisten: {dns: ['127.0.0.1:0']}"+oneZone)
	if err := os.Mkdir(filepath.Join(dir, "state"), 0o755); err != nil {
		t.Fatal(err)
	}
	p := launch(t, dir, build(t, dir), nil)
	if err := p.Wait(); err == nil {
		t.Error("it ran")
	}
	want := dir + "/config.yaml: state_dir: " + dir + "/state cannot be written to by user 65534: permission denied; give this user the directory, or name another one\n"
	if !strings.HasSuffix(p.log.String(), want) {
		t.Errorf("log %s, want %s", p.log, want)
	}
}

// TestActivation passes sockets as systemd does; they are served in addition,
// and without, configured addresses.
func TestActivation(t *testing.T) {
	at := freeport.Must(t)
	addr := at.String()
	udp, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	uf, err := udp.File()
	if err != nil {
		t.Fatal(err)
	}
	defer uf.Close()
	tf, err := tcp.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer tf.Close()
	udp.Close()
	tcp.Close()
	dir := place(t, "listen: {dns: []}"+oneZone)
	bin := build(t, dir)
	for _, config := range []string{"listen: {dns: []}", "listen: {dns: ['127.0.0.1:0']}", "listen: {dns: ['" + addr + "']}"} {
		writeText(t, filepath.Join(dir, "config.yaml"), config+oneZone)
		p := launch(t, dir, bin, []string{"LISTEN_FDS=2"}, uf, tf)
		s := p.up(t)
		if !strings.Contains(strings.Join(s.Listen, " "), addr) {
			t.Errorf("%s: listens on %v, was handed %s", config, s.Listen, addr)
		}
		mustAnswer(t, "udp", addr)
		mustAnswer(t, "tcp", addr)
		p.Process.Signal(syscall.SIGTERM)
		if err := p.Wait(); err != nil {
			t.Fatalf("%s: %v", config, err)
		}
	}
}

// TestNotifies plays the service manager.
func TestNotifies(t *testing.T) {
	dir := place(t, "listen: {dns: ['127.0.0.1:0']}"+oneZone)
	path := filepath.Join(dir, "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	p := launch(t, dir, build(t, dir), []string{"NOTIFY_SOCKET=" + path, "WATCHDOG_USEC=200000"})
	expect := func(pattern string) {
		t.Helper()
		re := regexp.MustCompile(`(?s)^` + pattern + `$`)
		buf := make([]byte, 4096)
		manager.SetReadDeadline(time.Now().Add(patience))
		var seen []string
		for {
			n, err := manager.Read(buf)
			if err != nil {
				t.Fatalf("no %q among %q: %v", pattern, seen, err)
			}
			if re.Match(buf[:n]) {
				return
			}
			seen = append(seen, string(buf[:n]))
		}
	}
	expect("READY=1\nSTATUS=serving 1 zone")
	expect("WATCHDOG=1")
	expect("WATCHDOG=1")
	p.Process.Signal(syscall.SIGHUP)
	expect(`RELOADING=1\nMONOTONIC_USEC=\d+`)
	expect("READY=1\nSTATUS=serving 1 zone")
	writeText(t, filepath.Join(dir, "config.yaml"), "nonsense")
	expect("READY=1\nSTATUS=serving 1 zone; the last reload was refused")
	p.Process.Signal(syscall.SIGTERM)
	expect("STOPPING=1")
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// TestUnits lets systemd read the units.
func TestUnits(t *testing.T) {
	analyze := peertest.Require(t, "systemd-analyze")
	dir := t.TempDir()
	bin, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, name := range []string{"ptrd.service", "ptrd.socket"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "deploy", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		writeText(t, path, strings.ReplaceAll(string(data), "/usr/local/bin/ptrd", bin))
		files = append(files, path)
	}
	out, err := exec.Command(analyze, append([]string{"verify", "--man=no"}, files...)...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "ptrd.") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err = exec.Command(analyze, "security", "--offline=true", "--no-pager", files[0]).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			peertest.Missing(t, fmt.Sprintf("systemd-analyze security does not work offline: %s", exit.Stderr))
		}
		t.Fatal(err)
	}
	m := regexp.MustCompile(`Overall exposure level for ptrd\.service: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("no exposure level in\n%s", out)
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > 2 {
		t.Errorf("exposure level %s, want at most 2.0\n%s", m[1], out)
	}
}

// TestAdminFloodLeavesDNS: where descriptors are few, clients that open many admin
// connections and finish no request take none from DNS, and tcp_clients is what fits.
func TestAdminFloodLeavesDNS(t *testing.T) {
	const openFiles, halves = 320, 1000
	var own syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &own); err != nil || own.Cur < 2*halves {
		t.Skipf("%d open files are too few for this test: %v", own.Cur, err)
	}
	dir := place(t, "listen: {dns: ['127.0.0.1:0'], admin: '127.0.0.1:0', admin_hosts: [ns1.example.com]}"+oneZone)
	bin := build(t, dir)
	limited := filepath.Join(dir, "limited")
	if err := os.WriteFile(limited, []byte(fmt.Sprintf("#!/bin/sh\nulimit -n %d\nexec %s \"$@\"\n", openFiles, bin)), 0o755); err != nil {
		t.Fatal(err)
	}
	p := launch(t, dir, limited, []string{"GOMAXPROCS=2"})
	s := p.up(t)
	for range halves {
		c, err := net.Dial("tcp", s.Admin)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("GET /metrics HTTP/1.1\r\nHost: loc")); err != nil {
			t.Fatal(err)
		}
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.PID))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(fds); n > 64+64 {
		t.Errorf("%d descriptors are open", n)
	}
	for range 20 {
		mustAnswer(t, "tcp", s.Listen[0])
	}
	scrape := func(host string) int {
		t.Helper()
		r, err := http.NewRequest("GET", "http://"+s.Admin+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for host, want := range map[string]int{s.Admin: 200, "ns1.example.com:9153": 200, "attacker.example": 421} {
		if code := scrape(host); code != want {
			t.Errorf("host %s: %d, want %d", host, code, want)
		}
	}
	p.up(t)
	p.Process.Signal(syscall.SIGTERM)
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if log := p.log.String(); !regexp.MustCompile(`limits\.tcp_clients does not fit .* tcp_clients=1024 used=\d\d open_files=320`).MatchString(log) {
		t.Errorf("the log has nothing of tcp_clients:\n%s", log)
	}
}

// TestUserReads: what the user cannot read at a reload is found out at the start.
func TestUserReads(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run as another user")
	}
	const key = "keys: [{name: k, secret_file: key}]\n"
	for name, mode := range map[string]os.FileMode{"config.yaml": 0o600, "key": 0o600} {
		dir := place(t, "user: nobody\nlisten: {dns: ['127.0.0.1:0']}\n"+key+oneZone)
		writeText(t, filepath.Join(dir, "key"), "c2VjcmV0IG9mIGEgdGVzdCwgd2hpY2ggaXMgbG9uZw==\n")
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		run(t.Context(), []string{"check", "--config", dir + "/config.yaml"}, &out, &errs)
		if want := `warning: user: "nobody", which the server becomes, cannot read ` + dir + "/" + name + "; give this user the right, as with `chgrp GROUP FILE`"; !strings.Contains(out.String(), want) {
			t.Errorf("check prints %s%s, want %s", &out, &errs, want)
		}
		p := launch(t, dir, build(t, dir), nil)
		if err := p.Wait(); err == nil {
			t.Error("it ran")
		}
		for _, want := range []string{dir + `/config.yaml: user: "nobody" cannot read what a reload reads: `, dir + "/" + name + ": the file cannot be read: permission denied", "`chgrp GROUP FILE`"} {
			if !strings.Contains(p.log.String(), want) {
				t.Errorf("log %s, want %s", p.log, want)
			}
		}
	}
}
