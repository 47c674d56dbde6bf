package interop

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// difference is a kind of difference between the peers.
type difference struct {
	id      string
	what    string // the situation
	peers   string // what each does
	ptrd    string // what ptrd does
	rfc     string // what decides it
	applies func(c *comparison) bool
	hold    func(c *comparison) error // whether ptrd does it in the part c.part
}

// differences are tried in this order; the first that applies counts. What the peers do
// was seen in NSD 4.6.1, Knot DNS 3.2.6 and BIND 9.18.49.
var differences = []difference{
	{
		id:      "tc-by-size",
		what:    "A message near the size limit",
		peers:   "Their compression differs, so that the same content may or may not fit. NSD and BIND omit in-domain glue without TC; NSD has its own limit of some 1220 octets for responses with glue. For an alias into another zone of the server they send different content (see below).",
		ptrd:    "TC if, and only if, the answer, the authority section or in-domain glue does not fit; other additional data is omitted without TC.",
		rfc:     "RFC 9471 §3.1, RFC 2181 §9",
		applies: func(c *comparison) bool { return c.part == partTC },
		hold:    holdTC,
	},
	{
		id:    "glue-dropped",
		what:  "In-domain glue that does not fit",
		peers: "NSD and BIND send the part that fits, Knot sets TC.",
		ptrd:  "All of it, or TC.",
		rfc:   "RFC 9471 §3.1",
		applies: func(c *comparison) bool {
			return c.part == partGlue && !c.way.tcp && c.wholeAgrees()
		},
		hold: holdGlue,
	},
	{
		id:      "dname-growing",
		what:    "A DNAME that leads below itself, so that every substitution makes the name longer",
		peers:   "NSD substitutes once, Knot five times, BIND twelve times and answers SERVFAIL.",
		ptrd:    "NOERROR with as many substitutions as the limit on aliases allows, and the DNAME once; YXDOMAIN if the name becomes too long first.",
		rfc:     "RFC 6672 §3.2 (go on at the new QNAME), §2.2 (YXDOMAIN)",
		applies: func(c *comparison) bool { return c.grows() },
		hold:    validChain,
	},
	{
		id:      "any",
		what:    "QTYPE ANY",
		peers:   "NSD and Knot send one RRset, not always the same; BIND sends one over UDP and all over TCP, and stops at the CNAME that is synthesized from a DNAME.",
		ptrd:    "One whole RRset with its signatures, over UDP and TCP; an alias is the answer and is not followed, except for the CNAME that is synthesized from a DNAME.",
		rfc:     "RFC 8482 §4.1",
		applies: func(c *comparison) bool { return c.q.qtype == dns.TypeANY },
		hold:    holdAny,
	},
	{
		id:      "rrsig",
		what:    "QTYPE RRSIG",
		peers:   "NSD and BIND send every signature of the name, Knot those of one RRset. At an alias without signatures NSD follows the alias, the others answer NODATA.",
		ptrd:    "Every signature of the name; NODATA for a name without signatures.",
		rfc:     "RFC 1034 §4.3.2 step 3a (all RRs that match QTYPE); RFC 4034 §3 (a signature belongs to what it covers)",
		applies: func(c *comparison) bool { return c.q.qtype == dns.TypeRRSIG },
		hold:    holdAny,
	},
	{
		id:      "alias-loop",
		what:    "A loop of CNAMEs",
		peers:   "BIND answers SERVFAIL with the chain up to the loop; NSD and Knot answer NOERROR with the chain, in which NSD has some CNAMEs twice.",
		ptrd:    "NOERROR with every CNAME of the loop once.",
		rfc:     "RFC 1034 §3.6.2 (chains are followed, loops are signalled by the resolver: §5.2.2); RFC 6604 §2",
		applies: func(c *comparison) bool { return c.loops() },
		hold:    holdLoop,
	},
	{
		id:      "chain-very-long",
		what:    "A chain of more than eleven aliases in one zone",
		peers:   "BIND answers SERVFAIL with the first twelve aliases, Knot stops after the fifth, NSD follows the whole chain.",
		ptrd:    fmt.Sprintf("Follows the chain for at most %d aliases. The answer to a longer one ends there, with NOERROR, and the client queries for the rest.", maxAliases),
		rfc:     "RFC 1034 §4.3.2 step 3a; no RFC sets a limit",
		applies: func(c *comparison) bool { return c.longestChain() > 11 },
		hold:    holdLongChain,
	},
	{
		id:    "nsec3-at-alias",
		what:  "QTYPE NSEC3 at an alias",
		peers: "NSD answers NODATA, Knot and BIND follow the alias.",
		ptrd:  "Follows the alias, as for every type that does not exist at the name.",
		rfc:   "RFC 1034 §3.6.2; RFC 5155 §7.2.8 (NSEC3 RRs are not found by their owner)",
		applies: func(c *comparison) bool {
			return c.q.qtype == dns.TypeNSEC3 && len(c.whole[bind].aliases()) > len(c.whole[nsd].aliases())
		},
		hold: holdChain,
	},
	{
		id:    "nsec-at-alias",
		what:  "QTYPE NSEC at an alias of an unsigned zone",
		peers: "NSD follows the alias, Knot and BIND answer NODATA.",
		ptrd:  "Follows the alias, as for every type that does not exist at the name.",
		rfc:   "RFC 1034 §3.6.2; RFC 4035 §2.5 allows NSEC next to a CNAME and does not say that its absence ends the chain",
		applies: func(c *comparison) bool {
			return c.q.qtype == dns.TypeNSEC && len(c.whole[nsd].aliases()) > len(c.whole[bind].aliases())
		},
		hold: holdAlias,
	},
	{
		id:    "nsec-at-cut",
		what:  "QTYPE NSEC at a zone cut of a signed zone",
		peers: "BIND answers with the NSEC of the parent; NSD and Knot send a referral to the child.",
		ptrd:  "Sends a referral to the child.",
		rfc:   "RFC 1034 §4.3.2 step 3b; RFC 4035 §3.1.4.1 makes an exception for DS alone",
		applies: func(c *comparison) bool {
			return c.q.qtype == dns.TypeNSEC && c.peers[nsd].kind() == kindReferral && c.peers[bind].kind() == kindData
		},
		hold: follow("nsd", "knot"),
	},
	{
		id:    "chain-across-zones",
		what:  "An alias that leads to another zone of the same server",
		peers: "NSD follows the alias into the other zone. BIND stops at the end of the first zone. Knot continues with data of the first zone only: a referral from the parent, or data of the parent that the apex of the child hides.",
		ptrd:  "Follows the alias, as if a client had queried for each name of the chain. The RCODE and the authority section are those of the last name; proofs for wildcards before it are included.",
		rfc:   "RFC 1034 §4.3.2 step 3a (\"go back to step 1\", which finds the zone again); RFC 6604 §3",
		applies: func(c *comparison) bool {
			return c.leavesZone()
		},
		hold: holdChain,
	},
	{
		id:      "chain-long",
		what:    "A chain of six to eleven aliases in one zone",
		peers:   "Knot stops after the fifth; NSD and BIND continue.",
		ptrd:    "Continues.",
		rfc:     "RFC 1034 §4.3.2 step 3a; no RFC sets a limit",
		applies: func(c *comparison) bool { return c.odd() == knot && c.longestChain() > 5 },
		hold:    follow("nsd", "bind"),
	},
	{
		id:    "parent-leaks",
		what:  "A name that only the parent's data have, below the apex of a child that is here too",
		peers: "NSD answers NODATA, because the name exists in the tree that its zones share; Knot and BIND answer NXDOMAIN.",
		ptrd:  "NXDOMAIN: data of a parent and of its child are separate.",
		rfc:   "RFC 1034 §4.3.2 step 2 and 3c",
		applies: func(c *comparison) bool {
			return c.part == partCode && c.odd() == nsd && len(c.set.zones) > 1 &&
				c.peers[nsd].rcode == dns.RcodeSuccess && c.peers[bind].rcode == dns.RcodeNameError
		},
		hold: follow("knot", "bind"),
	},
	{
		id:    "dname-at-wildcard",
		what:  "A name below a wildcard that owns a DNAME, asked for by the wildcard's own name",
		peers: "Knot sends the DNAME with the QNAME as its owner; NSD and BIND send it unchanged.",
		ptrd:  "Sends the DNAME unchanged, and the synthesized CNAME.",
		rfc:   "RFC 4592 §2.3, §4.4: an asterisk in the QNAME is an ordinary label and the wildcard is found as itself",
		applies: func(c *comparison) bool {
			return c.part == partAnswer && c.odd() == knot && c.peers[nsd].hasWildcardDNAME()
		},
		hold: follow("nsd", "bind"),
	},
	{
		id:    "nsec-from-wildcard",
		what:  "QTYPE NSEC answered by a wildcard",
		peers: "Knot omits the proof that no closer name exists; NSD and BIND send it.",
		ptrd:  "Sends the proof.",
		rfc:   "RFC 4035 §3.1.3.3",
		applies: func(c *comparison) bool {
			return c.part == partAuthority && c.odd() == knot && c.q.qtype == dns.TypeNSEC && len(c.peers[bind].answer) > 0
		},
		hold: follow("nsd", "bind"),
	},
	{
		id:    "wildcard-by-name",
		what:  "NODATA at a wildcard that is asked for by its own name, with NSEC3",
		peers: "NSD adds a proof that the next closer name does not exist; Knot and BIND send the NSEC3 of the name alone.",
		ptrd:  "The NSEC3 of the name alone.",
		rfc:   "RFC 5155 §7.2.3",
		applies: func(c *comparison) bool {
			return c.nsdProves() && strings.HasPrefix(c.q.name, "*.")
		},
		hold: follow("knot", "bind"),
	},
	{
		id:    "dname-proof",
		what:  "A denial, or a wildcard's answer, behind a DNAME",
		peers: "NSD sends proofs for a name other than the target of the DNAME; Knot and BIND send those for the target.",
		ptrd:  "Sends the proofs for the last name of the chain.",
		rfc:   "RFC 4035 §3.1.3, RFC 6672 §3.2",
		applies: func(c *comparison) bool {
			return c.nsdProves() && slices.ContainsFunc(c.peers[nsd].answer, func(s rrset) bool { return s.rtype == dns.TypeDNAME })
		},
		hold: follow("knot", "bind"),
	},
	{
		id:    "opt-out-proof",
		what:  "A denial below an empty non-terminal that opt-out leaves without an NSEC3",
		peers: "NSD uses the empty non-terminal as the closest encloser, although no record proves it; Knot and BIND prove the closest one that has an NSEC3.",
		ptrd:  "Proves the closest encloser that has an NSEC3.",
		rfc:   "RFC 5155 §7.2.1, §7.2.2; RFC 5155 §6 on opt-out",
		applies: func(c *comparison) bool {
			return c.nsdProves() && c.set.hasOptOut()
		},
		hold: follow("knot", "bind"),
	},
}

