package interop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// rdataLine is one line of testdata/rdata: a verdict, the RFC (or registry, or draft) with the
// section that decides it, and a record without its owner name.
//
//	ok    the line is valid
//	warn  the line breaks a rule that neither the wire format nor other servers depend on
//	bad   the line is invalid
type rdataLine struct {
	place   string // file:line
	file    string
	verdict string
	section string
	text    string
}

func (l rdataLine) typ() string { return strings.Fields(l.text)[0] }

func (l rdataLine) isSOA() bool { return l.typ() == "SOA" || l.typ() == "TYPE6" }

// owner returns an owner name of its own for the line with index i.
func (l rdataLine) owner(i int) string {
	if l.typ() == "NSEC3" {
		return fmt.Sprintf("%032d", i) // a hash (RFC 5155 §3)
	}
	return fmt.Sprintf("l%d", i)
}

func loadRDataLines(t testing.TB) (lines []rdataLine) {
	t.Helper()
	paths, err := filepath.Glob("testdata/rdata/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	for _, path := range paths {
		for i, text := range readLines(t, path) {
			w := strings.SplitN(text, " ", 3)
			if len(w) != 3 || !slices.Contains([]string{"ok", "warn", "bad"}, w[0]) || !strings.Contains(w[1], "/") {
				t.Fatalf("%s:%d: write VERDICT RFC/SECTION RECORD", path, i+1)
			}
			lines = append(lines, rdataLine{fmt.Sprintf("%s:%d", path, i+1), filepath.Base(path), w[0], w[1], w[2]})
		}
	}
	return lines
}

