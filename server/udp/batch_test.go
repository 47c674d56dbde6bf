package udp

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/server/workertest"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/synth"
)

// BenchmarkBatch is what a UDP worker does from the call that received a batch to
// the call that sends it: PTR of existing names, each another one. `make
// bench-instructions` counts its instructions.
func BenchmarkBatch(b *testing.B) {
	for _, c := range []struct {
		name string
		log  int
		made bool
	}{{"PTR", 0, false}, {"PTR-log-1000", 1000, false}, {"PTR-made", 0, true}} {
		b.Run(c.name, func(b *testing.B) {
			batch := answerBatch(b, c.log, c.made)
			b.ReportAllocs()
			for b.Loop() {
				batch()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/answer.BatchSize, "ns/query")
		})
	}
}

// answerBatch returns a function that answers a batch of batchSize; one query of log
// is logged, none if log is 0. The names are stored or, the same, made by a rule.
func answerBatch(t testing.TB, log int, made bool) func() {
	var text strings.Builder
	text.WriteString("$ORIGIN 113.0.203.in-addr.arpa.\n@ 3600 SOA ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 300\n@ 3600 NS ns1.example.net.\n")
	if made {
		rule := synth.Rule{Prefix: netip.MustParsePrefix("203.0.113.0/24"), TTL: 3600, Template: "host-{dashed:host}.example.net"}
		data := rule.Append(nil)
		fmt.Fprintf(&text, "@ 3600 TYPE%d \\# %d %x\n", synth.Type, len(data), data)
	}
	for i := range answer.BatchSize {
		if !made {
			fmt.Fprintf(&text, "%d 3600 PTR host-%d.example.net.\n", i, i)
		}
	}
	r := newMemRun(t, func(o *Options) {
		o.NewAnswerer = nil
		o.Views.Swap(&answer.View{Zones: zone.NewSet().With([]*zone.Zone{servertest.Zone(t, text.String())}, nil), Policy: new(answer.Policy)})
		o.Limits.LogQueries = log
		o.Logger = slog.New(slog.DiscardHandler)
	})
	r.server.Group.Start()
	t.Cleanup(r.server.Group.Stop)
	socket := &countingSocket{memSocket: r.socket}
	r.worker.socket = socket
	msgs := r.socket.msgs
	queries := make([][]byte, len(msgs))
	for i := range queries {
		queries[i] = workertest.FakeQuery(1, fmt.Sprintf("%d.113.0.203.in-addr.arpa", i))
	}
	batch := func() {
		for i := range msgs {
			d := &msgs[i]
			d.Client, d.Local, d.Unfit, d.Len, d.Out = workertest.MemClient, workertest.MemLocal, answer.DropByRespond, copy(d.Buf, queries[i]), 0
		}
		r.worker.answer(msgs)
		if socket.sent != len(msgs) {
			t.Fatalf("%d of %d answered", socket.sent, len(msgs))
		}
	}
	batch()
	for i := range msgs {
		if h, _ := wire.ReadHeader(msgs[i].Buf); h.Flags.RCode() != wire.RCodeNoError || h.Answers != 1 {
			t.Fatalf("response %d has RCODE %v and %d answers, want a PTR record", i, h.Flags.RCode(), h.Answers)
		}
	}
	return batch
}

func TestAnswerBatchAllocatesNothing(t *testing.T) {
	servertest.SkipAllocs(t)
	for _, made := range []bool{false, true} {
		if n := testing.AllocsPerRun(100, answerBatch(t, 0, made)); n != 0 {
			t.Errorf("%v allocations a batch, names made: %v", n, made)
		}
	}
}
