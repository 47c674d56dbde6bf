package admin

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func testServer(ready, profiles bool) *Server {
	return New(Options{
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "m 1\n") }),
		Ready:   func() (bool, string) { return ready, "2 zones are not loaded yet" },
		Status:  func() any { return map[string]string{"version": "<1>"} },
		Pprof:   func() bool { return profiles },
		Hosts:   func() []string { return []string{"ns1.example.com", "my_ptrd"} },
		Log:     slog.New(slog.DiscardHandler),
	})
}

// ours returns a request to the server by its address.
func ours(method, path string) *http.Request {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "192.0.2.1:9153"
	return r
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		method, path    string
		ready, profiles bool
		code            int
		body            string
	}{
		{"GET", "/", true, false, 200, "/metrics\n/healthz\n/readyz\n/status\n"},
		{"GET", "/", true, true, 200, "/metrics\n/healthz\n/readyz\n/status\n/debug/pprof/\n"},
		{"GET", "/metrics", true, false, 200, "m 1\n"},
		{"GET", "/healthz", false, false, 200, "ok\n"},
		{"GET", "/readyz", true, false, 200, "ok\n"},
		{"GET", "/readyz", false, false, 503, "2 zones are not loaded yet\n"},
		{"GET", "/status", true, false, 200, "{\n  \"version\": \"<1>\"\n}\n"},
		{"GET", "/none", true, false, 404, "404 page not found\n"},
		{"GET", "/debug/pprof/", true, false, 404, "profiles are off; `listen.pprof: true` turns them on\n"},
		{"GET", "/debug/pprof/cmdline", true, false, 404, "profiles are off; `listen.pprof: true` turns them on\n"},
		{"POST", "/status", true, false, 405, "the admin address only reads; state is changed by `ptrd reload` and the other commands\n"},
		{"DELETE", "/none", true, false, 405, "the admin address only reads; state is changed by `ptrd reload` and the other commands\n"},
	} {
		w := httptest.NewRecorder()
		testServer(tt.ready, tt.profiles).ServeHTTP(w, ours(tt.method, tt.path))
		if w.Code != tt.code || w.Body.String() != tt.body {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.path, w.Code, w.Body, tt.code, tt.body)
		}
	}
	w := httptest.NewRecorder()
	testServer(true, true).ServeHTTP(w, ours("GET", "/debug/pprof/goroutine?debug=1"))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "goroutine profile") {
		t.Errorf("no profile: %d %q", w.Code, w.Body)
	}
}

func TestServe(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- testServer(true, false).Serve(ctx, ln) }()
	base := "http://" + ln.Addr().String()
	resp, err := http.Head(base + "/status")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("HEAD: %v", resp)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(base); err == nil {
		t.Error("still answering after the end")
	}
}

// A web page whose name was pointed at this address is told nothing; addresses,
// localhost and configured names are ours.
func TestHost(t *testing.T) {
	for host, code := range map[string]int{
		"":                        200, // HTTP/1.0
		"127.0.0.1":               200,
		"127.0.0.1:9153":          200,
		"203.0.113.7:80":          200,
		"[::1]":                   200,
		"[::1]:9153":              200,
		"[fe80::1%25eth0]:9153":   200,
		"localhost":               200,
		"LOCALHOST.:9153":         200,
		"ns1.example.com:9153":    200,
		"NS1.Example.COM.:9153":   200,
		"my_ptrd:9153":            200,
		"attacker.example":        421,
		"attacker.example:9153":   421,
		"127.0.0.1.nip.example":   421,
		"ns1.example.com.evil":    421,
		"x.ns1.example.com":       421,
		"localhost.evil.example":  421,
		"127.0.0.1:9153:evil.com": 421,
		"[::1]evil.example":       421,
	} {
		for _, path := range []string{"/status", "/metrics", "/debug/pprof/cmdline", "/none"} {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			testServer(true, true).ServeHTTP(w, r)
			if refused := w.Code == 421; refused != (code == 421) {
				t.Errorf("%s for host %q: %d", path, host, w.Code)
			}
			if code == 421 && (!strings.Contains(w.Body.String(), "`listen.admin_hosts`") || strings.Contains(w.Body.String(), "version")) {
				t.Errorf("host %q: %q", host, w.Body)
			}
		}
	}
}

// A profile holds its connection for some minutes at most.
func TestProfileHasAnEnd(t *testing.T) {
	for _, seconds := range []string{"1e9", "301", "0", "-1", "NaN", "x"} {
		w := httptest.NewRecorder()
		testServer(true, true).ServeHTTP(w, ours("GET", "/debug/pprof/profile?seconds="+seconds))
		if w.Code != 400 || !strings.Contains(w.Body.String(), "at most 300") {
			t.Errorf("%s seconds: %d %q", seconds, w.Code, w.Body)
		}
	}
}

// Half requests in any number leave the address usable, and headers have an end.
func TestHostileClients(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := testServer(true, false)
	done := make(chan error)
	go func() { done <- s.Serve(ctx, ln) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	get := func() {
		t.Helper()
		resp, err := http.Get("http://" + ln.Addr().String() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	for i := range 1000 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: loc"); err != nil {
			t.Fatal(err)
		}
		if n := s.conns.Open(); n > MaxConns {
			t.Fatalf("%d connections, want at most %d", n, MaxConns)
		}
		if i%100 == 99 {
			get()
		}
	}
	resp, err := http.DefaultClient.Do(&http.Request{Method: "GET", URL: &url.URL{Scheme: "http", Host: ln.Addr().String(), Path: "/metrics"},
		Header: http.Header{"X": {strings.Repeat("x", 64<<10)}}})
	if err == nil && resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("headers of 64 KiB: %s", resp.Status)
	}
	if err == nil {
		resp.Body.Close()
	}
	get()
}
