package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/fcrdns"
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
	notFullName = []string{"504 5.5.2 <{helo}>: Helo command rejected: need fully-qualified hostname"}
	noHost      = []string{"450 4.7.1 <{helo}>: Helo command rejected: Host not found"}
	noDomain    = []string{"450 4.1.8 <postmaster@{sender}>: Sender address rejected: Domain not found"}
	nullMX      = []string{"550 5.7.27 <postmaster@{sender}>: Sender address rejected: Domain {sender} does not accept mail (nullMX)"}
	spfError    = []string{"550 5.7.24 SPF validation error"}
	noReply     = []string{} // servers do not reject mail because of it
)

// checks are in the order in which faults must be fixed: a check means something only if those
// before it that it depends on are good.
var checks = []check{
	{"delegation", Must, "the reverse zone is delegated, and its servers answer", checkDelegation, noReverse},
	{"dnssec", Must, "if the zone above has DS records, the answers are signed by a key of them", checkDNSSEC, noReverse},
	{"ptr", Must, "the address has a name", checkPTR, noReverse},
	{"name", Must, "the name is that of a host", checkName, notConfirmed},
	{"forward", Must, "the name has an address of the same family", checkForward, notConfirmed},
	{"confirmed", Must, "the name leads back to the address (RFC 8601 §3)", checkConfirmed, notConfirmed},
	{"helo name", Must, "the name in HELO is fully qualified (RFC 5321 §2.3.5)", checkHELOName, notFullName},
	{"helo", Must, "the name in HELO has an address (RFC 5321 §2.3.5)", checkHELO, noHost},
	{"mx", Must, "the domain can receive mail (RFC 5321 §5.1)", checkMX, noDomain},
	{"mail from", Must, "the MAIL FROM domain has one MX record, as SES requires", checkMailFrom, noDomain},
	{"spf", Must, "the SPF record allows the address (RFC 7208)", checkSPF, []string{"550 5.7.23 SPF validation failed"}},
	{"servers", Should, "each server of the reverse zone answers over UDP and TCP", checkServers, nil},
	{"all names", Should, "each name of the address leads back to it", checkAllNames, notConfirmed},
	{"helo address", Should, "the name in HELO leads to the address", checkHELOAddress, nil},
	{"pool", Should, "the name does not look like that of a dynamic address", checkPool, []string{"550 5.7.1 Client host rejected: generic hostname (text differs between servers)"}},
	{"dnsbl", Should, "no given blocklist has the address (RFC 5782)", checkLists, nil},
	{"mx address", Info, "a host in the MX records has the address", checkMXAddress, nil},
}

// beforePTR are checks whose faults are to be fixed before a PTR record: many providers refuse one
// whose name does not lead to the address.
var beforePTR = []string{"delegation", "dnssec", "helo", "helo address"}

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

// hasHost reports whether the name in HELO can be that of the address.
func (f *facts) hasHost() bool {
	return f.q.HELO != nil && f.q.HELO.Labels() > 1 && !isAddress(text(f.q.HELO))
}

// wanted returns the name that the address should have.
func (f *facts) wanted() string {
	if f.hasHost() {
		return f.q.HELO.String()
	}
	return "NAME-OF-THE-MAIL-SERVER."
}

// unlessKnown returns what the name that the address should have needs, if it is not known.
func (f *facts) unlessKnown() string {
	if f.hasHost() {
		return ""
	}
	return fmt.Sprintf(", with a name that has the %v record %v", f.family(), f.address)
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
			fmt.Sprintf("add the record `%v PTR %s`%s", name, f.wanted(), f.unlessKnown()))
	}
	var names []string
	for i := range r.Names {
		names = append(names, r.Names[i].Name.String())
	}
	return ok("%s", strings.Join(names, " "))
}

// bestName returns the name that a verdict is about: that which leads back, otherwise one that
// may lead back, otherwise one with addresses, otherwise the first; nil: none is known.
func (f *facts) bestName() (best *fcrdns.Name) {
	if f.way.state != OK {
		return nil
	}
	most := -1
	for i := range f.reverse.Names {
		n, rank := &f.reverse.Names[i], 0
		switch {
		case n.Confirmed:
			rank = 3
		case n.Err != nil && wayOf(n.Err).state != Wrong:
			rank = 2
		case len(n.Addresses) > 0:
			rank = 1
		}
		if rank > most {
			best, most = n, rank
		}
	}
	return best
}

