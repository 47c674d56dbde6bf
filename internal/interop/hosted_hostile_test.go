package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/sigv4/sigv4test"
)

// maxHostileMemory bounds the memory of a server, in octets, whose API has MaxConns clients that
// each send the requests that cost most.
const maxHostileMemory = 512 << 20

// TestHostedHostile has clients of the API, some with a key, send requests with octets
// changed, half requests, and the largest bodies that can be, all at the same time. DNS is
// answered on, the API is afterwards, and memory stays bounded.
func TestHostedHostile(t *testing.T) {
	t.Parallel()
	h := newHostedCrash(t, crashSeedOf(t), false)
	h.start()
	id, err := h.api.create("hostile.example.", "1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.api.change(id, []apiEdit{{"CREATE", apiSet{Name: "a.hostile.example.", Type: "A", TTL: 60, Values: []string{"192.0.2.1"}}}}); err != nil {
		t.Fatal(err)
	}
	before, err := h.api.list(id)
	if err != nil {
		t.Fatal(err)
	}
	const clients, requests = 80, 4
	var answered, refused, dropped atomic.Int64
	var wg sync.WaitGroup
	done := make(chan struct{})
	for n := range clients {
		rng := rand.New(rand.NewPCG(h.rng.Uint64(), uint64(n)))
		wg.Go(func() {
			for range requests {
				status, err := h.hostileRequest(rng, id)
				bad := (*broken)(nil)
				switch {
				case errors.As(err, &bad):
					t.Error(bad.error)
				case err != nil:
					dropped.Add(1)
				case status >= http.StatusBadRequest:
					refused.Add(1)
				default:
					answered.Add(1)
				}
			}
		})
	}
	go func() {
		wg.Wait()
		close(done)
	}()
	queries := 0
	for ended := false; !ended; queries++ {
		select {
		case <-done:
			ended = true
		case <-h.server.ended:
			t.Fatalf("the server ended:\n%s", h.server.log())
		default:
		}
		if serial, err := soaSerial(h.server.addr, "hostile.example."); err != nil || serial == 0 {
			t.Fatalf("DNS: serial %d, %v", serial, err)
		}
	}
	after, err := h.api.list(id)
	if err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the zone is %v: %v", after, err)
	}
	if strings.Contains(h.server.log(), "panic") {
		t.Error(h.server.log())
	}
	peak := peakMemory(t, h.server.process)
	t.Logf("%d requests answered, %d refused, %d without a response; %d queries answered; at most %d MiB", answered.Load(), refused.Load(), dropped.Load(), queries, peak>>20)
	if peak > maxHostileMemory || refused.Load() == 0 {
		t.Errorf("%d octets of memory, must be at most %d; %d requests refused", peak, maxHostileMemory, refused.Load())
	}
}

// hostileRequest sends a request and returns the status of its response. The error is a
// *broken if the server failed over it.
func (h *hostedCrash) hostileRequest(rng *rand.Rand, id string) (status int, err error) {
	const open, end = "<ChangeResourceRecordSetsRequest><ChangeBatch>", "</ChangeBatch></ChangeResourceRecordSetsRequest>"
	const most = 2<<20 - 1024
	body := open + "<Changes><Change><Action>CREATE</Action></Change></Changes>" + end
	if rng.IntN(2) == 0 {
		unit := []string{"<a/>", "<!---->", "x<?a?>", "x", "&#65;", "<a b='c'/>"}[rng.IntN(6)]
		body = open + strings.Repeat(unit, most/len(unit)) + end
	}
	r, err := http.NewRequest("POST", fmt.Sprintf("http://%s/2013-04-01/hostedzone/%s/rrset", h.api.addr, id), strings.NewReader(body))
	if err != nil {
		return 0, &broken{err}
	}
	sigv4test.Signer{ID: apiKey, Secret: apiSecret, Service: "route53", Now: time.Now()}.Sign(r, []byte(body))
	raw, err := httputil.DumpRequestOut(r, true)
	if err != nil {
		return 0, &broken{err}
	}
	head := bytes.Index(raw, []byte("\r\n\r\n"))
	switch rng.IntN(4) {
	case 0: // octets changed, which the signature may notice
		for range 1 + rng.IntN(3) {
			raw[rng.IntN(head)] = byte(rng.Uint32())
		}
	case 1: // half of it
		raw = raw[:rng.IntN(len(raw))]
	}
	c, err := net.DialTimeout("tcp", h.api.addr.String(), exchangeWait)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(exchangeWait)) // a connection that is gone says so below
	if _, err := c.Write(raw); err != nil {
		return 0, err
	}
	_ = c.(*net.TCPConn).CloseWrite()
	response, err := io.ReadAll(c)
	if err != nil || len(response) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	if len(response) < len("HTTP/1.1 200") {
		return 0, &broken{fmt.Errorf("the response is %q", response)}
	}
	status, err = strconv.Atoi(string(response[len("HTTP/1.1 "):][:3]))
	if err != nil || status == http.StatusInternalServerError {
		return 0, &broken{fmt.Errorf("the response is %.200q", response)}
	}
	return status, nil
}
