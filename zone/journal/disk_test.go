package journal

import (
	"errors"
	"testing"

	"github.com/ptrd/ptrd/internal/faulttest"
	"github.com/ptrd/ptrd/zone"
)

// A disk that fails at any one operation on the files of kept zones, or at all from
// there on, costs the change that needs it, and no other: what Append acknowledged is
// given back, and what it refused is not.
func TestFailingFiles(t *testing.T) {
	for _, stays := range []bool{false, true} {
		for n := 0; ; n++ {
			path := newPath(t)
			d := faulttest.NewDisk(nil)
			j, err := Open(path, Options{Disk: d})
			if err != nil {
				t.Fatal(err)
			}
			acked := zone.Serial(0)
			publish := func(serial byte, ahead bool) {
				z := build(t, "2.0.192.in-addr.arpa", serial)
				if ahead {
					if err := j.PrepareContent(z); err != nil {
						return
					}
				}
				err := j.Append(&zone.Batch{Source: "test", Changes: []zone.Change{{Zone: z, Apex: z.Apex(), Kept: true}}})
				switch {
				case err == nil:
					acked = z.Serial()
				case !errors.Is(err, faulttest.EIO):
					t.Fatalf("operation %d: %v", n, err)
				}
			}
			publish(1, false)
			first := len(d.Ops())
			d.SetFail(faulttest.FailAt(first+n, stays, faulttest.EIO))
			publish(2, false)
			publish(3, true)
			j.Close()
			ops := d.Ops()
			if first+n >= len(ops) {
				if n == 0 || acked != 3 {
					t.Fatalf("%d operations, serial %d", n, acked)
				}
				break
			}
			j = mustOpen(t, path)
			z, ok, err := j.Restore(build(t, "2.0.192.in-addr.arpa", 1).Apex())
			if !ok || err != nil || z.Serial() != acked {
				t.Errorf("operation %v failed: serial %d was acknowledged; restored: %v %v %v", ops[first+n], acked, z, ok, err)
			}
			j.Close()
		}
	}
}
