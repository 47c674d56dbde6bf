//go:build bench

package floor

import (
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/internal/loadgen"
	"github.com/ptrd/ptrd/server/await"
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
			r := await.Value(t, "an answer to each query", func() *loadgen.Result {
				select {
				case err := <-ended:
					t.Fatal(err)
				default:
				}
				r, _ := loadgen.Run(t.Context(), o) // perhaps it does not listen yet
				return r
			}, func(r *loadgen.Result) bool { return r != nil && r.Answered == o.Count })
			if r.WrongQuestion+r.Malformed+r.WrongID+r.Duplicates > 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	if err := ServeUDP(netip.MustParseAddrPort("[::1]:1")); err == nil {
		t.Error("an IPv6 address was taken")
	}
}
