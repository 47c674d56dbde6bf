package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/spf"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// mailServer is who sets names in the configuration of the mail server.
var mailServer = Owner{Who: "the operator of the mail server"}

func checkHELOName(f *facts) Verdict {
	n := f.q.HELO
	switch {
	case n == nil:
		return skipped
	case isAddress(text(n)):
		return wrong(mailServer, fmt.Sprintf("the name in HELO is the address %s without brackets", text(n)), f.setHELO())
	case isLiteral(n):
		return wrong(mailServer, "the name in HELO is an address", f.setHELO()).replies(Should, noReply)
	case n.Labels() < 2:
		return wrong(mailServer, fmt.Sprintf("the name in HELO is %s, which is not fully qualified", text(n)), f.setHELO())
	case text(n) == "localhost.localdomain" || n.IsAtOrBelow(dname.MustParse("local")):
		return wrong(mailServer, fmt.Sprintf("the name in HELO is %s, which is not a public name", text(n)), f.setHELO()).replies(Must, noHost)
	}
	return ok("%v", n)
}

// setHELO is the remedy for a name in HELO that is not the host's.
func (f *facts) setHELO() string {
	name := "the name of the host"
	if f.isConfirmed() {
		name = text(f.bestName().Name)
	}
	return fmt.Sprintf("set the name in HELO to %s, in postfix by myhostname or smtp_helo_name", name)
}

// isConfirmed reports whether a name of the address leads back to it.
func (f *facts) isConfirmed() bool { return f.bestName() != nil && f.bestName().Confirmed }

// isAddress reports whether a text is an address.
func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// isLiteral reports whether a name is an address literal (RFC 5321 §4.1.3), as [203.0.113.25] or
// [IPv6:2001:db8::25].
func isLiteral(n dname.Name) bool {
	var labels []string
	for ; n.Labels() > 0; n = n.Parent() {
		labels = append(labels, string(n.Label()))
	}
	inner, isOpen := strings.CutPrefix(strings.Join(labels, "."), "[")
	inner, isClosed := strings.CutSuffix(inner, "]")
	return isOpen && isClosed && isAddress(strings.TrimPrefix(strings.ToLower(inner), "ipv6:"))
}

func checkHELO(f *facts) Verdict {
	switch {
	case f.helo == nil || checkHELOName(f).State != OK:
		return skipped
	case len(f.helo.addresses) > 0:
		return ok("%s", join(f.helo.addresses))
	case f.helo.err != nil:
		return f.fromWay(wayOf(f.helo.err))
	}
	seen := fmt.Sprintf("the name in HELO, %v, has no address", f.helo.name)
	if f.isConfirmed() {
		return wrong(mailServer, seen, f.setHELO())
	}
	return f.noAddress(f.helo.name, seen, "")
}

func checkHELOAddress(f *facts) Verdict {
	switch {
	case f.helo == nil || len(f.helo.addresses) == 0:
		return skipped
	case f.helo.own:
		return ok("%v", f.helo.name)
	case f.helo.err != nil:
		return notKnown(f.helo.err.Error())
	}
	seen := fmt.Sprintf("the name in HELO, %v, leads to %s, not to %v", f.helo.name, join(f.helo.addresses), f.address)
	isOfUplink := slices.ContainsFunc(f.q.Addresses, func(a netip.Addr) bool { return slices.Contains(f.helo.addresses, a) })
	if f.isConfirmed() && !isOfUplink {
		return wrong(mailServer, seen, f.setHELO())
	}
	v := f.noAddress(f.helo.name, seen, ", or use another name in HELO for this uplink")
	if checkPTR(f).State == Wrong || checkName(f).State == Wrong {
		v.Seen += "; the PTR record, which is wrong too, is to have this name"
		return v.replies(Must, noReply)
	}
	return v
}

func checkMX(f *facts) Verdict {
	d := f.q.Domain
	switch {
	case d == nil:
		return skipped
	case f.mxErr != nil:
		return f.fromWay(wayOf(f.mxErr))
	case f.mxNull:
		return f.wrongRecord(d, rr.TypeMX, fmt.Sprintf("%v has a null MX record: it receives no mail, so servers reject its senders (RFC 7505 §4.2)", d),
			fmt.Sprintf("replace the MX record of %v by one with the name of a mail server", d)).replies(Must, f.ofSender(nullMX))
	case len(f.mx) == 0 && len(f.domain.addresses) > 0:
		return ok("no MX record; mail goes to %s", join(f.domain.addresses))
	case len(f.mx) == 0 && f.domain.err != nil:
		return f.fromWay(wayOf(f.domain.err))
	case len(f.mx) == 0:
		return f.wrongRecord(d, rr.TypeMX, fmt.Sprintf("%v has neither an MX record nor an address", d),
			fmt.Sprintf("add the record `%v MX 10 %s`", d, f.wanted())).replies(Must, f.ofSender(noDomain))
	}
	return f.checkMXHosts()
}

