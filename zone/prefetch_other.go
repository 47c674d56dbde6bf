//go:build !amd64 && !arm64

package zone

import "unsafe"

// prefetch does nothing where no instruction for it is known.
func prefetch(unsafe.Pointer, uintptr) {}
