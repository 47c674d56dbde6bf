package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/fcrdns"
	"github.com/ptrd/ptrd/internal/spf"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// check is a column of the matrix.
type check struct {
	name    string
	level   Level
	what    string // that is required
	judge   func(*facts) Verdict
	replies []string // of receiving servers, unless the verdict has others; facts.judge replaces the words in braces
}

// Replies of postfix with reject_unknown_reverse_client_hostname and
// reject_unknown_client_hostname, and of servers that follow RFC 7372.
var (
	noReverse = []string{
		"450 4.7.1 Client host rejected: cannot find your reverse hostname, [{address}]",
		"550 5.7.25 Reverse DNS validation failed",
	}
	notConfirmed = []string{
		"450 4.7.25 Client host rejected: cannot find your hostname, [{address}]",
		"550 5.7.25 Reverse DNS validation failed",
	}
	noDomain = []string{"450 4.1.8 <postmaster@{sender}>: Sender address rejected: Domain not found"}
	nullMX   = []string{"550 5.7.27 <postmaster@{sender}>: Sender address rejected: Domain {sender} does not accept mail (nullMX)"}
	spfError = []string{"550 5.7.24 SPF validation error"}
	noReply  = []string{} // servers do not reject mail because of it
)

// checks are in the order in which faults must be fixed: a check means something only if those
// before it that it depends on are good.
var checks = []check{
	{"delegation", Must, "the reverse zone is delegated, and its servers answer", checkDelegation, noReverse},
	{"dnssec", Must, "the DS records lead to a key of the zone", checkDNSSEC, noReverse},
	{"ptr", Must, "the address has a name", checkPTR, noReverse},
	{"name", Must, "the name is that of a host", checkName, notConfirmed},
	{"forward", Must, "the name has an address of the same family", checkForward, notConfirmed},
	{"confirmed", Must, "the name leads back to the address (RFC 8601 §3)", checkConfirmed, notConfirmed},
	{"helo name", Must, "the name in HELO is fully qualified (RFC 5321 §2.3.5)", checkHELOName, []string{"504 5.5.2 <{helo}>: Helo command rejected: need fully-qualified hostname"}},
	{"helo", Must, "the name in HELO has an address (RFC 5321 §2.3.5)", checkHELO, []string{"450 4.7.1 <{helo}>: Helo command rejected: Host not found"}},
	{"mx", Must, "the domain can receive mail (RFC 5321 §5.1)", checkMX, noDomain},
	{"mail from", Must, "the MAIL FROM domain has one MX record, as SES requires", checkMailFrom, noDomain},
	{"spf", Must, "the SPF record allows the address (RFC 7208)", checkSPF, []string{"550 5.7.23 SPF validation failed"}},
	{"servers", Should, "each server of the reverse zone answers over UDP and TCP", checkServers, nil},
	{"all names", Should, "each name of the address leads back to it", checkAllNames, nil},
	{"helo address", Should, "the name in HELO leads to the address", checkHELOAddress, nil},
	{"pool", Should, "the name does not look like that of a dynamic address", checkPool, []string{"550 5.7.1 Client host rejected: generic hostname (text differs between servers)"}},
	{"mx address", Info, "a host in the MX records has the address", checkMXAddress, nil},
}

// judge applies all checks.
func (f *facts) judge() []Verdict {
	words := strings.NewReplacer("{address}", f.address.String(), "{helo}", text(f.q.HELO), "{sender}", text(f.q.sender()))
	var out []Verdict
	for _, c := range checks {
		v := c.judge(f)
		v.Check = c.name
		if v.Level == "" {
			v.Level = c.level
		}
		replies := v.Replies
		if v.State == Wrong && replies == nil {
			replies = c.replies
		}
		v.Replies = nil
		for _, r := range replies {
			v.Replies = append(v.Replies, words.Replace(r))
		}
		out = append(out, v)
	}
	return out
}

var skipped = Verdict{State: Skipped}

func ok(format string, args ...any) Verdict {
	return Verdict{State: OK, Seen: fmt.Sprintf(format, args...)}
}

func notKnown(seen string) Verdict { return Verdict{State: NotKnown, Seen: seen} }

// replies returns the verdict with another level and other replies than those of its check.
func (v Verdict) replies(level Level, replies []string) Verdict {
	v.Level, v.Replies = level, replies
	return v
}

func wrong(o Owner, seen, remedy string) Verdict {
	return Verdict{State: Wrong, Seen: seen, Owner: o, Remedy: remedy}
}

// fromWay returns the verdict about a name that a lookup did not find the servers of.
func (f *facts) fromWay(w way) Verdict {
	if w.state != Wrong {
		return notKnown(w.seen)
	}
	return wrong(f.owner(w.zone, w.zone, rr.TypeNS), w.seen, w.remedy)
}

