package udp

import "sync/atomic"

// Drops is how many of a kernel socket's drops are counted. Those who share
// the socket share it, and it lasts as long as the socket: the kernel counts on
// while an inherited one is not listened on.
type Drops struct{ counted atomic.Uint32 }

// advance takes the kernel's count, which goes round, and returns by how many it is
// ahead of what is counted. A count that another worker was told later is not.
func (d *Drops) advance(count uint32) uint64 {
	for {
		counted := d.counted.Load()
		if int32(count-counted) <= 0 {
			return 0
		}
		if d.counted.CompareAndSwap(counted, count) {
			return uint64(count - counted)
		}
	}
}
