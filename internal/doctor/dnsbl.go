package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// MaxLists bounds the blocklists of a Request.
const MaxLists = 16

// maxReason is the most characters of a reason that are shown. Reasons are a sentence or an address
// of a web page.
const maxReason = 300

// refusals are answers of lists to hosts that they do not serve, such as public resolvers; the
// large lists agree on them.
var refusals = netip.MustParsePrefix("127.255.255.0/24")

// Test entries that each list has, and does not have (RFC 5782 §5).
var (
	listed4   = netip.MustParseAddr("127.0.0.2")
	unlisted4 = netip.MustParseAddr("127.0.0.1")
	listed6   = netip.MustParseAddr("::ffff:127.0.0.2")
	unlisted6 = netip.MustParseAddr("::ffff:127.0.0.1")
)

// listing is what a blocklist has about an address.
type listing struct {
	list   dname.Name
	state  State // Wrong: it has the address
	reason string
}

// entryOf returns the name at which a list has an address (RFC 5782 §2.1, §2.4); nil: the name would
// be too long.
func entryOf(list dname.Name, a netip.Addr) dname.Name {
	n, _ := dname.FromPrefix(netip.PrefixFrom(a, a.BitLen()))
	n = append(n[:len(n)-len(n.Suffix(2))], list...)
	if len(n) > dname.MaxWire {
		return nil
	}
	return n
}

// CanBeList reports whether the names of addresses fit below the name of a list.
func CanBeList(n dname.Name) bool { return n.Labels() > 1 && entryOf(n, listed6) != nil }

// collectListing asks a blocklist for the address, and for the test entries of its family: a list
// that does not have them does not work, does not have the family, or does not answer this host.
func (f *facts) collectListing(list dname.Name) listing {
	addresses := []netip.Addr{f.address, listed4, unlisted4}
	if f.address.Is6() {
		addresses = []netip.Addr{f.address, listed6, unlisted6}
	}
	var states [3]State
	var seen [3]string
	inParallel(len(addresses), func(i int) { states[i], seen[i] = f.readEntry(list, addresses[i]) })
	l := listing{list: list, state: states[0], reason: seen[0]}
	switch {
	case slices.Contains(states[:], NotKnown):
		l.state = NotKnown
		l.reason = seen[slices.Index(states[:], NotKnown)]
	case states[2] == Wrong:
		l.state, l.reason = NotKnown, fmt.Sprintf("the list %s has %v, which no list may have (RFC 5782 §5): it has all addresses, and was probably closed", text(list), unlisted4)
	case states[0] == OK && states[1] == OK:
		l.state, l.reason = NotKnown, fmt.Sprintf("the list %s does not have the test entry %v (RFC 5782 §5), so it may not have %v addresses at all", text(list), addresses[1], familyOf(f.address))
	case l.state == Wrong:
		l.reason = f.reasonOf(entryOf(list, f.address))
	}
	return l
}

func familyOf(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// readEntry reads whether a list has an address: Wrong if it has.
func (f *facts) readEntry(list dname.Name, a netip.Addr) (State, string) {
	records, err := f.lookup(f.ctx, entryOf(list, a), rr.TypeA)
	if err != nil {
		return NotKnown, fmt.Sprintf("the list %s: %v", text(list), err)
	}
	state := OK
	for _, r := range records {
		switch at := delegation.AddressOf(r); {
		case !at.Is4() || !at.IsLoopback():
			return NotKnown, fmt.Sprintf("%s answers with %v, which is not in 127.0.0.0/8 (RFC 5782 §2.3): it is no blocklist, or no longer", text(list), at)
		case refusals.Contains(at):
			return NotKnown, fmt.Sprintf("the list %s refuses to answer (%v): it does not serve this host or its resolver", text(list), at)
		default:
			state = Wrong
		}
	}
	return state, ""
}

// reasonOf returns the text of an entry (RFC 5782 §2.1), or nothing.
func (f *facts) reasonOf(entry dname.Name) string {
	records, err := f.lookup(f.ctx, entry, rr.TypeTXT)
	if err != nil || len(records) == 0 {
		return ""
	}
	txt, _ := records[0].(*dns.TXT)
	if txt == nil {
		return ""
	}
	s := strings.Join(txt.Txt, "")
	return s[:min(len(s), maxReason)]
}

func checkLists(f *facts) Verdict {
	if len(f.lists) == 0 {
		return skipped
	}
	var names, seen, replies []string
	v := ok("%d", len(f.lists))
	for _, l := range f.lists {
		switch l.state {
		case NotKnown:
			v = notKnown(l.reason)
		case Wrong:
			reason := ""
			if l.reason != "" {
				reason = "; " + l.reason
			}
			names = append(names, text(l.list))
			seen = append(seen, text(l.list)+reason)
			replies = append(replies, fmt.Sprintf("554 5.7.1 Service unavailable; Client host [%v] blocked using %s%s", f.address, text(l.list), reason))
		}
	}
	if names == nil {
		return v
	}
	return wrong(Owner{Who: "the operator of the list " + strings.Join(names, ", and of ")}, fmt.Sprintf("%v is on the blocklist %s", f.address, strings.Join(seen, ", and on ")),
		"stop what the list has it for, then ask the list to remove it").replies(Should, replies)
}
