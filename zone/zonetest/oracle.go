package zonetest

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Oracle holds one zone as a map and answers questions about it by the letter
// of RFC 1034 §4.3.2 as amended by RFC 4592 (wildcards), RFC 6672 (DNAME), RFC
// 2308 (negative answers), RFC 8482 (ANY), RFC 9471 (glue), and, for pre-signed
// zones, RFC 4035 and RFC 5155.
type Oracle struct {
	Apex   dname.Name
	sets   map[string]map[rr.Type]*Set // by Key of the owner name; never RRSIG
	exists map[string]bool             // Keys of all names that exist; nil: to be computed
	sorted []dname.Name                // owner names in canonical order; nil: to be computed
	keys   []string                    // SortKeys of sorted
	hashes *hashChain                  // of NSEC3; nil: to be computed
}

// Set is one RRset with the signatures that cover it.
type Set struct {
	TTL    uint32   // seconds
	Data   []string // RDATA, sorted by octets
	SigTTL uint32   // seconds
	Sigs   []string // RDATA of RRSIGs, sorted by octets
}

// New returns an Oracle of a zone without records.
func New(apex dname.Name) *Oracle {
	return &Oracle{Apex: apex, sets: map[string]map[rr.Type]*Set{}}
}

// Get returns the RRset at exactly that owner name, or nil.
func (o *Oracle) Get(owner dname.Name, t rr.Type) *Set { return o.at(owner)[t] }

func (o *Oracle) at(owner dname.Name) map[rr.Type]*Set { return o.sets[owner.Key()] }

// Exists reports whether the name exists: it or a name below it owns a record
// (RFC 4592 §2.2.3). Owner names that are there for an NSEC3 alone do not (RFC
// 5155 §7.2.8).
func (o *Oracle) Exists(n dname.Name) bool {
	if o.exists == nil {
		o.exists = map[string]bool{o.Apex.Key(): true}
		for owner, sets := range o.sets {
			if len(sets) == 1 && sets[rr.TypeNSEC3] != nil {
				continue
			}
			for n := dname.Name(owner); !n.Equal(o.Apex); n = n.Parent() {
				o.exists[n.Key()] = true
			}
		}
	}
	return o.exists[n.Key()]
}

// Lookup answers a question for a name at or below the apex, one step of a chain
// of aliases.
func (o *Oracle) Lookup(qname dname.Name, qtype rr.Type, do bool) *Result {
	return o.LookupAny(qname, qtype, do, rr.TypeNone)
}

// LookupAny is Lookup that answers QTYPE ANY with the RRset of type pick, where
// the name owns one and no CNAME (RFC 8482 §4.1 leaves the choice to the server).
func (o *Oracle) LookupAny(qname dname.Name, qtype rr.Type, do bool, pick rr.Type) *Result {
	do = do && (o.hasNSEC() || o.chain() != nil) // RFC 4035 §3.1 speaks of signed zones
	q := &question{o: o, qname: qname, qtype: qtype, pick: pick, do: do, r: &Result{}}
	for k := o.Apex.Labels(); ; k++ { // step 3: match down, label by label
		n := qname.Suffix(k)
		isQname := k == qname.Labels()
		if !n.Equal(o.Apex) && o.Get(n, rr.TypeNS) != nil && !(isQname && qtype == rr.TypeDS) {
			q.referral(n) // 3b
			break
		}
		if isQname { // 3a
			q.match(n)
			break
		}
		if d := o.Get(n, rr.TypeDNAME); d != nil { // RFC 6672 §3.2 step 3c
			q.substitute(n, d)
			break
		}
		if !o.Exists(qname.Suffix(k + 1)) { // 3c: n is the closest encloser
			q.noMatch(n)
			break
		}
	}
	return q.r
}

// question is one Lookup under way.
type question struct {
	o        *Oracle
	qname    dname.Name
	qtype    rr.Type
	pick     rr.Type
	do       bool
	encloser dname.Name // the closest encloser where a wildcard is at work, else nil
	r        *Result
}

// match answers from the RRsets of source, which is QNAME or the wildcard that
// stands for it.
func (q *question) match(source dname.Name) {
	sets := q.o.at(source)
	if sets[rr.TypeNSEC3] != nil { // it is not data of the name (RFC 5155 §7.2.8)
		sets = maps.Clone(sets)
		delete(sets, rr.TypeNSEC3)
	}
	wanted := sets[q.qtype]
	switch cname := sets[rr.TypeCNAME]; {
	case q.qtype == rr.TypeANY && len(sets) > 0:
		t := q.pick
		if cname != nil {
			t = rr.TypeCNAME
		}
		if sets[t] == nil {
			t = lowest(sets)
		}
		q.answer(t, sets[t])
	case q.qtype == rr.TypeRRSIG && q.signatures(sets):
	case wanted != nil:
		q.answer(q.qtype, wanted)
	case cname != nil && q.qtype != rr.TypeRRSIG: // RRSIGs stand beside a CNAME: RFC 4034 §3
		q.answer(rr.TypeCNAME, cname)
		q.r.Next = dname.Name(cname.Data[0])
	default:
		q.r.Kind = zone.NoData
		q.negative()
		q.proveNoData(source)
		return
	}
	if q.encloser != nil {
		q.proveWildcard()
	}
}

