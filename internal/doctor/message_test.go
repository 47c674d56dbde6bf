package doctor

import (
	"fmt"
	"testing"
)

// TestReadMessage reads replies of receiving servers, with what bounces and logs have around them.
func TestReadMessage(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"450 4.7.1 Client host rejected: cannot find your reverse hostname, [203.0.113.25]", "[203.0.113.25]   []"},
		{"550 5.7.25 Reverse DNS validation failed", "[]   []"},
		{`<bob@example.net>: host mx.example.net[198.51.100.9] said: 450 4.7.25 Client host rejected: cannot
    find your hostname, [203.0.113.25] (in reply to RCPT TO command)`, "[203.0.113.25]   []"},
		{"SMTP error from remote mail server after RCPT TO:<bob@example.net>: host mx.example.net [198.51.100.9]: 550 rejected because 2001:db8::25 has no reverse name", "[2001:db8::25]   []"},
		{"504 5.5.2 <mail>: Helo command rejected: need fully-qualified hostname", "[] mail  []"},
		{"450 4.7.1 <gone.example.com>: Helo command rejected: Host not found", "[] gone.example.com  []"},
		{"NOQUEUE: reject: RCPT from unknown[203.0.113.25]: 450 4.1.8 <alice@example.com>: Sender address rejected: Domain not found; from=<alice@example.com> to=<bob@example.net> proto=ESMTP helo=<mail.example.com>", "[] mail.example.com example.com []"},
		{"554 5.7.1 Service unavailable; Client host [203.0.113.25] blocked using bl.example.org; see https://bl.example.org/", "[203.0.113.25]   [bl.example.org]"},
		{"550-5.7.26 Your email has been blocked because the sender is unauthenticated. SPF [example.com] with ip: [203.0.113.25] = Did not pass", "[203.0.113.25]  example.com []"},
		{"550 5.7.23 Message rejected due to: SPF fail - not authorized. Please see http://www.example.net/why?s=mfrom;id=alice@example.com;ip=203.0.113.25;r=mx", "[203.0.113.25]  example.com []"},
		{"550 5.7.23 domain of alice@example.com does not designate 203.0.113.25 as permitted sender", "[203.0.113.25]  example.com []"},
		{"550 between [203.0.113.25] and 203.0.113.26.", "[203.0.113.25 203.0.113.26]   []"},
		{"550 [127.0.0.1] ::1 12:30:00 [::ffff:203.0.113.25] 5.7.1", "[203.0.113.25]   []"},
		{"203.0.113.25", "[203.0.113.25]   []"},
		{"", "[]   []"},
	} {
		m := ReadMessage(c.text)
		if got := fmt.Sprintf("%v %s %s %v", m.Addresses, m.HELO, m.Domain, m.Lists); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
}
