package netlab

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// A sender is somebody whose mail is rejected, with nothing but the rejection, and names that
// the configuration of the mail server has.
type sender struct {
	title  string // of the section in the document
	intro  string
	server string // that rejects the mail
	mail   Mail
	steps  int // until it is accepted
}

var senders = []sender{
	{title: "A zone of the provider", steps: 2,
		intro:  "The office `office.example` has one address of its provider, and a new mail server.",
		server: "postfix", mail: Mail{netip.MustParseAddr("11.4.8.25"), "mail.office.example", "office.example"}},
	{title: "A zone on your server", steps: 2,
		intro:  "The customer has moved the mail server of `customer.example` to another address. The reverse zone is\nserved by ptrd on `ns1`, from a file.",
		server: "exim", mail: Mail{netip.MustParseAddr("11.4.7.26"), "mail.customer.example", "customer.example"}},
	{title: "An IPv6 uplink", steps: 2,
		intro:  "The same mail server also sends over IPv6.",
		server: "postfix", mail: Mail{netip.MustParseAddr("2e00:7::26"), "mail", "customer.example"}},
}

// TestRejectedMail does what `ptrd doctor` says to rejected mail until it is accepted, and
// compares what happens with the document.
func TestRejectedMail(t *testing.T) {
	const path = "../../docs/rejected-mail.md"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	l := startLab(t, Rejected("bind"))
	intro, _, _ := strings.Cut(string(doc), "\n## ")
	var text strings.Builder
	text.WriteString(intro)
	for _, s := range senders {
		fmt.Fprintf(&text, "\n## %s\n\n%s\n", s.title, s.intro)
		l.untilAccepted(t, &s, &text)
	}
	if got := text.String(); got != string(doc) {
		if !*update {
			t.Fatalf("%s differs from what happens; -update writes it:\n%s", path, got)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// untilAccepted sends mail and follows doctor, and describes it.
func (l *Lab) untilAccepted(t *testing.T, s *sender, text *strings.Builder) {
	t.Helper()
	to, err := l.Scenario.host(s.server)
	if err != nil {
		t.Fatal(err)
	}
	for step := range s.steps + 1 {
		refusal, err := l.Send(t.Context(), "mail", to, s.mail)
		switch {
		case err != nil:
			t.Fatal(err)
		case refusal == "" && step == s.steps:
			text.WriteString("\nSent again, the mail is accepted.\n")
			return
		case refusal == "" || step == s.steps:
			t.Fatalf("%s: the reply is %q after %d steps, want acceptance after %d\n%s", s.title, refusal, step, s.steps, text)
		}
		again := "The mail"
		if step > 0 {
			again = "Sent again, it"
		}
		fmt.Fprintf(text, "\n%s is rejected:\n\n    %s\n", again, refusal)
		out := l.askDoctor(t, s, refusal, text)
		fmt.Fprintf(text, "\n%s\n", l.obey(t, s, out))
		if err := l.Restart(t.Context(), "resolver"); err != nil { // which forgets what it knows
			t.Fatal(err)
		}
	}
}

// askDoctor runs doctor with the rejection, and with more where its output asks for it.
func (l *Lab) askDoctor(t *testing.T, s *sender, refusal string, text *strings.Builder) string {
	t.Helper()
	line := fmt.Sprintf("ptrd doctor --message %q", refusal)
	for _, more := range []struct{ asks, flag string }{
		{"by --ip ADDRESS", " --ip " + s.mail.From.String()},
		{"--helo NAME", " --helo " + s.mail.HELO},
		{"--domain NAME", " --domain " + s.mail.MailFrom},
	} {
		if strings.Contains(l.try(t, "ns1", line), more.asks) {
			line += more.flag
		}
	}
	out := l.try(t, "ns1", line)
	indented := strings.TrimRight(regexp.MustCompile(`(?m)^(.)`).ReplaceAllString(out, "    $1"), "\n")
	indented = regexp.MustCompile(`(?m)[ \t]+$`).ReplaceAllString(indented, "")
	fmt.Fprintf(text, "\n    ns1$ %s\n%s\n", line, indented)
	return out
}

// try runs a command line on a host that may end with an error, and returns its output.
func (l *Lab) try(t *testing.T, host, line string) string {
	t.Helper()
	return l.shell(t, host, line+" || true")
}

var (
	remedyLine = regexp.MustCompile(`(?m)^  remedy:  (.*)$`)
	ownerZone  = regexp.MustCompile(`(?m)^  by whom: .* the zone (\S+)$`)
	whereLine  = regexp.MustCompile(`(?m)^  where:   (\S+):(\d+):\d+$`)
	addressee  = regexp.MustCompile(`(?m)^    To: (\S+)$`)
	addRecord  = regexp.MustCompile("^add the record `([^`]+)`")
	changePTR  = regexp.MustCompile("^change the record to `([^`]+)`")
	amendSPF   = regexp.MustCompile("^add `([^`]+)` to the SPF record of (\\S+), in front of its `all`")
	setHELO    = regexp.MustCompile(`^set the name in HELO to ([^ ,]+),`)
)

// obey does what the first step of doctor's output says, and describes it. Without a position in
// the configuration, the operator of the zone does it, whom the mail is for.
func (l *Lab) obey(t *testing.T, s *sender, out string) string {
	t.Helper()
	remedy := submatch(remedyLine, out, 1)
	zone := l.Scenario.enclosing(submatch(ownerZone, out, 1), false)
	record := submatch(addRecord, remedy, 1)
	switch {
	case submatch(setHELO, remedy, 0) != "":
		s.mail.HELO = submatch(setHELO, remedy, 1)
		return fmt.Sprintf("You set the name to `%s`.", s.mail.HELO)
	case submatch(changePTR, remedy, 1) != "" && submatch(whereLine, out, 0) != "":
		where := whereLine.FindStringSubmatch(out)
		l.replaceLine(t, where[1], where[2], submatch(changePTR, remedy, 1))
		l.shell(t, "ns1", "ptrd reload")
		l.awaitTransfer(t, submatch(changePTR, remedy, 1))
		return fmt.Sprintf("You change line %s of `%s`, and run `ptrd reload`.", where[2], where[1])
	case zone == nil:
		t.Fatalf("the operator is none of the lab:\n%s", out)
	case record != "":
		zone.Records += record + "\n"
	case submatch(amendSPF, remedy, 1) != "":
		zone.Records = strings.Replace(zone.Records, " -all", " "+submatch(amendSPF, remedy, 1)+" -all", 1)
	default:
		t.Fatalf("the remedy is none that a script can read:\n%s", out)
	}
	if err := l.Restart(t.Context(), zone.Hosts[0]); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("You send the mail to `%s`, who does it.", submatch(addressee, out, 1))
}

func submatch(re *regexp.Regexp, text string, n int) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[n]
	}
	return ""
}

// replaceLine puts a text in the place of a line of a file on the host ns1.
func (l *Lab) replaceLine(t *testing.T, file, line, text string) {
	t.Helper()
	path := filepath.Join(l.options.Dir, "ns1", filepath.Base(file))
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(b), "\n")
	n, err := strconv.Atoi(line)
	if err != nil || n > len(lines) {
		t.Fatalf("%s has no line %s", path, line)
	}
	lines[n-1] = text
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// awaitTransfer waits until the second name server has a record.
func (l *Lab) awaitTransfer(t *testing.T, record string) {
	t.Helper()
	want, err := dns.NewRR(record)
	if err != nil {
		t.Fatal(err)
	}
	q := new(dns.Msg)
	q.SetQuestion(want.Header().Name, want.Header().Rrtype)
	ctx, cancel := context.WithTimeout(t.Context(), startWait)
	defer cancel()
	for ctx.Err() == nil {
		r, err := dns.ExchangeContext(ctx, q, "11.6.0.53:53")
		if err == nil && len(r.Answer) == 1 && strings.HasSuffix(r.Answer[0].String(), want.(*dns.PTR).Ptr) {
			return
		}
	}
	t.Fatalf("the second name server does not get %s", record)
}
