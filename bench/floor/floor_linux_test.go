//go:build bench

package floor

import (
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/internal/loadgen"
	"github.com/ptrd/ptrd/server/freeport"
)

// TestFloor: everything that is asked comes back, over both transports. The floors go on
// until the test binary ends.
func TestFloor(t *testing.T) {
	source, err := loadgen.NewPrefix(netip.MustParsePrefix("10.0.0.0/8"), 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, serve := range map[string]func(netip.AddrPort) error{"udp": ServeUDP, "tcp": ServeTCP} {
		t.Run(name, func(t *testing.T) {
			at := freeport.Must(t)
			ended := make(chan error, 1)
			go func() { ended <- serve(at) }()
			o := loadgen.Options{Server: at, TCP: name == "tcp", Source: source, Count: 2000, Sockets: 4, Window: 40, UDPSize: 1232}
			for tries := 0; ; tries++ {
				r, err := loadgen.Run(t.Context(), o)
				if err == nil && r.Answered == o.Count {
					if r.WrongQuestion+r.Malformed+r.WrongID+r.Duplicates > 0 {
						t.Errorf("%+v", r)
					}
					return
				}
				select {
				case serr := <-ended:
					t.Fatal(serr)
				default: // perhaps it did not listen yet
				}
				if tries == 10 {
					t.Fatalf("%v, %+v", err, r)
				}
			}
		})
	}
	if err := ServeUDP(netip.MustParseAddrPort("[::1]:1")); err == nil {
		t.Error("an IPv6 address was taken")
	}
}
