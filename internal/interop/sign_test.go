package interop

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ptrd/ptrd/internal/peertest"
)

var sign = flag.Bool("sign", false, "sign the zone sets of testdata again")

// The validity of the committed signatures. RFC 4034 §3.1.5 compares them in serial
// number arithmetic; ldns, and with it Zonemaster, takes no end behind 2038.
const inception, expiration = "20240101000000", "20371231000000"

// TestSign signs with BIND's dnssec-signzone, children before parents, so that a
// parent of the set gets the DS of its signed children.
func TestSign(t *testing.T) {
	t.Parallel()
	if !*sign {
		t.Skip("signed zones are committed; -sign generates them")
	}
	for _, s := range loadSets(t) {
		if !s.isSigned() {
			continue
		}
		t.Run(s.name, func(t *testing.T) { signSet(t, s) })
	}
}

func signSet(t *testing.T, s *zoneSet) {
	dir := t.TempDir()
	signs := append([]setSign(nil), s.signs...)
	sort.SliceStable(signs, func(i, j int) bool { return dns.CountLabel(signs[i].apex) > dns.CountLabel(signs[j].apex) })
	for _, g := range signs {
		in := filepath.Join(dir, "in")
		if err := os.WriteFile(in, s.file("unsigned/"+g.file), 0o644); err != nil {
			t.Fatal(err)
		}
		var keys []string
		generate := func(args ...string) {
			keys = append(keys, strings.TrimSpace(run(t, dir, "dnssec-keygen", append(args, "-q", "-n", "ZONE", g.apex)...)))
		}
		switch g.algorithm {
		case "rsa":
			generate("-a", "RSASHA256", "-b", "2048", "-f", "KSK")
			generate("-a", "RSASHA256", "-b", "2048")
		default:
			generate("-a", "ECDSAP256SHA256", "-f", "KSK")
		}
		// One line a record (-O full), or NSD would need the continuation lines too.
		args := []string{"-S", "-z", "-O", "full", "-s", inception, "-e", expiration, "-g", "-o", g.apex, "-f", "out"}
		if g.algorithm == "rsa" {
			args[1] = "-x"
		}
		switch g.denial {
		case "nsec3":
			args = append(args, "-3", g.salt, "-H", g.iterations)
		case "optout":
			args = append(args, "-3", g.salt, "-H", g.iterations, "-A")
		}
		run(t, dir, "dnssec-signzone", append(args, "in")...)
		out, err := os.ReadFile(filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		s.archive.Files = replaceFile(s.archive.Files, g.file, withoutComments(out))
	}
	if err := os.WriteFile(s.path, txtar.Format(s.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func replaceFile(files []txtar.File, name string, data []byte) []txtar.File {
	for i := range files {
		if files[i].Name == name {
			files[i].Data = data
			return files
		}
	}
	return append(files, txtar.File{Name: name, Data: data})
}

// withoutComments drops the lines that hold nothing but the signer's remarks.
func withoutComments(b []byte) []byte {
	var out strings.Builder
	for _, l := range strings.SplitAfter(string(b), "\n") {
		if !strings.HasPrefix(l, ";") {
			out.WriteString(l)
		}
	}
	return []byte(out.String())
}

// run runs a program of a peer's and returns its standard output.
func run(t testing.TB, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(peertest.Require(t, program), args...)
	cmd.Dir = dir
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}
