package admin

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func testServer(ready, profiles bool) *Server {
	return New(Options{
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "m 1\n") }),
		Ready:   func() (bool, string) { return ready, "2 zones are not loaded yet" },
		Status:  func() any { return map[string]string{"version": "<1>"} },
		Pprof:   func() bool { return profiles },
		Log:     slog.New(slog.DiscardHandler),
	})
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
		testServer(tt.ready, tt.profiles).ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.code || w.Body.String() != tt.body {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.path, w.Code, w.Body, tt.code, tt.body)
		}
	}
	w := httptest.NewRecorder()
	testServer(true, true).ServeHTTP(w, httptest.NewRequest("GET", "/debug/pprof/goroutine?debug=1", nil))
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
