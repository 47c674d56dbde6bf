package netlab

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/peertest"
)

var allFaults = flag.Bool("all-faults", false, "run Zonemaster for each fault of the table")

// zonemaster returns the tags that Zonemaster has for a zone with the servers, by level.
func (l *Lab) zonemaster(t *testing.T, zone string, servers []string) map[string][]string {
	t.Helper()
	args := []string{"--hints", l.Hints(), "--level", "WARNING", "--json", "--raw", "--no-progress", "--no-time"}
	for _, s := range servers {
		name, addr, _ := strings.Cut(s, "/")
		name = strings.TrimSuffix(name, ".")
		if addr != "" {
			name += "/" + addr
		}
		args = append(args, "--ns", name)
	}
	out, err := l.Run(t.Context(), Client, peertest.Require(t, "zonemaster-cli"), append(args, strings.TrimSuffix(zone, "."))...)
	if err != nil {
		t.Fatalf("zonemaster-cli %v: %v\n%s", args, err, out)
	}
	var messages []struct{ Level, Tag string }
	if err := json.Unmarshal([]byte(out), &messages); err != nil {
		t.Fatalf("zonemaster-cli %v: %v\n%s", args, err, out)
	}
	tags := make(map[string][]string)
	for _, m := range messages {
		if m.Level == "CRITICAL" {
			m.Level = "ERROR"
		}
		if !slices.Contains(tags[m.Level], m.Tag) {
			tags[m.Level] = append(tags[m.Level], m.Tag)
		}
	}
	for _, list := range tags {
		slices.Sort(list)
	}
	return tags
}

func TestZonemaster(t *testing.T) {
	faults := Faults()
	l := startLab(t, WithFaults("nsd", faults))
	for _, f := range faults {
		t.Run(f.Name, func(t *testing.T) {
			t.Log(l.zonemaster(t, f.Zone, f.Listed))
		})
	}
	_, _ = context.Background, os.Args
}
