package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// signedZone is a zone on the way that has DS records, with the signed answers of its servers.
type signedZone struct {
	level   *delegation.Level
	ds      []*dns.DS
	answers []signedAnswers
}

// signedAnswers are those of an address: to the questions for the keys, the SOA record, and the
// names on the way to the PTR record.
type signedAnswers struct {
	server delegation.Server
	facts  []*delegation.Fact // the first is for the keys
	hasKey bool               // that a DS record leads to
}

// dsOf returns the DS records that servers of the zone above have.
func dsOf(l *delegation.Level) (out []*dns.DS) {
	for _, f := range l.DS {
		out = append(out, recordsOf[*dns.DS](f.Records())...)
	}
	return out
}

// recordsOf returns the records of a type.
func recordsOf[T dns.RR](list []dns.RR) (out []T) {
	for _, r := range list {
		if r, ok := r.(T); ok {
			out = append(out, r)
		}
	}
	return out
}

// collectSigned asks the servers of the zones with DS records for signed answers.
func (f *facts) collectSigned() {
	names := map[*delegation.Level][]dname.Name{}
	add := func(n dname.Name) { l := f.walk.Closest(n); names[l] = append(names[l], n) }
	add(f.walk.Name)
	for _, a := range f.walk.Aliases {
		add(a.Target)
	}
	for _, l := range f.surveyed() {
		z := signedZone{level: l, ds: dsOf(l)}
		if len(z.ds) == 0 {
			continue
		}
		questions := []delegation.Question{{Name: l.Zone, Type: rr.TypeDNSKEY, DNSSEC: true}, {Name: l.Zone, Type: rr.TypeSOA, DNSSEC: true}}
		for _, n := range names[l] {
			questions = append(questions, delegation.Question{Name: n, Type: rr.TypePTR, DNSSEC: true})
		}
		hosts := l.Hosts()
		z.answers = make([]signedAnswers, len(hosts))
		inParallel(len(hosts), func(i int) {
			a := &z.answers[i]
			a.server, a.facts = hosts[i].Server, make([]*delegation.Fact, len(questions))
			inParallel(len(questions), func(j int) {
				a.facts[j] = f.q.Client.Ask(f.ctx, a.server, questions[j], delegation.UDP)
			})
		})
		f.signed = append(f.signed, z)
	}
}

// checkDNSSEC verifies the answers of signed zones as resolvers that validate do (RFC 4035 §5).
func checkDNSSEC(f *facts) Verdict {
	if f.way.state != OK {
		return skipped
	}
	if f.walk.Resolver.IsValid() {
		return notKnown(onlyResolver).replies(Should, noReply)
	}
	v := ok("not signed")
	for i := range f.signed {
		if v = f.checkSigned(&f.signed[i]); v.State == Wrong {
			return v
		}
	}
	return v
}

// checkSigned judges a zone with DS records. Without keys that a DS record leads to, no server can
// have a valid answer; a signature may be wrong on one server only.
func (f *facts) checkSigned(z *signedZone) Verdict {
	zone := z.level.Zone
	valid, v := 0, notKnown(fmt.Sprintf("no server of %v answered the question for its keys", zone))
	var invalid []string
	hasKey := false
	for i := range z.answers {
		a := &z.answers[i]
		state, seen := f.readSigned(z, a)
		switch state {
		case OK:
			valid++
		case Wrong:
			invalid = append(invalid, seen)
		case NotKnown:
			v = notKnown(seen)
		}
		hasKey = hasKey || a.hasKey
	}
	switch {
	case len(invalid) == 0 && valid > 0:
		return ok("%v is signed", zone)
	case len(invalid) == 0:
		return v
	case !hasKey:
		v = wrong(f.owner(z.level.Parent.Zone, zone, rr.TypeDS),
			fmt.Sprintf("the zone above has DS records of %v, and the zone has no key for them: resolvers that validate get no answer", zone),
			fmt.Sprintf("remove the DS records of %v, or replace them by those of its keys", zone))
	default:
		v = wrong(f.owner(zone, zone, rr.TypeDNSKEY), fmt.Sprintf("resolvers that validate get no answer of %v: %s", zone, invalid[0]),
			fmt.Sprintf("sign the zone %v again, and check the clock of the signer; or, without DNSSEC, remove its DS records", zone))
	}
	if valid > 0 {
		return v.replies(Should, noReply) // resolvers ask another server
	}
	if above := f.unsignedAbove(z.level); above != nil {
		v.Seen += fmt.Sprintf(" (as long as %v has no DS records, nothing depends on it)", above)
		return v.replies(Should, noReply)
	}
	return v
}

