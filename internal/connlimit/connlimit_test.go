package connlimit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/await"
)

// start serves with a table of so many places and returns the table and the address.
func start(t *testing.T, most int, h http.Handler) (*Table, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	table := New(most)
	s := &http.Server{Handler: h}
	done := make(chan error)
	go func() { done <- table.Serve(context.Background(), s, ln) }()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return table, ln.Addr().String()
}

// dial connects and sends the start of a request, or a whole one.
func dial(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(await.Patience))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

const half, whole = "GET / HTTP/1.1\r\nHost: l", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

// wantAnswer reads the answer to a whole request.
func wantAnswer(t *testing.T, c net.Conn) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

// wantClosed waits until the server closes the connection.
func wantClosed(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if _, err := c.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Errorf("%s: %v, want it closed", what, err)
	}
}

// Half requests hold no place that another client wants, and connections that were of
// use go last.
func TestHalfRequestsMakeRoom(t *testing.T) {
	const most = 4
	table, addr := start(t, most, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	scraper := dial(t, addr, whole)
	wantAnswer(t, scraper)
	var halves []net.Conn
	for range 100 {
		halves = append(halves, dial(t, addr, half))
		if n := table.Open(); n > most {
			t.Fatalf("%d connections are open, want at most %d", n, most)
		}
	}
	for i, c := range halves[:100-(most-1)] {
		wantClosed(t, fmt.Sprintf("half request %d", i), c)
	}
	if _, err := io.WriteString(scraper, whole); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, scraper)
	wantAnswer(t, dial(t, addr, whole))
}

// A request in work keeps its connection; where all are in work, a new one is closed.
func TestRequestsInWorkStay(t *testing.T) {
	const most = 3
	begun, release := make(chan bool), make(chan bool)
	table, addr := start(t, most, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		begun <- true
		<-release
		fmt.Fprintln(w, "ok")
	}))
	var inWork []net.Conn
	for range most {
		inWork = append(inWork, dial(t, addr, whole))
		<-begun
	}
	wantClosed(t, "one too many", dial(t, addr, ""))
	close(release)
	for _, c := range inWork {
		wantAnswer(t, c)
		c.Close()
	}
	await.Equal(t, "open connections", 0, table.Open)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
