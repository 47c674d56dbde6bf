package zone

import (
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rule"
	"github.com/ptrd/ptrd/zone/spelling"
)

const ruleTarget = "ptr-target"

// targetFault returns why n is not the name of a host, which mail servers expect of the PTR of an
// address, and the remedy; empty if it is one.
func targetFault(n dname.Name) string {
	switch {
	case n.IsRoot():
		return `target "." is the root; write the name that the address has, or remove the record`
	case n.Labels() == 1 && !n.Equal(dname.Name("\x09localhost\x00")):
		return fmt.Sprintf("target %v has one label, and mail servers reject names without a domain; write the full name of the host", n)
	}
	if fault := spelling.HostFault(n, "mail servers"); fault != "" {
		return fmt.Sprintf("target %s is not the name of a host: %s", strings.NewReplacer(`\:`, ":", `\@`, "@").Replace(n.String()), fault)
	}
	return ""
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
