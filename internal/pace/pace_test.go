package pace

import (
	"net"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// A computation that has the only processor yields to a reader whose datagram
// has come: within a few calls, without the help of the runtime's monitor, which
// looks every ten milliseconds.
func TestYield(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	sender, err := net.Dial("udp4", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	var got atomic.Int64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 16)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			got.Add(1)
		}
	}()
	p := New()
	defer p.Close()
	for got.Load() == 0 { // the reader waits for the next one after this
		sender.Write([]byte("first"))
		p.Yield()
	}
	const rounds, tries = 200, 3
	late := 0
	for range rounds {
		before := got.Load()
		if _, err := sender.Write([]byte("query")); err != nil {
			t.Fatal(err)
		}
		for range tries {
			if p.Yield(); got.Load() > before {
				break
			}
		}
		if got.Load() == before {
			late++
			for got.Load() == before {
				runtime.Gosched()
			}
		}
	}
	// The monitor may be in the poller at the moment that we are.
	if late > rounds/10 {
		t.Errorf("%d of %d datagrams were not read after yielding %d times", late, rounds, tries)
	}
	conn.Close()
	<-ended
}

// Pause yields once a slice, not at each call.
func TestPause(t *testing.T) {
	p := New()
	defer p.Close()
	now := time.Unix(1, 0)
	p.now = func() time.Time { return now }
	pause := p.Pause()
	for i, step := range []struct {
		span time.Duration
		give bool
	}{{Slice / 2, false}, {Slice / 4, false}, {Slice / 4, true}, {Slice / 2, false}, {Slice, true}} {
		for _, d := range p.wakes { // the next one who yields needs a new one
			d.close()
		}
		p.wakes = nil
		now = now.Add(step.span)
		if pause(); (len(p.wakes) > 0) != step.give {
			t.Errorf("step %d: yielded %v, want %v", i, !step.give, step.give)
		}
	}
}

// Several computations give way at the same time; Close then closes all pipes.
func TestManyAtOnce(t *testing.T) {
	p := New()
	ended := make(chan struct{})
	const many = 8
	for range many {
		go func() {
			for range 100 {
				p.Yield()
			}
			ended <- struct{}{}
		}()
	}
	for range many {
		<-ended
	}
	p.Close()
	if len(p.wakes) != 0 {
		t.Errorf("%d pipes are left", len(p.wakes))
	}
}
