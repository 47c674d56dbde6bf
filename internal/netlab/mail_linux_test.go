package netlab

import (
	"cmp"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/doctor"
	"github.com/ptrd/ptrd/zone/dname"
)

var allMail = flag.Bool("all-mail", false, "send mail to all mail servers also if name servers do not answer, which they wait for, and ask a resolver too")

// mostMessages bounds what an examination sends. The most is needed for an address of each
// family, because the servers of both reverse zones are asked.
const mostMessages = 400

// atOnce is how many customers are examined at once, within the number of connections that
// servers accept from one client.
const atOnce = 16

// TestMailFaults sends mail of customers with at most one fault to mail servers, and compares what
// they reply with what ptrd doctor finds.
func TestMailFaults(t *testing.T) {
	faults := MailFaults()
	l := startLab(t, WithMail("bind", faults, Receivers...))
	tries := make([]*mailTry, len(faults))
	places := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i := range faults {
		tries[i] = &mailTry{MailFault: &faults[i]}
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			tries[i].run(t, l)
		})
	}
	running.Wait()
	for _, try := range tries {
		t.Run(try.Name, func(t *testing.T) {
			settle(t, func(again bool) (wrong []string) {
				if again {
					try.run(t, l)
				}
				t.Logf("%d messages, %v", try.messages, try.took)
				add := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
				if try.messages > mostMessages {
					add("%d messages, want at most %d", try.messages, mostMessages)
				}
				try.checkReport(add)
				if *allMail {
					try.checkResolver(add)
				}
				for r := range try.replies {
					try.checkReplies(add, r)
				}
				if wrong == nil {
					return nil
				}
				for _, row := range try.report.Rows {
					for _, v := range row.Verdicts {
						t.Logf("%v %s %s: %s", row.Address, v.Check, v.State, v.Seen)
					}
				}
				return wrong
			})
		})
	}
}

// mailTry is what doctor and the mail servers say about a fault.
type mailTry struct {
	*MailFault
	report   *doctor.Report
	messages int
	took     time.Duration
	resolver *doctor.Report      // of what a resolver says
	replies  map[string][]string // of each mail server, to mail from each address
}

// run examines a customer and sends its mail.
func (try *mailTry) run(t *testing.T, l *Lab) {
	receivers := Receivers
	if try.NotKnown && !*allMail {
		receivers = receivers[:1]
	}
	try.replies = make(map[string][]string)
	var running sync.WaitGroup
	examine := func(o delegation.Options) (*doctor.Report, int) {
		q := &doctor.Request{Addresses: try.Addrs(), HELO: mustName(try.HELO), Domain: mustName(try.Domain), MailFrom: mustName(try.MailFrom), Client: delegation.New(o)}
		return doctor.Examine(t.Context(), q), q.Client.Walk(t.Context(), dname.FromAddr(q.Addresses[0])).Messages
	}
	running.Go(func() {
		start := time.Now()
		try.report, try.messages = examine(delegation.Options{Hints: delegation.RootServers()[:2], Brief: true})
		try.took = time.Since(start)
	})
	if *allMail {
		running.Go(func() {
			try.resolver, _ = examine(delegation.Options{Resolver: netip.AddrPortFrom(l.Scenario.addrs("resolver.example.")[0], 53)})
		})
	}
	for _, name := range receivers {
		to, err := l.Scenario.host(name)
		if err != nil {
			t.Error(err)
			continue
		}
		replies := make([]string, len(try.From))
		try.replies[name] = replies
		for i, a := range try.Addrs() {
			running.Go(func() {
				refusal, err := l.Send(t.Context(), "sender", to, try.Mail(a))
				if err != nil {
					refusal = "error: " + err.Error()
				}
				replies[i] = refusal
			})
		}
	}
	running.Wait()
}

// first returns the first fault in what is required or recommended, or nil.
func (try *mailTry) first() *doctor.Step {
	if !try.report.IsWrong() {
		return nil
	}
	return try.report.First()
}

// checkReport checks that the fault is what doctor finds first, or does not know first.
func (try *mailTry) checkReport(add func(string, ...any)) {
	first := try.first()
	if try.Check == "" || try.NotKnown {
		if first != nil {
			add("doctor finds %s: %s", first.Check, first.Seen)
		}
		if unknown := try.notKnown(try.Should); unknown != try.Check {
			add("doctor does not know %q, want %q", unknown, try.Check)
		}
		return
	}
	want := doctor.Must
	if try.Should {
		want = doctor.Should
	}
	switch {
	case first == nil:
		add("doctor finds nothing, want %s", try.Check)
	case first.Check != try.Check || first.Level != want:
		add("doctor finds %s, %s: %s; want %s, %s", first.Check, first.Level, first.Seen, try.Check, want)
	case try.Remedy == "" || !strings.Contains(first.Remedy, try.Remedy):
		add("doctor says %q to %s; want %q", first.Remedy, first.Seen, try.Remedy)
	}
}

// checkResolver checks that doctor finds the same fault by the answers of a resolver, or does not
// know.
func (try *mailTry) checkResolver(add func(string, ...any)) {
	want := cmp.Or(try.Resolver, try.Check, "none")
	if try.NotKnown {
		want = "none"
	}
	got := "none"
	if try.resolver.IsWrong() {
		got = try.resolver.First().Check
	}
	if got != want && (got != "none" || !try.resolver.IsNotKnown() && !try.Should) {
		add("with a resolver, doctor finds %s; want %s", got, want)
	}
}

// notKnown returns the first check whose result is not known, of what is required or, with
// should, recommended too.
func (try *mailTry) notKnown(should bool) string {
	for _, row := range try.report.Rows {
		for _, v := range row.Verdicts {
			if v.State == doctor.NotKnown && (v.Level == doctor.Must || should && v.Level == doctor.Should) {
				return v.Check
			}
		}
	}
	return ""
}

// checkReplies compares the replies of a mail server with what the fault means to it.
func (try *mailTry) checkReplies(add func(string, ...any), receiver string) {
	check := try.Check
	if try.NotKnown {
		check += "?"
	}
	fault, ok := try.Replies[receiver]
	if !ok {
		fault = judgements[check][receiver]
	}
	first := try.first()
	for i, a := range try.Addrs() {
		want := fault
		if first != nil && !slices.Contains(first.Addresses, a) {
			want = "" // the fault of another uplink
		}
		got := try.replies[receiver][i]
		if (got == "") != (want == "") || !strings.HasPrefix(got, want) {
			add("%s replies %q to mail from %v, want %q", receiver, got, a, want)
		}
		if receiver == "postfix" && got != "" && first != nil && first.Check != "dnssec" && !slices.Contains(first.Replies, got) {
			add("postfix replies %q, and doctor has %q", got, first.Replies)
		}
	}
}

func mustName(text string) dname.Name {
	if text == "" {
		return nil
	}
	return dname.MustParse(text)
}
