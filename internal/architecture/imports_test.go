package architecture

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

// levels orders the packages: a package imports packages of its own level and of lower
// ones. The first entry that matches counts.
var levels = []struct {
	path  string // below the module; with a final slash, everything below it
	level int
}{
	{"zone/dname", 0},
	{"zone/rr", 0},
	{"zone/rule", 0},
	{"zone/finding", 0},
	{"zone/spelling", 0},
	{"zone/siphash", 0},
	{"zone/synth", 0},
	{"zone/", 2}, // packages that read, write and check zone data
	{"zone", 1},
	{"server/wire", 1},
	{"server/tsig", 1},
	{"server/", 2},
	{"server", 2},
	{"internal/", 3},
	{"bench", 3},
	{"bench/", 3},
	{"cmd/", 4},
}

// forbidden lists imports that a package must not have, in addition to those of a
// higher level. An entry covers the packages below path too.
var forbidden = []struct{ from, path, why string }{
	{"zone/dname", "net", "names are independent of sockets"},
	{"zone/dname", module + "zone", "names are independent of zones"},
	{"zone", "net", "zones are independent of sockets"},
	{"zone", "os", "zones are independent of files"},
	{"zone", "log", "zones do not log"},
	{"zone", "log/slog", "zones do not log"},
	{"zone", "time", "time is an argument"},
	{"zone", "context", "zones start no goroutines"},
	{"zone", module + "server", "zones are independent of messages"},
	{"zone", "gopkg.in/yaml.v3", "zones are independent of YAML"},
	{"server/wire", "net", "messages are independent of sockets"},
	{"server/wire", "os", "messages are independent of files"},
	{"server/wire", module + "zone", "messages are independent of zones"},
	{"server/tsig", "net", "signatures are independent of sockets"},
	{"server/tsig", "os", "keys are arguments, not files"},
	{"server/tsig", "log/slog", "a package that handles secrets does not log"},
	{"server/tsig", module + "zone", "signatures are independent of zones"},
	{"server/answer", "net", "answers are independent of sockets"},
	{"server/answer", "os", "answers are independent of files"},
	{"server/answer", "log/slog", "answers do not log"},
	{"server/answer", "context", "answers start no goroutines"},
	{"server/answer", module + "server", "answers are independent of transports"},
	{"server/answer", "net", "answering is independent of sockets"},
	{"server/answer", "os", "answering is independent of files"},
	{"server/answer", "log/slog", "answering does not log"},
	{"server/answer", "context", "answering starts no goroutines"},
	{"server", "os/signal", "the server stops when its context ends"},
	{"server", "flag", "the server has no flags"},
	{"server", module + "internal/config", "the server is independent of the configuration file"},
	{"server", "gopkg.in/yaml.v3", "the server is independent of YAML"},
	{"internal/commit", module + "internal", "the writer of zones is independent of the sources of changes"},
	{"internal/config", "net", "the configuration opens no sockets"},
	{"internal/config", module + "zone", "the configuration is independent of zone contents"},
}

// allowed lists exceptions to forbidden, each with its reason.
var allowed = map[[2]string]string{
	{"server/wire", module + "zone/dname"}:        "names are octets",
	{"server/wire", module + "zone/rr"}:           "type numbers",
	{"server/tsig", module + "zone/dname"}:        "names are octets",
	{"server/tsig", module + "zone/rr"}:           "type numbers",
	{"zone/dname", "net/netip"}:                   "addresses are plain values",
	{"zone", "net/netip"}:                         "addresses are plain values",
	{"server/answer", "net/netip"}:                "addresses are plain values",
	{"server/answer", module + "server/wire"}:     "messages",
	{"server/answer", module + "server/tsig"}:     "signatures of messages",
	{"server/wire", "net/netip"}:                  "addresses are plain values",
	{"server/answer", "net/netip"}:                "addresses are plain values",
	{"internal/config", "net/url"}:                "escapes in names of files",
	{"internal/config", "net/netip"}:              "addresses are plain values",
	{"internal/config", module + "zone/dname"}:    "configuration values that are names",
	{"internal/config", module + "zone/rr"}:       "configuration values that are types",
	{"internal/config", module + "zone/finding"}:  "errors and warnings",
	{"internal/config", module + "zone/rule"}:     "rules whose severity is configured",
	{"internal/config", module + "zone/infile"}:   "the files that positions refer to",
	{"internal/config", module + "zone/zonefile"}: "syntax of records written in the configuration",
	{"internal/config", module + "zone/synth"}:    "templates of names",
	{"internal/config", module + "zone/spelling"}: "suggestions for misspelt keys",
}

