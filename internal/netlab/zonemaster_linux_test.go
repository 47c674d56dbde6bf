package netlab

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/handover"
	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/zone/finding"
)

// With the flag, Zonemaster tests the zones of all faults, which takes minutes: many of the
// servers let it wait.
var allFaults = flag.Bool("all-faults", false, "run Zonemaster for each fault of the table")

// zonemasterAlways are the faults that Zonemaster tests without the flag.
var zonemasterAlways = []string{"none", "extra-name"}

// TestFaults runs a lab that has a zone for each fault.
func TestFaults(t *testing.T) {
	faults := Faults()
	l := startLab(t, WithFaults("nsd", faults))
	t.Run("walk", func(t *testing.T) { testWalk(t, l, faults) })
	t.Run("handover", func(t *testing.T) { testHandover(t, l, faults) })
}

// testHandover compares what `ptrd handover` and Zonemaster find in each zone before its
// delegation.
func testHandover(t *testing.T, l *Lab, faults []Fault) {
	zonemaster := peertest.Require(t, "zonemaster-cli")
	known := zonemasterTags(t)
	// Most of the time they wait for servers that do not answer: several at once.
	slots := make(chan struct{}, 12)
	handovers, zonemasters := make([]func() (string, error), len(faults)), make([]func() (string, error), len(faults))
	for i, f := range faults {
		handovers[i] = l.runAhead(t, slots, "ptrd", handoverArgs(&f))
		// Zonemaster waits for each octet of a server that sends one a second.
		if (*allFaults || slices.Contains(zonemasterAlways, f.Name)) && f.Server != "trickle" {
			zonemasters[i] = l.runAhead(t, slots, zonemaster, zonemasterArgs(l, &f))
		}
	}
	for i, f := range faults {
		t.Run(f.Name, func(t *testing.T) {
			settle(t, func(again bool) []string {
				if again {
					handovers[i] = l.runAhead(t, slots, "ptrd", handoverArgs(&f))
				}
				return compareHandover(t, &f, handovers[i])
			})
			if zonemasters[i] == nil {
				return
			}
			settle(t, func(again bool) []string {
				if again {
					zonemasters[i] = l.runAhead(t, slots, zonemaster, zonemasterArgs(l, &f))
				}
				if got := zonemasterErrors(t, zonemasters[i]); !slices.Equal(got, strings.Fields(f.Tags)) {
					return []string{fmt.Sprintf("Zonemaster finds %v, want %v", got, f.Tags)}
				}
				return nil
			})
			for tag := range strings.FieldsSeq(f.More) {
				if known[tag] && f.Why == "" {
					t.Errorf("ptrd finds %s, which Zonemaster knows, and does not find", tag)
				}
			}
		})
	}
}

// settle fails a test if there are differences, also when it is tried again, alone. The programs
// give up on a server after some seconds, which can be too short on a loaded machine.
func settle(t *testing.T, differences func(again bool) []string) {
	t.Helper()
	const attempts = 3
	var found []string
	for n := range attempts {
		if found = differences(n > 0); len(found) == 0 {
			return
		}
		t.Logf("at try %d: %s", n+1, strings.Join(found, "\n"))
	}
	t.Errorf("%d tries failed, the last one above", attempts)
}

// runAhead starts a command on the client, when there is a slot, and returns a function that waits
// for its output.
func (l *Lab) runAhead(t *testing.T, slots chan struct{}, program string, args []string) func() (string, error) {
	type result struct {
		out string
		err error
	}
	done := make(chan result, 1)
	go func() {
		slots <- struct{}{}
		defer func() { <-slots }()
		out, err := l.Run(t.Context(), Client, program, args...)
		done <- result{out, err}
	}()
	return func() (string, error) {
		r := <-done
		return r.out, r.err
	}
}

func handoverArgs(f *Fault) []string {
	args := []string{"handover", strings.TrimSuffix(f.Zone, "."), "--json"}
	for _, s := range f.Listed {
		args = append(args, "--ns", strings.Replace(s, "/", "=", 1))
	}
	return args
}

// compareHandover returns how the errors that `ptrd handover` finds differ from those of the table.
func compareHandover(t *testing.T, f *Fault, wait func() (string, error)) (differences []string) {
	t.Helper()
	out, err := wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var r handover.Result
	start := strings.Index(out, "{") // after what is on standard error
	if err := json.Unmarshal([]byte(out[max(start, 0):]), &r); err != nil || len(r.Zones) != 1 {
		t.Fatalf("ptrd handover: %v\n%s", err, out)
	}
	add := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	want := strings.Fields(f.Tags + " " + f.More)
	for _, n := range r.Zones[0].Findings {
		if n.Severity != finding.Error {
			continue
		}
		i := slices.IndexFunc(want, func(tag string) bool { return tag == n.Tag || tag == n.Also })
		if i < 0 {
			add("ptrd finds %s %s, too: %s", n.Tag, n.Also, n.Text)
			continue
		}
		want = slices.Delete(want, i, i+1)
	}
	if len(want) > 0 {
		add("ptrd does not find %v", want)
	}
	if ready := *r.Ready; ready != (f.Tags+f.More == "") || ready != (err == nil) {
		add("ptrd has ready: %v, and the exit code: %v", ready, err)
	}
	return differences
}

func zonemasterArgs(l *Lab, f *Fault) []string {
	args := []string{"--hints", l.Hints(), "--level", "ERROR", "--json", "--raw", "--no-progress", "--no-time"}
	for _, s := range f.Listed {
		name, addrs, _ := strings.Cut(s, "/")
		for a := range strings.SplitSeq(addrs, ",") {
			ns := strings.TrimSuffix(name, ".")
			if a != "" {
				ns += "/" + a
			}
			args = append(args, "--ns", ns)
		}
	}
	return append(args, strings.TrimSuffix(f.Zone, "."))
}

// zonemasterErrors returns the tags in the output of Zonemaster.
func zonemasterErrors(t *testing.T, wait func() (string, error)) []string {
	t.Helper()
	out, err := wait()
	if err != nil {
		t.Fatalf("zonemaster-cli: %v\n%s", err, out)
	}
	var messages []struct{ Tag string }
	if err := json.Unmarshal([]byte(out), &messages); err != nil {
		t.Fatalf("zonemaster-cli: %v\n%s", err, out)
	}
	var tags []string
	for _, m := range messages {
		if m.Tag != "FAKE_DELEGATION_NO_IP" { // of the delegation that does not exist yet
			tags = append(tags, m.Tag)
		}
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

// zonemasterTags returns the tags that the installed version of Zonemaster has.
func zonemasterTags(t *testing.T) map[string]bool {
	t.Helper()
	if !*allFaults {
		return nil
	}
	out, err := exec.Command("perl", "-MZonemaster::Engine::Test", "-e",
		`for my $m (map { "Zonemaster::Engine::Test::$_" } Zonemaster::Engine::Test->modules) { print map { "$_\n" } map { @$_ } values %{ $m->metadata } }`).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tags := make(map[string]bool)
	for tag := range strings.Lines(string(out)) {
		tags[strings.TrimSpace(tag)] = true
	}
	return tags
}