// ofSender returns replies about the domain, if it is that of the sender in the envelope.
func (f *facts) ofSender(replies []string) []string {
	if f.q.MailFrom != nil {
		return noReply
	}
	return replies
}

// checkMXHosts judges the hosts in the MX records: one with an address is enough to receive
// mail.
func (f *facts) checkMXHosts() Verdict {
	var names []string
	v, level := Verdict{State: OK}, Must
	for _, h := range f.mx {
		names = append(names, h.name.String())
		switch {
		case len(h.addresses) > 0:
			level = Should
		case v.State == Wrong:
		case h.err != nil:
			v = f.fromWay(wayOf(h.err))
		default:
			v = f.wrongRecord(h.name, f.family(), fmt.Sprintf("the host %v in the MX records of %v has no address", h.name, f.q.Domain),
				fmt.Sprintf("add an address of %v, or remove it from the MX records of %v", h.name, f.q.Domain))
		}
	}
	if v.State == OK {
		return ok("%s", strings.Join(names, " "))
	}
	return v.replies(level, noReply)
}

func checkMXAddress(f *facts) Verdict {
	if len(f.mx) == 0 {
		return skipped
	}
	for _, h := range f.mx {
		if h.own {
			return ok("%v", h.name)
		}
	}
	for _, h := range f.mx {
		if h.err != nil {
			return notKnown(h.err.Error())
		}
	}
	return f.wrongRecord(f.q.Domain, rr.TypeMX, fmt.Sprintf("no host in the MX records of %v has the address %v", f.q.Domain, f.address),
		"if this uplink should receive mail too, add an MX record with the name of its host")
}

func checkMailFrom(f *facts) Verdict {
	n := f.q.MailFrom
	switch {
	case n == nil:
		return skipped
	case f.mailErr != nil:
		return f.fromWay(wayOf(f.mailErr))
	case len(f.mailMX) == 1:
		return ok("%s", f.mailMX[0].(*dns.MX).Mx)
	}
	v := f.wrongRecord(n, rr.TypeMX, fmt.Sprintf("the MAIL FROM domain %v has %d MX records, must have one", n, len(f.mailMX)),
		fmt.Sprintf("let %v have only the MX record that the mail service shows", n))
	if len(f.mailMX) > 0 || len(f.mailFrom.addresses) > 0 || f.mailFrom.err != nil {
		v = v.replies(Must, noReply) // the service refuses the domain, receiving servers do not
	}
	return v
}

func checkSPF(f *facts) Verdict {
	if f.spf == nil {
		return skipped
	}
	r, s := f.spf, f.q.sender()
	amend := fmt.Sprintf("add `%s` to the SPF record of %v, in front of its `all` or `redirect`", strings.TrimSpace(terms([]netip.Addr{f.address})), s)
	switch r.Result {
	case spf.Pass:
		if strings.HasPrefix(strings.ToLower(strings.TrimPrefix(r.Term, "+")), "ptr") {
			return f.wrongRecord(s, rr.TypeTXT, fmt.Sprintf("the SPF record of %s allows %v only by `%s`, which should not be used (RFC 7208 §5.5), and some servers do not evaluate: %s", r.Domain, f.address, r.Term, r.Record), amend).replies(Should, noReply)
		}
		return ok("%s", r.Term)
	case spf.TempError:
		return notKnown(r.Reason)
	case spf.PermError:
		remedy := "correct the SPF record"
		if strings.Contains(r.Reason, "SPF records") {
			remedy = "unite the SPF records into one, with the terms of all"
		}
		return f.wrongRecord(s, rr.TypeTXT, r.Reason, remedy).replies(Must, spfError)
	case spf.Fail:
		seen := fmt.Sprintf("the SPF record of %s forbids %v by `%s`: %s", r.Domain, f.address, r.Term, r.Record)
		if r.Explanation != "" {
			seen += fmt.Sprintf(" (its explanation: %q)", r.Explanation)
		}
		return f.wrongRecord(s, rr.TypeTXT, seen, amend)
	case spf.None:
		return f.wrongRecord(s, rr.TypeTXT, r.Reason, fmt.Sprintf("add the record `%v TXT \"v=spf1%s -all\"`, with all other addresses that send mail of this domain", s, terms(f.q.Addresses))).replies(Should, noReply)
	}
	return f.wrongRecord(s, rr.TypeTXT, fmt.Sprintf("the result of SPF is %s for %v: %s", r.Result, f.address, r.Record), amend).replies(Should, noReply)
}

// terms returns SPF terms for addresses, each after a space.
func terms(addresses []netip.Addr) string {
	var b strings.Builder
	for _, a := range addresses {
		family := " ip4:"
		if a.Unmap().Is6() {
			family = " ip6:"
		}
		b.WriteString(family + a.Unmap().WithZone("").String())
	}
	return b.String()
}