// follow demands that the part is as one of the named peers has it.
func follow(names ...string) func(*comparison) error {
	return func(c *comparison) error {
		for i, p := range peers {
			if slices.Contains(names, p.name) && c.ours.text(c.part) == c.peers[i].text(c.part) {
				return nil
			}
		}
		return fmt.Errorf("want the %s of %s", c.part, strings.Join(names, " or "))
	}
}

// The indices of peers.
const (
	nsd = iota
	knot
	bind
)

// odd returns which peer differs from the other two that agree, -1 if none does.
func (c *comparison) odd() int {
	a, b, d := c.peers[nsd].text(c.part), c.peers[knot].text(c.part), c.peers[bind].text(c.part)
	switch {
	case b == d:
		return nsd
	case a == d:
		return knot
	case a == b:
		return bind
	}
	return -1
}

// nsdProves reports whether NSD's proofs differ from those of the others.
func (c *comparison) nsdProves() bool {
	return c.part == partAuthority && c.odd() == nsd && c.way.do
}

// hasWildcardDNAME reports whether the answer holds a DNAME owned by a wildcard.
func (r *reply) hasWildcardDNAME() bool {
	return slices.ContainsFunc(r.answer, func(s rrset) bool {
		return s.rtype == dns.TypeDNAME && strings.HasPrefix(s.owner, "*.")
	})
}