// mailServer is who sets names in the configuration of the mail server.
var mailServer = Owner{Who: "the operator of the mail server"}

func checkDelegation(f *facts) Verdict {
	if f.way.state == OK {
		return ok("%s", f.way.seen)
	}
	return f.fromWay(f.way)
}

const onlyResolver = "a resolver was asked, and not the servers of the zone"

// surveyed returns the zones on the way whose servers were asked all questions.
func (f *facts) surveyed() (out []*delegation.Level) {
	for _, l := range f.walk.Levels {
		if l.Surveyed && l.Parent != nil {
			out = append(out, l)
		}
	}
	return out
}

// checkDNSSEC compares DS records with keys; it does not verify signatures.
func checkDNSSEC(f *facts) Verdict {
	if f.way.state != OK {
		return skipped
	}
	if f.walk.Resolver.IsValid() {
		return notKnown(onlyResolver).replies(Should, noReply)
	}
	v := ok("not signed")
	for _, l := range f.surveyed() {
		var ds, keys []dns.RR
		for _, fact := range l.DS {
			ds = append(ds, fact.Records()...)
		}
		if len(ds) == 0 {
			continue
		}
		known := false
		for _, h := range l.Hosts() {
			for _, t := range []delegation.Transport{delegation.UDP, delegation.TCP} {
				fact := h.Over(t).DNSKEY
				known = known || fact.OK()
				keys = append(keys, fact.Records()...)
			}
		}
		switch {
		case !known:
			return notKnown(fmt.Sprintf("no server of %v answered the question for its keys", l.Zone))
		case !hasKey(ds, keys):
			return wrong(f.owner(l.Parent.Zone, l.Zone, rr.TypeDS),
				fmt.Sprintf("the zone above has DS records of %v, and the zone has no key for them: resolvers that validate get no answer", l.Zone),
				fmt.Sprintf("remove the DS records of %v, or replace them by those of its keys", l.Zone))
		}
		v = ok("DS and DNSKEY of %v agree", l.Zone)
	}
	return v
}

// hasKey reports whether a DS record is that of a key.
func hasKey(ds, keys []dns.RR) bool {
	for _, k := range keys {
		key, _ := k.(*dns.DNSKEY)
		for _, d := range ds {
			if d, _ := d.(*dns.DS); d != nil && key != nil {
				if made := key.ToDS(d.DigestType); made != nil && made.KeyTag == d.KeyTag && strings.EqualFold(made.Digest, d.Digest) {
					return true
				}
			}
		}
	}
	return false
}

// wanted returns the name that the address should have.
func (f *facts) wanted() string {
	if f.q.HELO != nil && f.q.HELO.Labels() > 1 {
		return f.q.HELO.String()
	}
	return "NAME-OF-THE-MAIL-SERVER."
}

func checkPTR(f *facts) Verdict {
	r := f.reverse
	switch {
	case f.way.state != OK:
		return skipped
	case r.Err != nil:
		return f.fromWay(wayOf(r.Err))
	case len(r.Names) == 0:
		name := f.walk.Target
		return wrong(f.owner(f.walk.End.Zone, name, rr.TypePTR), fmt.Sprintf("%v has no PTR record", name),
			fmt.Sprintf("add the record `%v PTR %s`", name, f.wanted()))
	}
	var names []string
	for i := range r.Names {
		names = append(names, r.Names[i].Name.String())
	}
	return ok("%s", strings.Join(names, " "))
}

// firstName returns the name that a verdict is about: that which leads back, or the first.
func (f *facts) firstName() *fcrdns.Name {
	for i := range f.reverse.Names {
		if f.reverse.Names[i].Confirmed {
			return &f.reverse.Names[i]
		}
	}
	if len(f.reverse.Names) == 0 {
		return nil
	}
	return &f.reverse.Names[0]
}

// changePTR returns the verdict that the PTR record has a wrong name.
func (f *facts) changePTR(seen string) Verdict {
	return wrong(f.owner(f.walk.End.Zone, f.walk.Target, rr.TypePTR), seen,
		fmt.Sprintf("change the record to `%v PTR %s`", f.walk.Target, f.wanted()))
}

func checkName(f *facts) Verdict {
	n := f.firstName()
	switch {
	case n == nil || f.way.state != OK:
		return skipped
	case n.Name.IsAtOrBelow(dname.MustParse("arpa")):
		return f.changePTR(fmt.Sprintf("the PTR record leads to %v, which is below the reverse zone: the name in the zone file has no final dot", n.Name))
	case n.Name.Labels() < 2:
		return f.changePTR(fmt.Sprintf("the PTR record leads to %v, which is not a fully qualified name", n.Name))
	}
	return ok("%v", n.Name)
}

