package platform

import (
	"context"
	"errors"
	"runtime"
	"testing"
)

func TestMemory(t *testing.T) {
	if n := Memory(); n < 0 || n > 0 && n < 16<<20 {
		t.Errorf("%d octets", n)
	}
}

func TestOpenFiles(t *testing.T) {
	if n, ok := OpenFiles(); ok && n < 16 {
		t.Errorf("%d descriptors", n)
	}
}

func TestMonotonic(t *testing.T) {
	before, ok := Monotonic()
	after, _ := Monotonic()
	if ok != (runtime.GOOS == "linux") || after < before {
		t.Errorf("%v, %v; then %v", before, ok, after)
	}
}

// AddressChanges returns when its context ends, and not before.
func TestAddressChangesEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- AddressChanges(ctx, make(chan struct{}, 1)) }()
	cancel()
	if err := <-ended; err != nil && !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
