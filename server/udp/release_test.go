package udp

import (
	"runtime"
	"testing"
	"weak"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/workertest"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// A worker that waits for the next batch does not keep a replaced snapshot in
// memory, whatever it was asked before.
func TestReplacedSnapshotIsLetGo(t *testing.T) {
	const text = "$ORIGIN 113.0.203.in-addr.arpa.\n@ 3600 SOA ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 300\n@ 3600 NS ns1.example.net.\n1 3600 PTR host.example.net.\n2 3600 CNAME 1\n"
	r := newMemRun(t, func(o *Options) { o.NewAnswerer = nil })
	r.server.Group.Start()
	t.Cleanup(r.server.Group.Stop)
	z := swapTo(r, servertest.Zone(t, text))
	set, _ := z.Get(z.Apex(), rr.TypeNS)
	data := set.Data()
	data.Next()
	old, oldData := weak.Make(z), weak.Make(&data.Head[0])
	msgs := r.socket.msgs[:3]
	for _, name := range []string{"1.113.0.203.in-addr.arpa", "2.113.0.203.in-addr.arpa", "x.y.113.0.203.in-addr.arpa"} {
		for i := range msgs {
			d := &msgs[i]
			d.Client, d.Local, d.Unfit, d.Len, d.Out = workertest.MemClient, workertest.MemLocal, answer.DropByRespond, copy(d.Buf, workertest.FakeQuery(1, name)), 0
		}
		r.worker.answer(msgs)
		if msgs[0].Out == 0 {
			t.Fatalf("no answer for %s", name)
		}
	}
	buf := make([]byte, 512)
	for _, name := range []string{"1.113.0.203.in-addr.arpa", "2.113.0.203.in-addr.arpa"} { // as TCP does, one by one
		r.worker.worker.Respond(r.server.Views.Load(), &answer.Request{Client: workertest.MemClient, Local: workertest.MemLocal, Transport: answer.TCP}, buf, copy(buf, workertest.FakeQuery(1, name)))
	}
	r.worker.worker.Publish()
	if runtime.GC(); old.Value() == nil {
		t.Fatal("the snapshot is gone while it is served")
	}
	swapTo(r, servertest.Zone(t, text))
	// The stacks of goroutines that were interrupted may have had it for one collection.
	await.That(t, "the worker releases the replaced zone and its data", func() bool {
		runtime.GC()
		return old.Value() == nil && oldData.Value() == nil
	})
	runtime.KeepAlive(r)
}

func swapTo(r *memRun, z *zone.Zone) *zone.Zone {
	r.server.Views.Swap(&answer.View{Zones: zone.NewSet().With([]*zone.Zone{z}, nil), Policy: new(answer.Policy)})
	return z
}