func checkForward(f *facts) Verdict {
	n := f.firstName()
	switch {
	case n == nil || checkName(f).State != OK:
		return skipped
	case n.Err != nil:
		return f.fromWay(wayOf(n.Err))
	case len(n.Addresses) == 0:
		return wrong(f.owner(f.zoneOf(n.Name), n.Name, f.family()), fmt.Sprintf("%v has no %v record", n.Name, f.family()), f.addAddress(n.Name))
	}
	return ok("%s", join(n.Addresses))
}

// family returns the type of the records that have such an address.
func (f *facts) family() rr.Type {
	if f.address.Is4() {
		return rr.TypeA
	}
	return rr.TypeAAAA
}

// addAddress returns the remedy for a name that does not lead to the address.
func (f *facts) addAddress(n dname.Name) string {
	return fmt.Sprintf("add the record `%v %v %v`", n, f.family(), f.address)
}

func join(list []netip.Addr) string { return strings.Trim(fmt.Sprint(list), "[]") }

func checkConfirmed(f *facts) Verdict {
	n := f.firstName()
	switch {
	case n == nil || n.Err != nil || len(n.Addresses) == 0 || checkName(f).State != OK:
		return skipped
	case f.reverse.Result == fcrdns.TempError:
		return notKnown("the addresses of another name of this address are not known")
	case !n.Confirmed:
		return wrong(f.owner(f.zoneOf(n.Name), n.Name, f.family()), fmt.Sprintf("%v has the addresses %s, not %v", n.Name, join(n.Addresses), f.address),
			f.addAddress(n.Name)+", or let the PTR record have the name of the host with this address")
	}
	return ok("%v", n.Name)
}

func checkHELOName(f *facts) Verdict {
	n := f.q.HELO
	switch {
	case n == nil:
		return skipped
	case isAddress(text(n)):
		return wrong(mailServer, fmt.Sprintf("the name in HELO is the address %s", text(n)), heloRemedy).replies(Should, noReply)
	case n.Labels() < 2 || text(n) == "localhost.localdomain" || n.IsAtOrBelow(dname.MustParse("local")):
		return wrong(mailServer, fmt.Sprintf("the name in HELO is %s, which is not a fully qualified public name", text(n)),
			heloRemedy)
	}
	return ok("%v", n)
}

const heloRemedy = "set the name in HELO to the name of the host, in postfix by myhostname or smtp_helo_name"

// isAddress reports whether the text is an address, as in an address literal (RFC 5321 §4.1.3).
func isAddress(text string) bool {
	_, err := netip.ParseAddr(strings.TrimPrefix(strings.Trim(text, "[]"), "IPv6:"))
	return err == nil
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
	return wrong(f.owner(f.zoneOf(f.helo.name), f.helo.name, f.family()), fmt.Sprintf("the name in HELO, %v, has no address", f.helo.name), f.addAddress(f.helo.name))
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
	return wrong(f.owner(f.zoneOf(f.helo.name), f.helo.name, f.family()),
		fmt.Sprintf("the name in HELO, %v, leads to %s, not to %v", f.helo.name, join(f.helo.addresses), f.address),
		f.addAddress(f.helo.name)+", or use another name in HELO for this uplink")
}

