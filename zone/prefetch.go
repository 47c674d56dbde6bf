//go:build amd64 || arm64

package zone

import "unsafe"

// prefetch lets the processor begin to bring what p points to, and what lies so many
// octets behind it, into its first cache, and waits for nothing. A load would do the same, but the processor can go on for
// some 200 instructions only while one has not ended, which is three steps of a Descent
// and not those of a whole batch. p is not read from: it may point behind anything.
//
//go:noescape
func prefetch(p unsafe.Pointer, more uintptr)