// onlyIn lists libraries that only some packages may import.
var onlyIn = map[string][]string{
	"github.com/miekg/dns":                {"zone/zonefile", "zone/zonetest", "server/servertest", "internal/", "cmd/", "bench/"},
	"gopkg.in/yaml.v3":                    {"internal/config", "cmd/ptrd"},
	"go.etcd.io/bbolt":                    {"zone/journal"},
	"github.com/fsnotify/fsnotify":        {"internal/watch"},
	"github.com/spf13/cobra":              {"cmd/ptrd"},
	"github.com/prometheus/client_golang": {"internal/admin"},
	module + "bench":                      {"bench"}, // the server does not depend on its benchmarks
}

// sources lists the packages that propose changes of zones. They do not import each
// other, nor the package that wires them.
var sources = []string{"internal/hosted", "internal/assemble", "internal/update", "internal/secondary", "internal/catalog", "internal/history"}

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

// level returns the level of a package of the module, or -1 if levels does not list it;
// ok is false for packages of other modules.
func level(importPath string) (n int, ok bool) {
	path, ok := strings.CutPrefix(importPath, module)
	if !ok {
		return 0, false
	}
	for _, l := range levels {
		if path == l.path || strings.HasSuffix(l.path, "/") && strings.HasPrefix(path, l.path) {
			return l.level, true
		}
	}
	return -1, true
}

// wrongImports describes the imports of p that break a rule.
func wrongImports(p pkg) []string {
	var out []string
	from := strings.TrimPrefix(p.ImportPath, module)
	fromLevel, _ := level(p.ImportPath)
	if fromLevel < 0 {
		out = append(out, p.ImportPath+" is not in the table levels of internal/architecture")
	}
	for _, to := range p.Imports {
		if n, ok := level(to); ok && n > fromLevel {
			out = append(out, p.ImportPath+" imports "+to+", which has a higher level")
		}
		for _, f := range forbidden {
			isBelow := strings.HasPrefix(to, module+from+"/") // a package below the one that imports it
			if from == f.from && (to == f.path || strings.HasPrefix(to, f.path+"/")) && allowed[[2]string{from, to}] == "" && !isBelow {
				out = append(out, p.ImportPath+" imports "+to+": "+f.why)
			}
		}
		if source := strings.TrimPrefix(to, module); slices.Contains(sources, from) && (slices.Contains(sources, source) || source == "internal/daemon") {
			out = append(out, p.ImportPath+" imports "+to+", but sources of changes are independent of each other and of their wiring")
		}
		for lib, importers := range onlyIn {
			if (to == lib || strings.HasPrefix(to, lib+"/")) && !slices.ContainsFunc(importers, func(i string) bool {
				return from == i || strings.HasPrefix(from, strings.TrimSuffix(i, "/")+"/")
			}) {
				out = append(out, p.ImportPath+" imports "+to+", which only "+strings.Join(importers, ", ")+" may import")
			}
		}
	}
	return out
}

func TestImports(t *testing.T) {
	all := packages(t)
	if len(all) < 10 {
		t.Fatalf("go list shows only %d packages", len(all))
	}
	for _, p := range all {
		for _, w := range wrongImports(p) {
			t.Error(w)
		}
	}
}

func TestWrongImports(t *testing.T) {
	for _, tt := range []struct {
		from, to, want string
	}{
		{"zone", module + "server", module + "zone imports " + module + "server, which has a higher level"},
		{"zone", "net", module + "zone imports net: zones are independent of sockets"},
		{"zone", "net/netip", ""},
		{"zone", module + "zone/dname", ""},
		{"zone/dname", module + "zone", module + "zone/dname imports " + module + "zone, which has a higher level"},
		{"server", module + "internal/config", module + "server imports " + module + "internal/config, which has a higher level"},
		{"server/wire", module + "zone", module + "server/wire imports " + module + "zone: messages are independent of zones"},
		{"server", "github.com/miekg/dns", module + "server imports github.com/miekg/dns, which only zone/zonefile, zone/zonetest, server/servertest, internal/, cmd/, bench/ may import"},
		{"internal/daemon", module + "server", ""},
		{"internal/daemon", module + "internal/update", ""},
		{"internal/update", module + "internal/secondary", module + "internal/update imports " + module + "internal/secondary, but sources of changes are independent of each other and of their wiring"},
		{"internal/commit", module + "internal/daemon", module + "internal/commit imports " + module + "internal/daemon: the writer of zones is independent of the sources of changes"},
		{"server/answer", "net", module + "server/answer imports net: answering is independent of sockets"},
		{"server/answer", "net/netip", ""},
		{"bench/run", module + "bench/peer", ""},
		{"bench/run", module + "internal/loadgen", ""},
		{"cmd/ptrd", module + "bench/report", module + "cmd/ptrd imports " + module + "bench/report, which only bench may import"},
		{"new", "fmt", module + "new is not in the table levels of internal/architecture"},
	} {
		got := wrongImports(pkg{module + tt.from, []string{tt.to}})
		if tt.want == "" && len(got) > 0 || tt.want != "" && !slices.Contains(got, tt.want) {
			t.Errorf("%s → %s: %q, want %q", tt.from, tt.to, got, tt.want)
		}
	}
}
