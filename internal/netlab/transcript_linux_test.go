package netlab

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the outputs of commands into docs/first-delegation.md and docs/rejected-mail.md")

var (
	// A command of the document, on a host.
	commandLine = regexp.MustCompile(`^    ([a-z0-9]+)\$ (.*)$`)
	// What others do with the last output.
	otherLine = regexp.MustCompile(`^<!-- lab: ([a-z0-9]+) adds the (?:records to (\S+)|configuration) -->$`)
)

// Lines that depend on the time that transfers need, and serials, are left out or the same in
// each run.
var (
	waiting = regexp.MustCompile(`(?m)^.*: waiting for .*\n`)
	serial  = regexp.MustCompile(`\bserial [0-9]{10}\b`)
)

// TestTranscript does what the document says, on hosts of the lab, and compares the outputs:
// the indented lines after a command, up to `…`. At the beginning, the customer has prefixes
// and two machines.
func TestTranscript(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "first-delegation.md")
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := startLab(t, Newcomer("bind"))
	lines := strings.Split(string(doc), "\n")
	var text []string // the document with the outputs of now
	var out string
	steps := 0
	for len(lines) > 0 && !t.Failed() {
		line := lines[0]
		text, lines = append(text, line), lines[1:]
		if m := otherLine.FindStringSubmatch(line); m != nil {
			l.change(t, m[1], m[2], out)
			steps++
			continue
		}
		m := commandLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		steps++
		command := m[2]
		for strings.HasSuffix(command, "\\") {
			command = strings.TrimSuffix(command, "\\") + strings.TrimSpace(lines[0])
			text, lines = append(text, lines[0]), lines[1:]
		}
		n := 0 // of lines of output
		for i := 0; i < len(lines) && (lines[i] == "" || strings.HasPrefix(lines[i], "    ")) && !commandLine.MatchString(lines[i]); i++ {
			if lines[i] != "" {
				n = i + 1
			}
		}
		want := strings.Join(lines[:n], "\n")
		lines = lines[n:]
		out = waiting.ReplaceAllString(l.shell(t, m[1], command), "")
		out = serial.ReplaceAllString(out, "serial 1796000000")
		got := strings.TrimRight(regexp.MustCompile(`(?m)^(.)`).ReplaceAllString(out, "    $1"), "\n")
		part, isPart := strings.CutSuffix(want, "    …")
		if isPart && !strings.HasPrefix(got, part) || !isPart && got != want && !*update {
			t.Errorf("%s$ %s prints\n%s\nwhere the document has\n%s", m[1], command, got, want)
		}
		if !isPart {
			want = got
		}
		if want != "" {
			text = append(text, want)
		}
	}
	if steps < 8 {
		t.Errorf("only %d steps were found", steps)
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(path, []byte(strings.Join(text, "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// shell runs a command line on a host. One that ends in & goes on in the background.
func (l *Lab) shell(t *testing.T, host, line string) string {
	t.Helper()
	m, err := l.machine(host)
	if err != nil {
		t.Fatal(err)
	}
	cmd := m.prepare("sh", "-c", strings.TrimSuffix(line, "&"))
	cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(l.options.Ptrd)+":"+os.Getenv("PATH"))
	if strings.HasSuffix(line, "&") {
		if _, err := m.start(cmd, true); err != nil {
			t.Fatal(err)
		}
		if err := awaitZone(t.Context(), m, m.Addrs()[0], ""); err != nil {
			log, _ := os.ReadFile(filepath.Join(m.dir, "log"))
			t.Fatalf("%s$ %s: %v\n%s", host, line, err, log)
		}
		return ""
	}
	out, err := m.output(t.Context(), cmd)
	if err != nil {
		t.Fatalf("%s$ %s: %v\n%s", host, line, err, out)
	}
	return out
}

// change does what the operator of another server does with a text: adds a configuration, or
// the records to a zone that a mail has or that an object describes.
func (l *Lab) change(t *testing.T, host, parent, text string) {
	t.Helper()
	if parent == "" {
		h, err := l.Scenario.host(host)
		if err != nil {
			t.Fatal(err)
		}
		p := programs[h.Software]
		files, _ := p.configure(l.Scenario, h, filepath.Join(l.options.Dir, host))
		h.Config = files[p.conf] + text
	} else {
		z := l.Scenario.enclosing(parent, false)
		records := recordsIn(text)
		if z == nil || z.Apex != parent || records == "" {
			t.Fatalf("no zone %s, or the last output has no records for it:\n%s", parent, text)
		}
		z.Records += records
	}
	if err := l.Restart(t.Context(), host); err != nil {
		t.Fatal(err)
	}
}

// recordsIn returns the records in a mail, or those that a `domain:` object describes.
func recordsIn(text string) string {
	var b strings.Builder
	var owner string
	for line := range strings.Lines(text) {
		switch f := strings.Fields(line); {
		case len(f) == 2 && f[0] == "domain:":
			owner = f[1] + "."
		case len(f) >= 2 && f[0] == "nserver:":
			fmt.Fprintf(&b, "%s NS %s.\n", owner, strings.TrimSuffix(f[1], "."))
		case len(f) >= 3 && (f[1] == "NS" || f[1] == "CNAME"):
			b.WriteString(strings.Join(f, " ") + "\n")
		}
	}
	return b.String()
}
