// Package doctor finds out why a receiving server rejects mail from an address: what is wrong
// in its reverse name, its name in HELO, and the domain of its mail, what to fix first, and who
// can fix it.
//
//	Request → facts of each address → checks → Report
//
// What is not known, because servers did not answer in time or the network does not reach
// them, never counts as wrong.
//
// # Files
//
//   - facts.go: what the DNS says, collected by package delegation, without judgement
//   - way.go: what a walk to a name means: the way is intact, broken, or not known
//   - checks.go: the table of checks, in the order in which faults must be fixed, and those of
//     the address and its names
//   - dnssec.go: answers of signed zones, and the check of their signatures
//   - mail.go: checks of HELO, MX records and SPF
//   - dnsbl.go: blocklists
//   - message.go: what the text of a rejection says
//   - print.go: the report as text
package doctor

import (
	"cmp"
	"context"
	"embed"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// MaxAddresses bounds the addresses of a Request; few sites have more uplinks.
const MaxAddresses = 16

// longest bounds one examination, as the engine bounds one of its calls.
const longest = time.Minute

// Request is what to examine.
type Request struct {
	Addresses []netip.Addr
	HELO      dname.Name   // nil: not examined
	Domain    dname.Name   // of the addresses of senders and recipients; nil: not examined
	MailFrom  dname.Name   // of the sender in the envelope; nil: Domain
	Lists     []dname.Name // blocklists, at most MaxLists

	Client *delegation.Client // asks all questions

	// Ours returns who can change a record of a name in a zone of our own server, with its place
	// in the configuration; false: only another operator can. Nil: nothing is known of our own.
	Ours func(zone, name dname.Name, t rr.Type) (Owner, bool)

	Language string // of mails: one of Languages; empty: the first
}

// sender returns the domain of the sender in the envelope, or nil.
func (q *Request) sender() dname.Name {
	if q.MailFrom != nil {
		return q.MailFrom
	}
	return q.Domain
}

// missing returns what cannot be examined.
func (q *Request) missing() (out []string) {
	if q.HELO == nil {
		out = append(out, "the name that the mail server gives in HELO (--helo NAME)")
	}
	if q.Domain == nil {
		out = append(out, "the domain of the mail addresses, with its MX and SPF records (--domain NAME)")
	}
	if len(q.Lists) == 0 {
		out = append(out, "blocklists (--dnsbl NAME)")
	}
	return out
}

// State is the result of a check.
type State string

// The states.
const (
	OK       State = "ok"
	Wrong    State = "wrong"
	NotKnown State = "not known" // no server answered, or the question could not be asked
	Skipped  State = "skipped"   // it was not asked for, or means nothing before another fault is fixed
)

// Level says what requires a check.
type Level string

// The levels.
const (
	Must   Level = "MUST"         // receiving servers reject mail without it, or a standard requires it
	Should Level = "SHOULD"       // recommended, or counts in ratings of mail
	Info   Level = "not required" // useful for operation
)

// Owner is who can fix a fault.
type Owner struct {
	Who      string           `json:"who"` // in words
	Zone     dname.Name       `json:"zone,omitempty"`
	Contact  string           `json:"contact,omitempty"` // mail address in the SOA record of Zone
	Position finding.Position `json:"position,omitzero"` // in our own configuration
}

// Verdict is the result of a check of an address. Owner and Remedy are those of Wrong.
type Verdict struct {
	Check   string   `json:"check"`
	Level   Level    `json:"level"`
	State   State    `json:"state"`
	Seen    string   `json:"seen,omitempty"`
	Owner   Owner    `json:"owner,omitzero"`
	Remedy  string   `json:"remedy,omitempty"`
	Replies []string `json:"replies,omitempty"` // that receiving servers may send because of it
}

// Row has the verdicts of an address, in the order of the checks.
type Row struct {
	Address  netip.Addr `json:"address"`
	Verdicts []Verdict  `json:"verdicts"`
}

// Step is a fault to fix.
type Step struct {
	Addresses []netip.Addr `json:"addresses"` // that have it
	*Verdict
	Mail string `json:"mail,omitempty"` // to the operator of another zone
}

// Report is the result of an examination.
type Report struct {
	Rows  []Row  `json:"rows"`
	Steps []Step `json:"steps"` // in the order in which to fix them: first what is required

	// Missing is what was not examined because the Request does not have it, in words.
	Missing []string `json:"not_examined,omitempty"`

	all bool // Print writes all steps
}

// Examine examines all addresses at once. It takes at most a minute.
func Examine(ctx context.Context, q *Request) *Report {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	r := &Report{Rows: make([]Row, len(q.Addresses)), Steps: []Step{}, Missing: q.missing()}
	var wg sync.WaitGroup
	for i, a := range q.Addresses {
		wg.Go(func() {
			f := collect(ctx, q, a.Unmap().WithZone(""))
			r.Rows[i] = Row{f.address, f.judge()}
		})
	}
	wg.Wait()
	for _, level := range []Level{Must, Should, Info} {
		for _, early := range []bool{true, false} {
			for i := range checks {
				if slices.Contains(beforePTR, checks[i].name) == early {
					r.addSteps(level, i)
				}
			}
		}
	}
	for i := range r.Steps {
		r.Steps[i].addMail(q.Language)
	}
	return r
}

// addSteps adds the faults that a check of a level found. Addresses with the same fault share a
// step, and so do checks with the same remedy.
func (r *Report) addSteps(level Level, check int) {
rows:
	for i := range r.Rows {
		address, v := r.Rows[i].Address, r.Rows[i].Verdicts[check]
		if v.State != Wrong || v.Level != level {
			continue
		}
		for j := range r.Steps {
			if s := &r.Steps[j]; s.Remedy == v.Remedy && s.Owner.Who == v.Owner.Who {
				s.Addresses = appendNew(s.Addresses, address)
				s.Replies = appendNew(s.Replies, v.Replies...)
				continue rows
			}
		}
		v.Replies = slices.Clone(v.Replies)
		r.Steps = append(r.Steps, Step{Addresses: []netip.Addr{address}, Verdict: &v})
	}
}

// appendNew appends the elements that a list does not have.
func appendNew[T comparable](list []T, more ...T) []T {
	for _, e := range more {
		if !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	return list
}

// Languages are those of mails, by the names of their templates.
var Languages = []string{"en", "ja"}

//go:embed templates/*.tmpl
var files embed.FS

// addMail writes the mail to the operator of another zone.
func (s *Step) addMail(language string) {
	if s.Owner.Contact == "" {
		return
	}
	_, record, _ := strings.Cut(s.Remedy, "`")
	record, _, _ = strings.Cut(record, "`")
	var b strings.Builder
	name := "mail-" + cmp.Or(language, Languages[0]) + ".tmpl"
	template.Must(template.ParseFS(files, "templates/"+name)).Execute(&b, map[string]any{ // to memory
		"Contact": s.Owner.Contact, "Zone": s.Owner.Zone, "Addresses": join(s.Addresses), "Check": s.Check, "Seen": s.Seen, "Remedy": s.Remedy, "Record": record,
	})
	s.Mail = b.String()
}

// First returns the first fault to fix, or what is not required; nil: there is neither.
func (r *Report) First() *Step {
	if len(r.Steps) == 0 {
		return nil
	}
	return &r.Steps[0]
}

// IsWrong reports whether there is a fault in what is required or recommended.
func (r *Report) IsWrong() bool { return len(r.Steps) > 0 && r.Steps[0].Level != Info }

// IsNotKnown reports whether the result of any check that is required is not known.
func (r *Report) IsNotKnown() bool {
	for _, row := range r.Rows {
		for _, v := range row.Verdicts {
			if v.State == NotKnown && v.Level == Must {
				return true
			}
		}
	}
	return false
}

// ShowAll makes Print write all steps, not only the first.
func (r *Report) ShowAll() { r.all = true }

// text returns a name as in mail, without final dot; empty for nil.
func text(n dname.Name) string {
	if n == nil {
		return ""
	}
	return strings.TrimSuffix(n.String(), ".")
}
