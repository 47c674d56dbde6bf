package zone

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/rule"
)

const ruleTarget = "ptr-target"

// hostOctets has the octets of the labels of host names (RFC 952, RFC 1123 §2.1).
var hostOctets = func() (is [256]bool) {
	for c := range is {
		is[c] = c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
	}
	return is
}()

// isHostLabel reports whether a label, with its length before it, may be in the name of a host.
func isHostLabel(b []byte) bool {
	for _, c := range b[1:] {
		if !hostOctets[c] {
			return false
		}
	}
	return len(b) > 1 && b[1] != '-' && b[len(b)-1] != '-'
}

// targetFault returns why n is not the name of a host, which mail servers expect of the PTR of an
// address, and the remedy; empty if it is one.
func targetFault(n dname.Name) string {
	switch {
	case n.IsRoot():
		return `target "." is the root; write the name that the address has, or remove the record`
	case n.Labels() == 1 && !n.Equal(dname.Name("\x09localhost\x00")):
		return fmt.Sprintf("target %v has one label, and mail servers reject names without a domain; write the full name of the host", n)
	}
	text := strings.NewReplacer(`\:`, ":", `\@`, "@").Replace(n.String())
	for rest := n; !rest.IsRoot(); rest = rest.Parent() {
		if label := rest.Label(); !isHostLabel(rest[:1+len(label)]) {
			return fmt.Sprintf("target %s is not the name of a host: %s", text, labelFault(label, strings.TrimSuffix(text, ".")))
		}
	}
	return ""
}

// labelFault describes a label that is not one of a host name; text is the whole name.
func labelFault(label []byte, text string) string {
	s := string(label)
	if _, url, ok := strings.Cut(text, "://"); ok {
		host, _, _ := strings.Cut(url, "/")
		return fmt.Sprintf("it is a URL; write the name in it, %s.", host)
	}
	if host, port, ok := strings.Cut(text, ":"); ok && strings.Trim(port, "0123456789") == "" {
		return fmt.Sprintf("it has the port %s; write %s.", port, host)
	}
	i := slices.IndexFunc(label, func(c byte) bool { return !hostOctets[c] })
	switch {
	case i < 0 && s[0] == '-':
		return fmt.Sprintf("label %q begins with a hyphen (RFC 1123 §2.1); rename the host", s)
	case i < 0:
		return fmt.Sprintf("label %q ends with a hyphen (RFC 1123 §2.1); rename the host", s)
	case s[i] == '@':
		return "it has an @, as a mail address; write the name of the mail server"
	case s[i] == '_':
		return fmt.Sprintf("label %q has an underscore, and mail servers reject such names (RFC 1123 §2.1); use a hyphen", s)
	case s[i] >= 0x80:
		return "it is not ASCII; write internationalized labels as A-labels (xn--…)"
	}
	return fmt.Sprintf("label %s has the octet %s, where only letters, digits and hyphens are allowed (RFC 1123 §2.1); correct it", rr.Quote(label), rr.Quote(label[i:i+1]))
}

// isOfAddress reports whether an owner may be that of an address in a classless zone, as
// 65.64-127.113.0.203.in-addr.arpa, or is that of any other address.
func isOfAddress(n dname.Name) bool {
	if _, ok := dname.ToAddr(n); ok {
		return true
	}
	family, address, rest := dname.Tree(n)
	_, ok := dname.OctetLabel(n.Label())
	return ok && family == dname.InAddr && address == 3 && rest > 1
}

// targets looks for targets of PTRs that are not names of hosts.
type targets struct {
	on     bool
	suffix ref // the last one that is the end of host names; 0: none
}

// checkTarget reports the target of a PTR at an address if it is not the name of a host. suffix is
// where its labels after the first are stored; 0: unknown.
func (b *Builder) checkTarget(r *Record, suffix ref) {
	fault := targetFault(dname.Name(r.Data))
	if fault == "" {
		b.targets.suffix = suffix
		return
	}
	b.report(finding.Warning, ruleTarget, r.Tag, r.Owner, r.Type, "%s", fault)
}

// SetChecks has the Builder look for what is likely a mistake of the zone's operator, with these
// severities of rules.
func (b *Builder) SetChecks(c rule.Checks) {
	s, _ := c.Severity(ruleTarget)
	b.findings.Checks, b.targets.on = c, s != rule.Off
}