func checkMX(f *facts) Verdict {
	d := f.q.Domain
	switch {
	case d == nil:
		return skipped
	case f.mxErr != nil:
		return f.fromWay(wayOf(f.mxErr))
	case f.mxNull:
		return wrong(f.owner(f.zoneOf(d), d, rr.TypeMX), fmt.Sprintf("%v has a null MX record: it receives no mail, so servers reject its senders (RFC 7505 §4.2)", d),
			fmt.Sprintf("replace the MX record of %v by one with the name of a mail server", d)).replies(Must, nullMX)
	case len(f.mx) == 0 && len(f.domain.addresses) > 0:
		return ok("no MX record; mail goes to %s", join(f.domain.addresses))
	case len(f.mx) == 0 && f.domain.err != nil:
		return f.fromWay(wayOf(f.domain.err))
	case len(f.mx) == 0:
		return wrong(f.owner(f.zoneOf(d), d, rr.TypeMX), fmt.Sprintf("%v has neither an MX record nor an address", d),
			fmt.Sprintf("add the record `%v MX 10 %s`", d, f.wanted()))
	}
	return f.checkMXHosts()
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
			v = wrong(f.owner(f.zoneOf(h.name), h.name, f.family()), fmt.Sprintf("the host %v in the MX records of %v has no address", h.name, f.q.Domain),
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
	return wrong(f.owner(f.zoneOf(f.q.Domain), f.q.Domain, rr.TypeMX), fmt.Sprintf("no host in the MX records of %v has the address %v", f.q.Domain, f.address),
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
	v := wrong(f.owner(f.zoneOf(n), n, rr.TypeMX), fmt.Sprintf("the MAIL FROM domain %v has %d MX records, must have one", n, len(f.mailMX)),
		fmt.Sprintf("let %v have only the MX record that the mail service shows", n))
	if len(f.mailMX) > 0 {
		v = v.replies(Must, noReply) // the service refuses the domain, receiving servers do not
	}
	return v
}

func checkSPF(f *facts) Verdict {
	if f.spf == nil {
		return skipped
	}
	r, s := f.spf, f.q.sender()
	o := func() Owner { return f.owner(f.zoneOf(s), s, rr.TypeTXT) }
	amend := fmt.Sprintf("add `%s` to the SPF record of %v, in front of its `all`", strings.TrimSpace(terms([]netip.Addr{f.address})), s)
	switch r.Result {
	case spf.Pass:
		return ok("%s", r.Term)
	case spf.TempError:
		return notKnown(r.Reason)
	case spf.PermError:
		remedy := "correct the SPF record"
		if strings.Contains(r.Reason, "SPF records") {
			remedy = "unite the SPF records into one, with the terms of all"
		}
		return wrong(o(), r.Reason, remedy).replies(Must, spfError)
	case spf.Fail:
		return wrong(o(), fmt.Sprintf("the SPF record of %s forbids %v by `%s`: %s", r.Domain, f.address, r.Term, r.Record), amend)
	case spf.None:
		return wrong(o(), r.Reason, fmt.Sprintf("add the record `%v TXT \"v=spf1%s -all\"`, with all other addresses that send mail of this domain", s, terms(f.q.Addresses))).replies(Should, noReply)
	}
	return wrong(o(), fmt.Sprintf("the result of SPF is %s for %v: %s", r.Result, f.address, r.Record), amend).replies(Should, noReply)
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

func checkServers(f *facts) Verdict {
	if f.way.state != OK {
		return skipped
	}
	if f.walk.Resolver.IsValid() {
		return notKnown(onlyResolver)
	}
	v := ok("all answer")
	for _, l := range f.surveyed() {
		for _, s := range l.Servers {
			for _, t := range []delegation.Transport{delegation.UDP, delegation.TCP} {
				switch state, seen := readServer(l, s, t); state {
				case Wrong:
					return wrong(f.owner(l.Zone, l.Zone, rr.TypeNS), seen, fmt.Sprintf("correct the server %v, or remove it from the NS records of %v in the zone and in the zone above", s.Name, l.Zone))
				case NotKnown:
					v = notKnown(seen)
				}
			}
		}
	}
	return v
}

func checkAllNames(f *facts) Verdict {
	if f.reverse.Result != fcrdns.Pass {
		return skipped
	}
	v := ok("%d", len(f.reverse.Names))
	for i := range f.reverse.Names {
		switch n := &f.reverse.Names[i]; {
		case n.Confirmed:
		case n.Err != nil:
			v = notKnown(n.Err.Error())
		default:
			return wrong(f.owner(f.walk.End.Zone, f.walk.Target, rr.TypePTR),
				fmt.Sprintf("the address has %d names, and %v does not lead back; receiving servers use any of them", len(f.reverse.Names), n.Name),
				fmt.Sprintf("remove the record `%v PTR %v`", f.walk.Target, n.Name))
		}
	}
	return v
}

// poolWords are labels, or parts of labels between hyphens, of names that providers generate.
var poolWords = []string{"dynamic", "dyn", "dhcp", "pool", "dsl", "adsl", "vdsl", "ppp", "pppoe", "dialup", "dial", "cable", "cust", "generic"}

func checkPool(f *facts) Verdict {
	n := f.firstName()
	if n == nil || f.reverse.Result != fcrdns.Pass {
		return skipped
	}
	parts := strings.FieldsFunc(text(n.Name), func(c rune) bool { return c == '.' || c == '-' || c == '_' })
	sign := ""
	for _, p := range parts {
		if slices.Contains(poolWords, strings.TrimRight(p, "0123456789")) {
			sign = "it has the part " + p
		}
	}
	if f.address.Is4() && hasOctets(parts, f.address) {
		sign = "it has the numbers of the address"
	}
	if sign == "" {
		return ok("%v", n.Name)
	}
	return f.changePTR(fmt.Sprintf("the name %v looks like that of a dynamic address: %s", n.Name, sign))
}

// hasOctets reports whether parts of a name are the octets of an address, in order or reversed.
func hasOctets(parts []string, a netip.Addr) bool {
	octets := strings.Split(a.String(), ".")
	var numbers []string
	for _, p := range parts {
		if p = strings.TrimLeft(p, "abcdefghijklmnopqrstuvwxyz"); p != "" {
			numbers = append(numbers, p)
		}
	}
	for range 2 {
		for i := 0; i+len(octets) <= len(numbers); i++ {
			if slices.Equal(numbers[i:i+len(octets)], octets) {
				return true
			}
		}
		slices.Reverse(octets)
	}
	return false
}
