package hosted

import (
	"crypto/sha256"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Listed is a zone of another owner that is listed among the hosted zones.
type Listed struct {
	Apex     dname.Name
	From     string // what makes it, in words
	Writable bool   // its records have no other source than changes at run time
}

// AccessDenied is the code of changes of zones that are only listed.
const AccessDenied = "AccessDenied"

// SetListed sets which zones of other owners are listed. Their ids depend on their names alone.
func (s *Store) SetListed(list []Listed) {
	s.order.Lock()
	defer s.order.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	stays := map[string]bool{}
	for _, l := range list {
		key := l.Apex.Key()
		e := s.byApex[key]
		if e != nil && e.zone.From == "" {
			continue // a hosted zone: the configuration with both is refused
		}
		sum := sha256.Sum256([]byte("listed " + key))
		z := &Zone{Apex: l.Apex, ID: "Z" + idEncoding.EncodeToString(sum[:12]), CallerReference: l.From, From: l.From, Writable: l.Writable}
		stays[z.ID] = true
		if e != nil {
			e.zone = z
			continue
		}
		if e = s.loose[key]; e == nil {
			e = &entry{texts: map[string]submitted{}}
		}
		e.id, e.apex, e.zone = z.ID, l.Apex, z
		s.put(e)
	}
	for id, e := range s.byID {
		if e.zone.From != "" && !stays[id] {
			s.drop(e)
			s.loose[e.apex.Key()] = &entry{texts: e.texts, aliased: e.aliased}
		}
	}
}

// checkHosted returns why a zone, apart from its records, cannot be changed; nil: it can.
func (z *Zone) checkHosted() error {
	if z.From == "" {
		return nil
	}
	return faultf(AccessDenied, "The zone %s is not a hosted zone: %s has it. Change it there.", FormatName(z.Apex), z.From)
}

// checkWritable returns why the records of a zone cannot be changed; nil: they can.
func (z *Zone) checkWritable() error {
	if z.Writable {
		return nil
	}
	return z.checkHosted()
}

// NameServers returns the names of the name servers of a zone, of one that is only listed those
// of its NS records.
func (s *Store) NameServers(z *Zone) []string {
	if z.From == "" {
		return z.NameServers
	}
	return nameServers(s.o.Writer.Set().Get(z.Apex))
}

// nameServers returns the names in the NS records of a zone; none if it is nil.
func nameServers(z *zone.Zone) (names []string) {
	if z == nil {
		return nil
	}
	for _, r := range records(z, z.Apex(), z.Apex(), rr.TypeNS) {
		names = append(names, dname.Name(r.Data).String())
	}
	return names
}