func readLines(t testing.TB, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// rdataList reads a list of corpus lines of testdata, without their verdicts.
func rdataList(t testing.TB, path string) map[string]bool {
	list := map[string]bool{}
	for _, l := range readLines(t, path) {
		if l != "" && !strings.HasPrefix(l, "#") {
			list[l] = true
		}
	}
	return list
}

// readRDataLine returns what ptrd's parser finds in a line. Findings that depend on the zone
// around the record do not count.
func readRDataLine(l rdataLine) (verdict, text string) {
	var table source.Table
	owner := "x"
	if l.isSOA() {
		owner = "@"
	}
	res := zonefile.ReadBytes("line", []byte(owner+" 3600 IN "+l.text+"\n"),
		zonefile.Options{Origin: dname.MustParse("example."), Table: &table}, func(zone.Record) {})
	verdict = "ok"
	for _, f := range res.Findings {
		switch {
		case f.Severity == finding.Error:
			return "bad", f.Text
		case !slices.Contains(namingFindings, f.Rule):
			verdict, text = "warn", f.Text
		}
	}
	return verdict, text
}

// namingFindings are the codes of warnings about names that are valid, but are probably not
// meant.
var namingFindings = []string{"missing-dot", "free-label", "bare-text", "host-name"}

// TestRDataLines compares what ptrd's parser says about each line of the corpus with the
// verdict of the RFC.
func TestRDataLines(t *testing.T) {
	t.Parallel()
	lines := loadRDataLines(t)
	if len(lines) < 1500 {
		t.Errorf("%d lines", len(lines))
	}
	seen := map[string]bool{}
	for _, l := range lines {
		if seen[l.text] {
			t.Errorf("%s: %s: a second time", l.place, l.text)
		}
		seen[l.text] = true
		if got, text := readRDataLine(l); got != l.verdict {
			t.Errorf("%s: %.200s: %s (%s), but %s by RFC %s", l.place, l.text, got, text, l.verdict, l.section)
		}
	}
}

// checker is a zone checker of other software.
type checker struct {
	program string
	args    func(file string) []string
	// lines is how many lines a run judges: nsd-checkzone loses count of lines after some
	// errors.
	lines int
	fault *regexp.Regexp // matches the report of an error; the first group is the line's number
	owner *regexp.Regexp // matches the report of an error that names the owner instead; may be nil
}

var checkers = []checker{
	{
		program: "named-checkzone",
		args: func(file string) []string {
			return []string{"-i", "none", "-n", "ignore", "-m", "ignore", "-M", "ignore", "-S", "ignore", "-r", "ignore", "-k", "ignore", "-T", "ignore", "example.", file}
		},
		lines: 1000,
		fault: regexp.MustCompile(`^(?:dns_rdata_fromtext|dns_master_load): zone:(\d+): (.*)`),
	},
	{
		program: "kzonecheck",
		args:    func(file string) []string { return []string{"-v", "-d", "off", "-o", "example", file} },
		lines:   1000,
		fault:   regexp.MustCompile(`file 'zone', line (\d+) (.*)`),
		owner:   regexp.MustCompile(`(?m)^\[([^\].]*)\.example\.\] (invalid .*)`),
	},
	{
		program: "nsd-checkzone",
		args:    func(file string) []string { return []string{"example", file} },
		lines:   15,
		fault:   regexp.MustCompile(`error: zone:(\d+): (.*)`),
	},
}

// linesApart is how many lines of a checker's file a line of the corpus has to itself, so that
// a number that is wrong by some lines is still understood.
const linesApart = 8

// unknownType matches the report of a checker that does not know a type.
var unknownType = regexp.MustCompile(`unknown (RR|class/)type|unrecognized RR type|unsupported record type`)

// judge returns what the checker says about each line: nothing where it is valid.
func (c checker) judge(t *testing.T, lines []rdataLine) []string {
	program := peertest.Require(t, c.program)
	faults := make([]string, len(lines))
	dir := t.TempDir()
	var settle func(list []int)
	settle = func(list []int) {
		for len(list) > 0 {
			var zone bytes.Buffer
			zone.WriteString("$TTL 3600\n@ SOA ns.x. h.x. 1 2 3 4 5\n@ NS ns.x.\n" + strings.Repeat("\n", linesApart/2-3))
			byOwner := map[string]int{}
			for _, i := range list {
				owner := lines[i].owner(i)
				if lines[i].isSOA() {
					zone.Reset()
					zone.WriteString(strings.Repeat("\n", linesApart/2))
					owner = "@"
				}
				byOwner[owner] = i
				fmt.Fprintf(&zone, "%s 3600 IN %s\n%s", owner, lines[i].text, strings.Repeat("\n", linesApart-1))
				if owner == "@" {
					zone.WriteString("@ 3600 NS ns.x.\n")
				}
			}
			mustWrite(dir, "zone", zone.String())
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // kzonecheck does not always end
			cmd := exec.CommandContext(ctx, program, c.args("zone")...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			cancel()
			found := false
			report := func(i int, text string) {
				found = true
				if faults[i] == "" {
					faults[i] = text
				}
			}
			for _, text := range strings.Split(string(out), "\n") {
				if m := c.fault.FindStringSubmatch(text); m != nil {
					n, _ := strconv.Atoi(m[1])
					if k := (n - 1) / linesApart; n > 0 && k < len(list) {
						report(list[k], m[2])
					}
				}
				if c.owner != nil {
					if m := c.owner.FindStringSubmatch(text); m != nil {
						if i, ok := byOwner[m[1]]; ok {
							report(i, m[2])
						}
					}
				}
			}
			switch {
			case found:
				list = slices.DeleteFunc(list, func(i int) bool { return faults[i] != "" })
			case err == nil || bytes.Contains(out, []byte("missing glue record")):
				return
			case len(list) == 1:
				faults[list[0]] = fmt.Sprintf("%v: %.200s", err, out)
				return
			default:
				half := len(list) / 2
				settle(slices.Clone(list[:half]))
				list = slices.Clone(list[half:])
			}
		}
	}
	var list []int
	for i, l := range lines {
		switch {
		case l.isSOA():
			settle([]int{i})
			continue
		case c.program == "kzonecheck" && l.file == "pointers.txt":
			faults[i] = unknown // it crashes or does not end
			continue
		}
		if list = append(list, i); len(list) == c.lines {
			settle(list)
			list = nil
		}
	}
	settle(list)
	return faults
}

// unknown is the fault of a line that a checker has no opinion on.
const unknown = "unknown RR type"

// TestRDataCheckers compares the verdicts of the corpus with those of three zone checkers.
// Where those that know the type agree, the corpus must agree, unless the line is in
// testdata/rdata_decided.list because the RFC plainly decides otherwise.
func TestRDataCheckers(t *testing.T) {
	t.Parallel()
	lines := loadRDataLines(t)
	faults := make([][]string, len(checkers))
	var wait sync.WaitGroup
	for i, c := range checkers {
		peertest.Require(t, c.program)
		wait.Go(func() { faults[i] = c.judge(t, lines) })
	}
	wait.Wait()
	decided := rdataList(t, "testdata/rdata_decided.list")
	judged := 0
	for i, l := range lines {
		valid, invalid := 0, 0
		var all []string
		for c := range checkers {
			switch f := faults[c][i]; {
			case unknownType.MatchString(f):
			case f == "":
				valid++
			default:
				invalid++
				all = append(all, fmt.Sprintf("%s: %s", checkers[c].program, f))
			}
		}
		agree := valid+invalid >= 2 && (valid == 0 || invalid == 0)
		if agree {
			judged++
		}
		differs := agree && (valid > 0) == (l.verdict == "bad")
		switch {
		case differs && !decided[l.text]:
			t.Errorf("%s: %.200s: %s by RFC %s, but the checkers say otherwise %q", l.place, l.text, l.verdict, l.section, all)
		case !differs && decided[l.text]:
			t.Errorf("%s: %.200s: the checkers agree with the verdict or differ from each other; remove it from the list of decided lines", l.place, l.text)
		}
		delete(decided, l.text)
	}
	for l := range decided {
		t.Errorf("%s is decided, but is not in the corpus", l)
	}
	t.Logf("%d of %d lines are judged alike by two or three checkers", judged, len(lines))
}
