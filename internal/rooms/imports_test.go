package rooms

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ptrd/ptrd/"

// layers are the floors of the house: imports go down, or stay on one floor.
var layers = []struct {
	room  string // path below the module, with all that is in it
	floor int
}{
	{"zone/dname", 0},
	{"zone/rr", 0},
	{"zone/", 2}, // sources and keepers of zone data
	{"zone", 1},
	{"server/wire", 1},
	{"server/tsig", 1},
	{"server", 2},
	{"internal/", 3},
	{"bench", 3},
	{"bench/", 3},
	{"cmd/", 4},
}

// forbidden are what a room must never know, beside what lies above it.
var forbidden = []struct{ room, path, why string }{
	{"zone/dname", "net", "names know no sockets"},
	{"zone/dname", module + "zone", "names know no zones"},
	{"zone", "net", "zones know no sockets"},
	{"zone", "os", "zones know no files"},
	{"zone", "log", "zones do not log"},
	{"zone", "log/slog", "zones do not log"},
	{"zone", "time", "time comes in as an argument"},
	{"zone", "context", "zones start nothing"},
	{"zone", module + "server", "zones know no messages"},
	{"server/wire", "net", "messages know no sockets"},
	{"server/wire", "os", "messages know no files"},
	{"server/wire", module + "zone", "messages know no zones"},
	{"server/tsig", "net", "signatures are of octets, wherever they come from"},
	{"server/tsig", "os", "keys come as octets"},
	{"server/tsig", "log/slog", "whoever has secrets does not log"},
	{"server/tsig", module + "zone", "signatures know no zones"},
	{"server", "os/signal", "the server is told to stop by its context"},
	{"server", "flag", "the server knows no flags"},
	{"server", module + "internal/config", "the server knows no configuration file"},
	{"server", "gopkg.in/yaml.v3", "the server knows no YAML"},
	{"internal/config", "net", "the configuration opens no sockets"},
	{"internal/config", module + "zone", "the configuration does not know what zones contain"},
	{"zone", "gopkg.in/yaml.v3", "zones know no YAML"},
}

// allowed are exceptions to forbidden, each with its reason.
var allowed = map[[2]string]string{
	{"server/wire", module + "zone/dname"}:        "names are octets",
	{"server/wire", module + "zone/rr"}:           "numbers of types",
	{"server/tsig", module + "zone/dname"}:        "names are octets",
	{"server/tsig", module + "zone/rr"}:           "numbers of types",
	{"zone/dname", "net/netip"}:                   "addresses are plain values",
	{"zone", "net/netip"}:                         "addresses are plain values",
	{"server/wire", "net/netip"}:                  "addresses are plain values",
	{"internal/config", "net/netip"}:              "addresses are plain values",
	{"internal/config", module + "zone/dname"}:    "a configuration is full of names",
	{"internal/config", module + "zone/rr"}:       "and of types",
	{"internal/config", module + "zone/source"}:   "and of positions",
	{"internal/config", module + "zone/infile"}:   "which files lead to",
	{"internal/config", module + "zone/zonefile"}: "whose syntax checks a record's text",
}

// onlyIn says which rooms alone may import a library.
var onlyIn = map[string][]string{
	"github.com/miekg/dns":                {"zone/zonefile", "zone/zonetest", "internal/", "cmd/", "bench/"},
	"gopkg.in/yaml.v3":                    {"internal/config", "cmd/ptrd"},
	"go.etcd.io/bbolt":                    {"zone/journal"},
	"github.com/fsnotify/fsnotify":        {"internal/watch"},
	"github.com/spf13/cobra":              {"cmd/ptrd"},
	"github.com/prometheus/client_golang": {"internal/admin"},
	module + "bench":                      {"bench"}, // what is served knows nothing of what measures it
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// floor returns the floor of a package of the module; ok is false for packages of
// others.
func floor(path string) (n int, ok bool) {
	room, ours := strings.CutPrefix(path, module)
	if !ours {
		return 0, false
	}
	for _, l := range layers {
		if room == strings.TrimSuffix(l.room, "/") && !strings.HasSuffix(l.room, "/") ||
			strings.HasSuffix(l.room, "/") && strings.HasPrefix(room, l.room) {
			return l.floor, true
		}
	}
	return -1, true
}

// faults returns what is wrong with the imports of one package.
func faults(p pkg) []string {
	var out []string
	room := strings.TrimPrefix(p.ImportPath, module)
	from, _ := floor(p.ImportPath)
	if from < 0 {
		out = append(out, p.ImportPath+" is in no room that design.md or layers knows")
	}
	for _, to := range p.Imports {
		if n, ours := floor(to); ours && n > from {
			out = append(out, p.ImportPath+" imports "+to+", which lies above it")
		}
		for _, f := range forbidden {
			if room == f.room && (to == f.path || strings.HasPrefix(to, f.path+"/")) && allowed[[2]string{room, to}] == "" && !isOwn(room, to) {
				out = append(out, p.ImportPath+" imports "+to+": "+f.why)
			}
		}
		for lib, rooms := range onlyIn {
			if (to == lib || strings.HasPrefix(to, lib+"/")) && !slices.ContainsFunc(rooms, func(r string) bool {
				return room == r || strings.HasPrefix(room, strings.TrimSuffix(r, "/")+"/")
			}) {
				out = append(out, p.ImportPath+" imports "+to+", which only "+strings.Join(rooms, ", ")+" may")
			}
		}
	}
	return out
}

// isOwn reports whether to is a smaller room inside the one that imports it.
func isOwn(room, to string) bool { return strings.HasPrefix(to, module+room+"/") }

func TestImports(t *testing.T) {
	all := packages(t)
	if len(all) < 10 {
		t.Fatalf("go list shows only %d packages", len(all))
	}
	for _, p := range all {
		for _, f := range faults(p) {
			t.Error(f)
		}
	}
}

// TestFaults proves that arrows in the wrong direction are seen.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		from, to, want string
	}{
		{"zone", module + "server", module + "zone imports " + module + "server, which lies above it"},
		{"zone", "net", module + "zone imports net: zones know no sockets"},
		{"zone", "net/netip", ""},
		{"zone", module + "zone/dname", ""},
		{"zone/dname", module + "zone", module + "zone/dname imports " + module + "zone, which lies above it"},
		{"server", module + "internal/config", module + "server imports " + module + "internal/config, which lies above it"},
		{"server/wire", module + "zone", module + "server/wire imports " + module + "zone: messages know no zones"},
		{"server", "github.com/miekg/dns", module + "server imports github.com/miekg/dns, which only zone/zonefile, zone/zonetest, internal/, cmd/, bench/ may"},
		{"internal/daemon", module + "server", ""},
		{"bench/run", module + "bench/peer", ""},
		{"bench/run", module + "internal/loadgen", ""},
		{"cmd/ptrd", module + "bench/report", module + "cmd/ptrd imports " + module + "bench/report, which only bench may"},
		{"attic", "fmt", module + "attic is in no room that design.md or layers knows"},
	} {
		got := faults(pkg{module + tt.from, []string{tt.to}})
		if tt.want == "" && len(got) > 0 || tt.want != "" && !slices.Contains(got, tt.want) {
			t.Errorf("%s → %s: %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
}
