package peertest

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// recorder takes what Require does to a test.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper() {}

func (r *recorder) Skip(args ...any) {
	r.skipped = args[0].(string)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = args[len(args)-1].(string)
	runtime.Goexit()
}

func (r *recorder) Name() string { return "TestOfRecorder" }

func require(program string, needs ...string) *recorder {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Require(r, program, needs...)
	}()
	<-done
	return r
}

func TestRequireSkipsAndNamesTheProgram(t *testing.T) {
	t.Setenv(requireEnv, "")
	t.Setenv(skippedEnv, "") // this is no skip of ours
	r := require("no-such-program")
	if !strings.Contains(r.skipped, "no-such-program") || r.failed != "" {
		t.Errorf("skipped %q, failed %q; want a skip that names the program", r.skipped, r.failed)
	}
}

func TestRequireFailsWherePeersAreRequired(t *testing.T) {
	t.Setenv(requireEnv, "1")
	r := require("no-such-program")
	if !strings.Contains(r.failed, "no-such-program") || r.skipped != "" {
		t.Errorf("skipped %q, failed %q; want a failure that names the program", r.skipped, r.failed)
	}
}

func TestRequireFindsProgram(t *testing.T) {
	if p := Require(t, "sh"); !filepath.IsAbs(p) {
		t.Errorf("Require(sh) = %q, want an absolute path", p)
	}
}

func TestRequireSkipsWhatDoesNotWork(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv(requireEnv, "")
	list := filepath.Join(dir, "list")
	t.Setenv(skippedEnv, list)
	for name, script := range map[string]string{
		"library-missing": "#!/bin/sh\necho 'error while loading shared libraries' >&2\nexit 127\n",
		"option-unknown":  "#!/bin/sh\nexit 1\n",
		"named":           "#!/bin/sh\nexit 0\n",
		"named-checkconf": "#!/bin/sh\n/bin/grep -q tls $1 || exit 0\necho \"unknown option 'tls'\"\nexit 1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		program string
		needs   []string
		want    string // in the reason; empty: it works
	}{
		{"library-missing", nil, "library-missing does not work: exit status 127: error while loading shared libraries"},
		{"option-unknown", nil, ""},
		{"named", nil, ""},
		{"named", []string{Catalogs}, ""},
		{"named", []string{TLS}, "named does not have zone transfers over TLS: named-checkconf: exit status 1: unknown option 'tls'"},
	} {
		if r := require(c.program, c.needs...); r.skipped != c.want || r.failed != "" {
			t.Errorf("%s %v: skipped %q, failed %q; want a skip with %q", c.program, c.needs, r.skipped, r.failed, c.want)
		}
	}
	noted, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(noted), "\n"); n != 2 || !strings.Contains(string(noted), "TestOfRecorder: named does not have zone transfers over TLS") {
		t.Errorf("the list of what was skipped:\n%s", noted)
	}
}

// TestFindInPackage finds a program of an unpacked package, where its libraries are.
func TestFindInPackage(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(packagesEnv, dir)
	root := filepath.Join(dir, "exim4-daemon-heavy")
	lib := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	for _, d := range []string{lib, filepath.Join(root, "usr/sbin")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", "")
	want := filepath.Join(root, "usr/sbin/exim4")
	if err := os.WriteFile(want, []byte("#!/bin/sh\ncase $LD_LIBRARY_PATH in "+lib+":*) exit 0 ;; esac\nexit 127\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if r := require("exim4"); r.skipped != "" || r.failed != "" {
		t.Errorf("skipped %q, failed %q", r.skipped, r.failed)
	}
	if p, _ := Find("exim4"); p != want || Root(p) != root {
		t.Errorf("Find = %s, Root = %s; want %s, %s", p, Root(p), want, root)
	}
	if root := Root("/usr/sbin/exim4"); root != "/" || Env("/usr/sbin/exim4") != nil {
		t.Errorf("Root of an installed program = %s, Env %v", root, Env("/usr/sbin/exim4"))
	}
}
