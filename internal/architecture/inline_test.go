package architecture

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// inlined lists calls of the query path, from the batch a query arrives in to the batch
// its answer leaves in, that the compiler must inline: by file, named as the compiler
// names them. A call with its frame costs about ten instructions, as much as most of
// these functions themselves.
var inlined = map[string][]string{
	"server/udp/udp.go": {
		"answer.(*Views).Load", "worker.(*Sampler).Begin", "worker.(*Sampler).Due", "answer.(*Histogram).Observe", "worker.(*Tally).AddTo",
	},
	"server/answer/respond.go": {"(*Plain).step", "(*Responder).countPlain", "(*Responder).count", "netip.AddrPort.Addr"},
	"server/answer/plain.go": {
		"(*Plain).step", "zone.(*Descent).Status", "zone.(*Descent).PTR", "zone.(*Zone).NegativeSOA", "putRecordHead", "endsInArpa", "wire.PutOPT", "(*Policy).udpSize",
	},
	"zone/descent.go": {
		"rawAt", "raw.add", "raw.aligned", "raw.octet", "raw.octets", "raw.word", "shiftLeft", "mix", "(*table).page", "(*prefix).hash",
		"(*prefixSlot).isOf", "(*prefixSlot).chunkTable", "(*prefixSlot).ttl", "(*Descent).missing", "(*Descent).suffix", "addressNibbles",
	},
	"zone/find.go": {"(*storage).at"},
}

var inlinedCall = regexp.MustCompile(`(?m)^([^:]+):\d+:\d+: inlining call to (.+)$`)

// typeArguments matches type arguments, which the compiler prints as part of the name.
var typeArguments = regexp.MustCompile(`\[.*\]`)

// TestInlining compares the table with what the compiler reports.
func TestInlining(t *testing.T) {
	cmd := exec.Command("go", "build", "-gcflags=-m", "./zone", "./server/...")
	cmd.Dir = repository(t)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	is := map[[2]string]bool{}
	for _, m := range inlinedCall.FindAllSubmatch(out, -1) {
		file := strings.TrimPrefix(filepath.ToSlash(string(m[1])), module) // with -trimpath
		is[[2]string{file, string(typeArguments.ReplaceAll(m[2], nil))}] = true
	}
	for file, calls := range inlined {
		for _, call := range calls {
			if !is[[2]string{file, call}] {
				t.Errorf("%s: no call to %s is inlined; see `go build -gcflags=-m=2` for the reason", file, call)
			}
		}
	}
}
