package route53

import (
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/internal/hosted"
)

func (s *Server) createReusableDelegationSet(q *request) (any, error) {
	root, err := parseXML(q.body, "CreateReusableDelegationSetRequest")
	if err != nil {
		return nil, err
	}
	reference, err := callerReference(root)
	if err != nil {
		return nil, err
	}
	id, _ := root.value("HostedZoneId")
	if err := root.rest(); err != nil {
		return nil, err
	}
	if id = bareID(strings.TrimSpace(id)); id != "" {
		if z, err := s.o.Store.Zone(id); err == nil {
			if err := q.allows(z.Apex); err != nil {
				return nil, err
			}
		}
	}
	set, err := s.o.Store.CreateSet(reference, id, q.key.ID)
	if err != nil {
		return nil, err
	}
	s.setLocation(q, "delegationset/"+set.ID)
	return struct{ DelegationSet xmlSet }{xmlOf(set)}, nil
}

func xmlOf(set *hosted.DelegationSet) xmlSet {
	return xmlSetOf(set.ID, set.CallerReference, set.NameServers)
}

func (s *Server) getReusableDelegationSet(q *request) (any, error) {
	set, err := s.set(q, q.path[0])
	if err != nil {
		return nil, err
	}
	return struct{ DelegationSet xmlSet }{xmlOf(set)}, nil
}

func (s *Server) listReusableDelegationSets(q *request) (any, error) {
	limit, err := maxItems(q.query["maxitems"], maxZonePage)
	if err != nil {
		return nil, err
	}
	marker := bareID(q.query["marker"])
	list, next := s.o.Store.Sets(marker, limit, s.usable(q))
	out := struct {
		Sets struct {
			List []xmlSet `xml:"DelegationSet"`
		} `xml:"DelegationSets"`
		Marker      string
		IsTruncated bool
		NextMarker  string `xml:",omitempty"`
		MaxItems    string
	}{Marker: marker, MaxItems: strconv.Itoa(limit)}
	for _, set := range list {
		out.Sets.List = append(out.Sets.List, xmlOf(set))
	}
	if next != nil {
		out.IsTruncated, out.NextMarker = true, next.ID
	}
	return out, nil
}

func (s *Server) deleteReusableDelegationSet(q *request) (any, error) {
	set, err := s.set(q, q.path[0])
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.o.Store.DeleteSet(set.ID)
}

// set returns a reusable delegation set that the key may use.
func (s *Server) set(q *request, id string) (*hosted.DelegationSet, error) {
	set, err := s.o.Store.Set(bareID(strings.TrimSpace(id)))
	if err == nil && !s.usable(q)(set) {
		return nil, faultf("AccessDenied", "Access key %s is not authorized for delegation set %s", q.key.ID, set.ID)
	}
	return set, err
}

// usable reports which delegation sets the key may use. A key that is limited to some zones may
// use those of these zones, and those that it created.
func (s *Server) usable(q *request) func(*hosted.DelegationSet) bool {
	if !q.isLimited() {
		return func(*hosted.DelegationSet) bool { return true }
	}
	own := map[string]bool{}
	s.o.Store.CountZones(func(z *hosted.Zone) bool {
		own[z.Set] = own[z.Set] || q.key.Allows(z.Apex)
		return false
	})
	return func(set *hosted.DelegationSet) bool { return own[set.ID] || set.By == q.key.ID }
}
