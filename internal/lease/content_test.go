package lease

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// TestManyNames: a name of an address that has many costs about what one of an address without another
// costs. Hosts files that block names have hundreds of thousands at 0.0.0.0.
func TestManyNames(t *testing.T) {
	const names, factor = 50_000, 20
	put := func(addr func(i int) netip.Addr) time.Duration {
		start := time.Now()
		c := newContent(noon.Unix())
		for range 2 { // the second time, all are known
			for i := range names {
				c.put(&entry{addr: addr(i), name: fmt.Sprint(i), end: forever}, true)
			}
		}
		if c.count != names {
			t.Fatalf("%d names", c.count)
		}
		i := 0
		for a := range c.entries {
			c.names(a, func(e *entry) {
				if len(c.entries) == 1 && e.name != fmt.Sprint(i) {
					t.Fatalf("name %d is %q", i, e.name)
				}
				i++
			})
		}
		if i != names {
			t.Fatalf("%d names are there", i)
		}
		return time.Since(start)
	}
	one := put(func(int) netip.Addr { return netip.IPv4Unspecified() })
	each := put(func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) })
	if one > factor*each {
		t.Errorf("%d names of one address took %v, of as many addresses %v", names, one, each)
	}
}