// changePTR returns the verdict that the PTR record has a wrong name.
func (f *facts) changePTR(seen string) Verdict {
	return wrong(f.owner(f.walk.End.Zone, f.walk.Target, rr.TypePTR), seen,
		fmt.Sprintf("change the record to `%v PTR %s`%s", f.walk.Target, f.wanted(), f.unlessKnown()))
}

func checkName(f *facts) Verdict {
	n := f.bestName()
	switch {
	case n == nil:
		return skipped
	case n.Name.IsAtOrBelow(dname.MustParse("arpa")):
		return f.changePTR(fmt.Sprintf("the PTR record leads to %v, which is below the reverse zone: the name in the zone file has no final dot", n.Name))
	case isAddress(text(n.Name)):
		return f.changePTR(fmt.Sprintf("the PTR record leads to %v, which is an address and not a name", n.Name)).replies(Must, noReverse)
	case n.Name.Labels() < 2:
		return f.changePTR(fmt.Sprintf("the PTR record leads to %v, which is not a fully qualified name", n.Name))
	}
	return ok("%v", n.Name)
}

func checkForward(f *facts) Verdict {
	n := f.bestName()
	switch {
	case n == nil || checkName(f).State != OK:
		return skipped
	case n.Err != nil:
		return f.fromWay(wayOf(n.Err))
	case len(n.Addresses) == 0:
		return f.notBack(n.Name, fmt.Sprintf("%v has no %v record", n.Name, f.family()))
	}
	return ok("%s", join(n.Addresses))
}

// notBack returns the verdict that the name of the address does not lead back to it. If the name
// in HELO does, the PTR record is what is wrong.
func (f *facts) notBack(n dname.Name, seen string) Verdict {
	if f.helo != nil && f.helo.own {
		return f.changePTR(fmt.Sprintf("%s, and the name in HELO leads to %v", seen, f.address))
	}
	if f.helo != nil && f.helo.name.Equal(n) {
		return f.noAddress(n, seen, "")
	}
	return f.noAddress(n, seen, ", or let the PTR record have the name of a host with this address")
}

// family returns the type of the records that have such an address.
func (f *facts) family() rr.Type { return rr.AddressType(f.address) }

// noAddress returns the verdict that a name does not lead to the address; more is another
// remedy.
func (f *facts) noAddress(n dname.Name, seen, more string) Verdict {
	owner, target := f.ownerOf(n, f.family())
	if owner.Zone.Labels() < 2 { // a top-level domain has no hosts
		return wrong(owner, seen, fmt.Sprintf("let the registrar of the domain delegate it in the zone %v, or use another name than %v", owner.Zone, target))
	}
	return wrong(owner, seen, fmt.Sprintf("add the record `%v %v %v`", target, f.family(), f.address)+more)
}

// wrongRecord returns the verdict that the records of a type of a name are wrong.
func (f *facts) wrongRecord(n dname.Name, t rr.Type, seen, remedy string) Verdict {
	owner, _ := f.ownerOf(n, t)
	return wrong(owner, seen, remedy)
}

func join(list []netip.Addr) string { return strings.Trim(fmt.Sprint(list), "[]") }

func checkConfirmed(f *facts) Verdict {
	n := f.bestName()
	switch {
	case n == nil || n.Err != nil || len(n.Addresses) == 0 || checkName(f).State != OK:
		return skipped
	case f.reverse.Result == fcrdns.TempError:
		return notKnown("the addresses of another name of this address are not known")
	case !n.Confirmed:
		return f.notBack(n.Name, fmt.Sprintf("%v has the addresses %s, not %v", n.Name, join(n.Addresses), f.address))
	}
	return ok("%v", n.Name)
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
	if f.way.state != OK || f.reverse.Result != fcrdns.Pass {
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
	n := f.bestName()
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
