package update

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
)

// A client that may send updates and stops reading its answers stalls those of no other:
// neither their work nor their answers. No time ends it in this test.
func TestDeafClientStallsNoUpdates(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(false)}, parent)
	b.run()
	views := new(answer.Views)
	views.Swap(&answer.View{Zones: b.store.Set(), Policy: new(answer.Policy)})
	s, err := server.New(server.Options{
		Views: views, Update: b.Updater, Listen: server.Addrs{server.DNS: {netip.MustParseAddrPort("127.0.0.1:0")}},
		Limits: server.Limits{
			TCPClients: 10, TCPClientsPer: 10, TCPIdle: time.Hour, TCPWrite: time.Hour, TCPPipeline: 64,
			Transfers: 1, TransfersPer: 1, TransferStall: time.Hour,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	dial := func() *net.TCPConn {
		c, err := net.Dial("tcp", s.Addrs()[server.DNS][0].String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(await.Patience))
		c.(*net.TCPConn).SetReadBuffer(4096)
		return c.(*net.TCPConn)
	}
	message := func(id uint16, owner string) []byte {
		m := encode(t, dname.MustParse(parent), nil, []Record{add(owner, "host.example.")}, false)
		binary.BigEndian.PutUint16(m, id)
		return append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)
	}
	deaf := dial()
	defer deaf.Close()
	go func() {
		for m := message(1, "1."+parent); ; { // until it is closed
			if _, err := deaf.Write(m); err != nil {
				return
			}
		}
	}()
	last, same := uint64(0), 0
	await.That(t, "a client whose answers are queued", func() bool {
		if n := s.Totals().Deferred.Done; n != last || n == 0 {
			last, same = n, 0
		}
		same++
		return same == 100 // nothing moves any more
	})
	honest := dial()
	defer honest.Close()
	for id := range uint16(20) {
		if _, err := honest.Write(message(id, fmt.Sprintf("%d.%s", 100+id, parent))); err != nil {
			t.Fatal(err)
		}
		var head [2 + wire.HeaderLen]byte
		if _, err := io.ReadFull(honest, head[:]); err != nil {
			t.Fatalf("update %d: %v", id, err)
		}
		if _, err := io.CopyN(io.Discard, honest, int64(binary.BigEndian.Uint16(head[:]))-wire.HeaderLen); err != nil {
			t.Fatal(err)
		}
		h, _ := wire.ReadHeader(head[2:])
		if h.ID != id || h.Flags.RCode() != wire.RCodeNoError {
			t.Errorf("update %d: id %d, %v", id, h.ID, h.Flags.RCode())
		}
	}
	if n := s.Totals().Open; n != 2 {
		t.Errorf("%d connections are open, want 2", n)
	}
}
