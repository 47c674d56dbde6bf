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
	set, err := s.o.Store.CreateSet(reference, id)
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
	set, err := s.o.Store.Set(bareID(q.path[0]))
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
	list, next := s.o.Store.Sets(marker, limit)
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
	return struct{}{}, s.o.Store.DeleteSet(bareID(q.path[0]))
}