// wholeAgrees reports whether the peers have the part alike where size does not matter.
func (c *comparison) wholeAgrees() bool {
	w := *c
	w.peers = c.whole
	return w.peersAgree()
}

// holdGlue demands all required glue, or TC.
func holdGlue(c *comparison) error {
	if c.part == partTC {
		return holdTC(c)
	}
	if c.ours.tc || c.ours.text(partGlue) == c.full.text(partGlue) {
		return nil
	}
	return errors.New("required glue is missing and TC is not set")
}

// holdAny demands of an answer to ANY or RRSIG that it is as one of the peers', or that
// its answer section is empty only where theirs are and that each RRset in it is in
// one of theirs, whole.
func holdAny(c *comparison) error {
	if follow("nsd", "knot", "bind")(c) == nil {
		return nil
	}
	if len(c.whole[nsd].aliases()) > 0 && holdChain(c) == nil {
		return nil
	}
	if c.part != partAnswer {
		return errors.New("want it as one of the peers has it")
	}
	if c.ours.tc {
		return nil
	}
	theirs := map[string]bool{}
	for _, r := range c.whole {
		for _, s := range r.answer {
			theirs[s.String()] = true
			theirs[rrset{owner: s.owner, rtype: s.rtype, data: s.data}.String()] = true
			theirs[rrset{owner: s.owner, rtype: s.rtype, sigs: s.sigs}.String()] = true
		}
	}
	for _, s := range c.ours.answer {
		if !theirs[s.String()] {
			return fmt.Errorf("no peer has this RRset:\n%v", s)
		}
	}
	if len(theirs) > 0 && len(c.ours.answer) == 0 {
		return errors.New("the answer section is empty, that of no peer is")
	}
	return nil
}
