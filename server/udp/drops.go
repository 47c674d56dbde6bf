package udp

import "sync/atomic"

// Drops is how many drops of a kernel socket have been counted. Workers that share the socket
// share it. It lives as long as the socket: the kernel continues to count while nothing listens
// on an inherited one.
type Drops struct{ counted atomic.Uint32 }

// advance returns by how much the kernel's count, which wraps, is ahead of what was counted. It
// returns 0 if another worker has already counted a later one.
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