func (q *question) answer(t rr.Type, set *Set) {
	q.add(zone.SectionAnswer, q.qname, t, set)
	q.addresses(t, set, nil)
}

// signatures answers QTYPE RRSIG, and reports whether there are any.
func (q *question) signatures(sets map[rr.Type]*Set) bool {
	found := false
	for t, set := range sets {
		if len(set.Sigs) > 0 {
			found = true
			q.r.Items = append(q.r.Items, Item{Owner: q.qname.Key(), Type: t,
				SigTTL: set.SigTTL, Sigs: set.Sigs, SigsOnly: true})
		}
	}
	return found
}

// noMatch answers for a QNAME that does not exist (RFC 4592 §3.3.1).
func (q *question) noMatch(encloser dname.Name) {
	q.encloser = encloser
	if source, err := encloser.Prepend([]byte("*")); err == nil && q.o.Exists(source) {
		q.match(source)
		return
	}
	q.r.Kind = zone.NXDomain
	q.negative()
	q.proveNXDomain()
}

// substitute answers from a DNAME above QNAME (RFC 6672 §2.2, §3.1).
func (q *question) substitute(owner dname.Name, set *Set) {
	q.add(zone.SectionAnswer, owner, rr.TypeDNAME, set)
	prefix := q.qname[:len(q.qname)-len(owner)]
	target := slices.Concat(prefix, dname.Name(set.Data[0]))
	if len(target) > dname.MaxWire {
		q.r.Kind = zone.TooLong
		return
	}
	q.add(zone.SectionAnswer, q.qname, rr.TypeCNAME, &Set{TTL: set.TTL, Data: []string{string(target)}})
	if q.qtype != rr.TypeCNAME { // RFC 1034 §3.6.2: that CNAME is the answer
		q.r.Next = target
	}
}

// referral points across the cut (RFC 1034 §4.3.2 step 3b, RFC 9471 §2, RFC 4035
// §3.1.4, RFC 5155 §7.2.7).
func (q *question) referral(cut dname.Name) {
	q.r.Kind = zone.Referral
	ns := q.o.Get(cut, rr.TypeNS)
	q.add(zone.SectionAuthority, cut, rr.TypeNS, ns)
	if ds := q.o.Get(cut, rr.TypeDS); ds != nil && q.do {
		q.add(zone.SectionAuthority, cut, rr.TypeDS, ds)
	} else if q.do {
		q.proveNoDS(cut)
	}
	q.addresses(rr.TypeNS, ns, cut)
}

// addresses adds the A and AAAA of the targets that lie in this zone (RFC 1034
// §4.3.2 step 6). What is stored at or below a zone cut only comes with a
// referral, as glue, and is required where the target is in the domain of the
// referral's own cut (RFC 9471 §3.1). What a DNAME has occluded is never used (RFC
// 6672 §2.4).
func (q *question) addresses(t rr.Type, set *Set, cut dname.Name) {
	if t != rr.TypeNS && t != rr.TypeMX && t != rr.TypeSRV {
		return
	}
	done := map[string]bool{}
	for _, data := range set.Data {
		target := rr.Target(t, []byte(data))
		if !target.IsAtOrBelow(q.o.Apex) || done[target.Key()] {
			continue
		}
		done[target.Key()] = true
		belowCut, belowDNAME := q.o.occluded(target)
		if belowDNAME || belowCut && cut == nil {
			continue
		}
		for _, at := range []rr.Type{rr.TypeA, rr.TypeAAAA} {
			if address := q.o.Get(target, at); address != nil {
				q.add(zone.SectionAdditional, target, at, address)
				q.r.Items[len(q.r.Items)-1].Required = cut != nil && target.IsAtOrBelow(cut)
			}
		}
	}
}

// occluded reports what lies between the apex and n: a zone cut at or above it,
// or a DNAME above it. The uppermost decides, as a lookup would meet it first.
func (o *Oracle) occluded(n dname.Name) (belowCut, belowDNAME bool) {
	for k := o.Apex.Labels(); k <= n.Labels(); k++ {
		above := n.Suffix(k)
		if k > o.Apex.Labels() && o.Get(above, rr.TypeNS) != nil {
			return true, false
		}
		if k < n.Labels() && o.Get(above, rr.TypeDNAME) != nil {
			return false, true
		}
	}
	return false, false
}

// negative adds the SOA with the TTL of RFC 2308 §5: the lesser of its own and
// of MINIMUM.
func (q *question) negative() {
	soa := *q.o.Get(q.o.Apex, rr.TypeSOA)
	data := []byte(soa.Data[0])
	minimum := be32(data[len(data)-4:])
	soa.TTL = min(soa.TTL, minimum)
	soa.SigTTL = min(soa.SigTTL, minimum)
	q.add(zone.SectionAuthority, q.o.Apex, rr.TypeSOA, &soa)
}

func (q *question) add(section zone.Section, owner dname.Name, t rr.Type, set *Set) {
	item := Item{Section: section, Owner: owner.Key(), Type: t, TTL: set.TTL, Data: set.Data}
	if q.do && len(set.Sigs) > 0 {
		item.SigTTL, item.Sigs = set.SigTTL, set.Sigs
	}
	q.r.Items = append(q.r.Items, item)
}

func be32(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func lowest(sets map[rr.Type]*Set) rr.Type {
	low := rr.Type(0xffff)
	for t := range sets {
		low = min(low, t)
	}
	return low
}
