package doctor

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Message is what a rejection says about the mail that was rejected.
type Message struct {
	Addresses []netip.Addr // of the sending server, each once
	HELO      string       // empty: it is not in the text
	Domain    string       // of the sender
	Lists     []string     // blocklists
}

// replyCode is where the reply of the receiving server begins. Before it, a bounce or a log has the
// name and address of the receiving server.
var replyCode = regexp.MustCompile(`(?:^|[\s:"'])[45][0-9][0-9][ -]`)

// forms are what receiving servers write around a name: postfix, exim, Gmail, and SPF libraries.
var forms = []struct {
	to   func(*Message) *string
	form *regexp.Regexp
}{
	{func(m *Message) *string { return &m.HELO }, regexp.MustCompile(`(?i)<([^<>\s@]+)>: helo command rejected`)},
	{func(m *Message) *string { return &m.HELO }, regexp.MustCompile(`(?i)\bhelo[ =]<?([a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+)`)},
	{func(m *Message) *string { return &m.Domain }, regexp.MustCompile(`(?i)<[^<>\s]*@([^<>\s@]+)>: sender address rejected`)},
	{func(m *Message) *string { return &m.Domain }, regexp.MustCompile(`(?i)domain of (?:[^\s@]+@)?([a-z0-9._-]+) does not designate`)},
	{func(m *Message) *string { return &m.Domain }, regexp.MustCompile(`(?i)\bspf \[([a-z0-9._-]+)\]`)},
	{func(m *Message) *string { return &m.Domain }, regexp.MustCompile(`(?i)[?;&]id=[^\s;&@%]*(?:@|%40)([a-z0-9._-]+)`)},
}

var (
	listForm    = regexp.MustCompile(`(?i)\bblocked using ([a-z0-9-]+(?:\.[a-z0-9-]+)+)`)
	addressForm = regexp.MustCompile(`[0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]+`)
)

// ReadMessage reads the text of a rejection: a bounce, a line of a log, or the reply itself. What
// has no known form is not read.
func ReadMessage(text string) *Message {
	text = strings.Join(strings.Fields(text), " ")
	if at := replyCode.FindStringIndex(text); at != nil {
		text = text[at[0]:]
	}
	m := &Message{}
	for _, f := range forms {
		if found := f.form.FindStringSubmatch(text); found != nil && *f.to(m) == "" {
			*f.to(m) = strings.TrimRight(found[1], ".-")
		}
	}
	for _, found := range listForm.FindAllStringSubmatch(text, MaxLists) {
		if !slices.Contains(m.Lists, found[1]) {
			m.Lists = append(m.Lists, found[1])
		}
	}
	for _, s := range addressForm.FindAllString(text, -1) {
		for _, s := range []string{s, strings.TrimRight(s, ".:"), strings.Trim(s, ".:")} {
			a, err := netip.ParseAddr(s)
			if a = a.Unmap(); err == nil && a.IsGlobalUnicast() && !slices.Contains(m.Addresses, a) {
				m.Addresses = append(m.Addresses, a)
			}
		}
	}
	return m
}
