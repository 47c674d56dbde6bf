package rooms

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// inlined are the calls on the way of a question from the batch it came in to the
// batch it goes out in that must cost nothing but what they do: by file, as the
// compiler names them. A call and its frame are some ten instructions, as many as
// most of these have themselves.
var inlined = map[string][]string{
	"server/udp.go": {
		"(*Views).Load", "(*sampler).begin", "(*sampler).due", "(*histogram).observe", "(*tally).addTo",
	},
	"server/respond.go": {"(*Plain).step", "(*Responder).countPlain", "(*Responder).count", "netip.AddrPort.Addr"},
	"server/plain.go": {
		"(*Plain).step", "zone.(*Descent).Status", "zone.(*Descent).PTR", "zone.(*Zone).NegativeSOA", "putRecordHead", "endsInArpa", "wire.PutOPT", "(*Policy).udpSize",
	},
	"zone/descent.go": {
		"rawAt", "raw.add", "raw.aligned", "raw.octet", "raw.octets", "raw.word", "shiftLeft", "mix", "(*table).slot", "(*prefix).hash",
		"(*prefixSlot).isOf", "(*prefixSlot).chunkTable", "(*prefixSlot).ttl", "(*Descent).missing", "(*Descent).suffix", "addressNibbles",
	},
	"zone/find.go": {"(*storage).at"},
}

var inlinedCall = regexp.MustCompile(`(?m)^([^:]+):\d+:\d+: inlining call to (.+)$`)

// typeArguments are what a generic type is made for: to the compiler, a part of its name.
var typeArguments = regexp.MustCompile(`\[.*\]`)

// TestInlining asks the compiler.
func TestInlining(t *testing.T) {
	cmd := exec.Command("go", "build", "-gcflags=-m", "./zone", "./server")
	cmd.Dir = repository(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	is := map[[2]string]bool{}
	for _, m := range inlinedCall.FindAllSubmatch(out, -1) {
		is[[2]string{filepath.ToSlash(string(m[1])), string(typeArguments.ReplaceAll(m[2], nil))}] = true
	}
	for file, calls := range inlined {
		for _, call := range calls {
			if !is[[2]string{file, call}] {
				t.Errorf("%s: no call to %s is inlined any more; see `go build -gcflags=-m=2` for what it costs", file, call)
			}
		}
	}
}
