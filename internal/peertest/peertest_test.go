package peertest

import (
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

func require(program string) *recorder {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		Require(r, program)
	}()
	<-done
	return r
}

func TestRequireSkipsAndNamesTheProgram(t *testing.T) {
	t.Setenv(requireEnv, "")
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
