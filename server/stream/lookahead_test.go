package stream

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/ptrd/ptrd/server/workertest"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Pipelined queries are looked up ahead as those of a batch are.
func TestPipelinedQueriesArePlain(t *testing.T) {
	seen := 0
	d := &connAnswerer{worker: &worker.Worker{Answerer: aheadAnswerer{seen: &seen}}, view: new(answer.View), ahead: make([]answer.Message, answer.BatchSize)}
	stream := make([]byte, 0, 4096)
	for _, a := range []string{"10.1.0.1", "2001:db8::1", "10.1.255.255"} {
		request, err := servertest.Query(dname.FromAddr(netip.MustParseAddr(a)).String(), dns.TypePTR).Pack()
		if err != nil {
			t.Fatal(err)
		}
		stream = append(stream, workertest.Framed(request)...)
	}
	batch := d.lookAhead(stream)
	if len(batch) != 3 {
		t.Fatalf("%d messages, want 3", len(batch))
	}
	for i := range batch {
		m := &batch[i]
		if q, _ := wire.ReadQuestion(m.Buf[:m.Len], wire.HeaderLen); q.Type != rr.TypePTR || len(m.Buf) < wire.HeaderLen+dname.AddressRoom {
			t.Errorf("message %d: %v, and room for %d octets", i, q, len(m.Buf))
		}
	}
	if seen != 3 {
		t.Errorf("%d messages were looked up ahead", seen)
	}
}

// aheadAnswerer counts what is looked up ahead.
type aheadAnswerer struct {
	worker.Answerer
	seen *int
}

func (a aheadAnswerer) LookAhead(_ *answer.View, batch []answer.Message) { *a.seen += len(batch) }
