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
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/synth"
)

// BenchmarkBatch is what a UDP worker does from the call that received a batch to
// the call that sends it: PTR of existing names, each another one. `make
// bench-instructions` counts its instructions.
func BenchmarkBatch(b *testing.B) {
	for _, c := range []struct {
		name        string
		log, ranges int
	}{{"PTR", 0, 0}, {"PTR-log-1000", 1000, 0}, {"PTR-made", 0, 1}, {"PTR-made-10000", 0, 10000}} {
		b.Run(c.name, func(b *testing.B) {
			batch := answerBatch(b, c.log, c.ranges)
			b.ReportAllocs()
			for b.Loop() {
				batch()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/answer.BatchSize, "ns/query")
		})
	}
}

// answerBatch returns a function that answers a batch of batchSize; one query of log
// is logged, none if log is 0. The names are stored or, the same, made by the rules of so many
// ranges.
func answerBatch(t testing.TB, log, ranges int) func() {
	const apex = "113.0.203.in-addr.arpa."
	var text strings.Builder
	text.WriteString("$ORIGIN " + apex + "\n@ 3600 SOA ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 300\n@ 3600 NS ns1.example.net.\n")
	for i := range ranges {
		p := netip.MustParsePrefix("203.0.113.0/24")
		if ranges > 1 {
			p = netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113 + byte(i>>6), byte(i << 2)}), 30)
		}
		rule := synth.Rule{Prefix: p, TTL: 3600, Template: "host-{dashed:host}.example.net"}
		data := rule.Append(nil)
		fmt.Fprintf(&text, "%v 3600 TYPE%d \\# %d %x\n", rule.Owner(dname.MustParse(apex)), synth.Type, len(data), data)
	}
	for i := range answer.BatchSize {
		if ranges == 0 {
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
	for _, ranges := range []int{0, 1, 100} {
		if n := testing.AllocsPerRun(100, answerBatch(t, 0, ranges)); n != 0 {
			t.Errorf("%v allocations a batch, %d ranges", n, ranges)
		}
	}
}