// unsignedAbove returns a zone above a level that has no DS records, so that no resolver
// validates below; nil: none is known.
func (f *facts) unsignedAbove(l *delegation.Level) dname.Name {
	for l = l.Parent; l != nil && !l.Zone.IsRoot(); l = l.Parent {
		if f.q.Client.Resolve(f.ctx, l.Zone, rr.TypeDS).Kind == delegation.NoData {
			return l.Zone
		}
	}
	return nil
}

// readSigned validates the answers of a server; Skipped: there are none.
func (f *facts) readSigned(z *signedZone, a *signedAnswers) (state State, seen string) {
	keysFact := a.facts[0].Full()
	if !keysFact.OK() {
		return Skipped, ""
	}
	all := recordsOf[*dns.DNSKEY](keysFact.Records())
	trusted, isKnown := trustedKeys(z.ds, all)
	if len(trusted) == 0 && !isKnown {
		return NotKnown, fmt.Sprintf("the DS records of %v have an algorithm that is not known here", z.level.Zone)
	}
	if len(trusted) == 0 {
		return Wrong, fmt.Sprintf("%v has no key that a DS record leads to", a.server)
	}
	a.hasKey = true
	state = OK
	at := f.walk.Started
	for i, fact := range a.facts {
		fact, keys := fact.Full(), all
		if i == 0 {
			keys = trusted
		}
		if !fact.OK() {
			continue
		}
		for _, t := range []rr.Type{fact.Question.Type, rr.TypeCNAME} {
			for _, set := range delegation.SignedSets(fact.Msg.Answer, uint16(t)) {
				owner, err := dname.Parse(set.Records[0].Header().Name)
				if err != nil || !owner.Equal(fact.Question.Name) {
					continue // of another zone
				}
				flaws := set.Flaws(keys, at)
				switch {
				case flaws == 0:
				case flaws&delegation.Unsupported != 0:
					state, seen = NotKnown, fmt.Sprintf("the signatures of %v have an algorithm that is not known here", z.level.Zone)
				default:
					return Wrong, fmt.Sprintf("%v: %s", a.server, describeFlaws(set, flaws))
				}
			}
		}
	}
	return state, seen
}

// trustedKeys returns the keys that DS records lead to; isKnown is false if the records have an
// algorithm or a type of digest that is not implemented here (RFC 4035 §5.2).
func trustedKeys(ds []*dns.DS, keys []*dns.DNSKEY) (out []*dns.DNSKEY, isKnown bool) {
	isKnown = true
	for _, d := range ds {
		for _, k := range keys {
			if d.KeyTag != k.KeyTag() || d.Algorithm != k.Algorithm {
				continue
			}
			is, knows := delegation.IsDigest(d, k)
			isKnown = isKnown && knows
			if is && !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	return out, isKnown
}

// describeFlaws describes why no signature of an RRset is valid.
func describeFlaws(set *delegation.SignedSet, flaws delegation.Flaws) string {
	h := set.Records[0].Header()
	var times []string
	for _, sig := range set.Signatures {
		at := sig.Inception
		if flaws&delegation.Expired != 0 {
			at = sig.Expiration
		}
		times = append(times, time.Unix(int64(at), 0).UTC().Format(time.RFC3339))
	}
	of := fmt.Sprintf("%s record of %s", dns.TypeToString[h.Rrtype], dns.CanonicalName(h.Name))
	switch {
	case flaws&delegation.Unsigned != 0:
		return "no signature of the " + of
	case flaws&delegation.Invalid != 0:
		return "an invalid signature of the " + of
	case flaws&delegation.Expired != 0:
		return "the signature of the " + of + " expired at " + strings.Join(times, ", ")
	case flaws&delegation.Early != 0:
		return "the signature of the " + of + " is not valid before " + strings.Join(times, ", ")
	}
	return "a signature of the " + of + " by a key that is not in the zone, or that no DS record leads to"
}
