package route53

import (
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone/dname"
)

// Limits of the API.
const (
	maxZonePage  = 100
	maxComment   = 256
	maxReference = 128
	maxName      = 1024
	maxTagKey    = 128
	maxTagValue  = 256
	maxTagEdits  = 10
	maxTags      = 50
)

// parseName reads the name of a zone.
func parseZoneName(s string) (dname.Name, error) {
	if err := atMost("name", s, maxName); err != nil {
		return nil, faultf(hosted.InvalidDomainName, "The name has %d characters, must have at most %d.", len(s), maxName)
	}
	n, err := hosted.ParseName(s)
	if err != nil {
		return nil, faultf(hosted.InvalidDomainName, "%s is not a valid domain name: %v", s, err)
	}
	return n, nil
}

// callerReference reads the reference that makes a request one of its kind.
func callerReference(root *element) (string, error) {
	reference, err := root.required("CallerReference")
	switch {
	case err != nil:
		return "", err
	case reference == "":
		return "", invalidInput("1 validation error detected: Value at 'callerReference' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	return reference, atMost("callerReference", reference, maxReference)
}

func (s *Server) createHostedZone(q *request) (any, error) {
	root, err := parseXML(q.body, "CreateHostedZoneRequest")
	if err != nil {
		return nil, err
	}
	c := &hosted.Creation{}
	name, err := root.required("Name")
	if err != nil {
		return nil, err
	}
	if c.CallerReference, err = callerReference(root); err != nil {
		return nil, err
	}
	if config := root.child("HostedZoneConfig"); config != nil {
		if c.Comment, err = comment(config); err != nil {
			return nil, err
		}
		if p, _ := config.value("PrivateZone"); strings.TrimSpace(p) == "true" {
			return nil, invalidInput("PrivateZone is not offered: there are no private zones")
		}
	}
	if root.child("VPC") != nil {
		return nil, invalidInput("VPC is not offered: there are no private zones")
	}
	set, _ := root.value("DelegationSetId")
	if err := root.rest(); err != nil {
		return nil, err
	}
	if c.Apex, err = parseZoneName(name); err != nil {
		return nil, err
	}
	if err := q.allows(c.Apex); err != nil {
		return nil, err
	}
	if set != "" {
		used, err := s.set(q, set)
		if err != nil {
			return nil, err
		}
		c.Set = used.ID
	}
	z, change, err := s.o.Store.CreateZone(c)
	if err != nil {
		return nil, err
	}
	s.setLocation(q, "hostedzone/"+z.ID)
	return struct {
		HostedZone    xmlZone
		ChangeInfo    xmlChange
		DelegationSet xmlSet
	}{s.xmlZone(z), xmlChangeOf(change), s.delegationSet(z)}, nil
}

// setLocation names what was created.
func (s *Server) setLocation(q *request, path string) {
	scheme := "http"
	if s.o.Certificate() != nil {
		scheme = "https"
	}
	q.reply.Set("Location", scheme+"://"+q.http.Host+"/"+version+"/"+path)
}

// comment reads a comment. Clients that read responses by lines must not find one in it.
func comment(e *element) (string, error) {
	c, _ := e.value("Comment")
	if err := atMost("comment", c, maxComment); err != nil {
		return "", err
	}
	if strings.ContainsAny(c, "\r\n") {
		return "", invalidInput("The comment has a line break, must be one line")
	}
	return c, nil
}

func (s *Server) delegationSet(z *hosted.Zone) xmlSet {
	reference := ""
	if set, err := s.o.Store.Set(z.Set); err == nil {
		reference = set.CallerReference
	}
	return xmlSetOf(z.Set, reference, s.o.Store.NameServers(z))
}

func (s *Server) getHostedZone(q *request) (any, error) {
	z, err := s.zone(q, q.path[0])
	if err != nil {
		return nil, err
	}
	return struct {
		HostedZone    xmlZone
		DelegationSet xmlSet
	}{s.xmlZone(z), s.delegationSet(z)}, nil
}

func (s *Server) deleteHostedZone(q *request) (any, error) {
	z, err := s.zone(q, q.path[0])
	if err != nil {
		return nil, err
	}
	change, err := s.o.Store.DeleteZone(z.ID)
	if err != nil {
		return nil, err
	}
	return struct{ ChangeInfo xmlChange }{xmlChangeOf(change)}, nil
}

// xmlZones are hosted zones in a list.
type xmlZones struct {
	List []xmlZone `xml:"HostedZone"`
}

func (s *Server) xmlZonesOf(list []*hosted.Zone) (x xmlZones) {
	for _, z := range list {
		x.List = append(x.List, s.xmlZone(z))
	}
	return x
}

func (s *Server) listHostedZones(q *request) (any, error) {
	limit, err := maxItems(q.query["maxitems"], maxZonePage)
	if err != nil {
		return nil, err
	}
	set := bareID(q.query["delegationsetid"])
	if set != "" {
		if _, err := s.set(q, set); err != nil {
			return nil, err
		}
	}
	switch kind := q.query["hostedzonetype"]; kind {
	case "", "PrivateHostedZone":
	default:
		return nil, invalidInput("hostedzonetype is '%.50s', must be PrivateHostedZone", kind)
	}
	want := func(z *hosted.Zone) bool {
		return q.key.Allows(z.Apex) && (set == "" || z.Set == set) && q.query["hostedzonetype"] == ""
	}
	marker := bareID(q.query["marker"])
	list, next := s.o.Store.Zones(marker, limit, want)
	out := struct {
		HostedZones xmlZones
		Marker      *string
		IsTruncated bool
		NextMarker  string `xml:",omitempty"`
		MaxItems    string
	}{HostedZones: s.xmlZonesOf(list), MaxItems: strconv.Itoa(limit), Marker: &marker}
	if next != nil {
		out.IsTruncated, out.NextMarker = true, next.ID
	}
	return out, nil
}

func (s *Server) listHostedZonesByName(q *request) (any, error) {
	limit, err := maxItems(q.query["maxitems"], maxZonePage)
	if err != nil {
		return nil, err
	}
	var start dname.Name
	name, id := q.query["dnsname"], bareID(q.query["hostedzoneid"])
	if name != "" {
		if start, err = parseZoneName(name); err != nil {
			return nil, err
		}
	} else if id != "" {
		return nil, invalidInput("hostedzoneid needs dnsname")
	}
	list, next := s.o.Store.ZonesByName(start, limit, func(z *hosted.Zone) bool {
		return q.key.Allows(z.Apex) && !(start != nil && z.Apex.Equal(start) && z.ID < id)
	})
	out := struct {
		HostedZones xmlZones
		DNSName     string `xml:",omitempty"`
		ID          string `xml:"HostedZoneId,omitempty"`
		IsTruncated bool
		NextDNSName string `xml:",omitempty"`
		NextID      string `xml:"NextHostedZoneId,omitempty"`
		MaxItems    string
	}{HostedZones: s.xmlZonesOf(list), DNSName: name, ID: id, MaxItems: strconv.Itoa(limit)}
	if next != nil {
		out.IsTruncated, out.NextDNSName, out.NextID = true, hosted.FormatName(next.Apex), next.ID
	}
	return out, nil
}

func (s *Server) getHostedZoneCount(q *request) (any, error) {
	return struct {
		Count int `xml:"HostedZoneCount"`
	}{s.countZones(q)}, nil
}

func (s *Server) updateHostedZoneComment(q *request) (any, error) {
	root, err := parseXML(q.body, "UpdateHostedZoneCommentRequest")
	if err != nil {
		return nil, err
	}
	text, err := comment(root)
	if err == nil {
		err = root.rest()
	}
	if err != nil {
		return nil, err
	}
	z, err := s.changeZone(q, q.path[0], func(z hosted.Zone) (hosted.Zone, error) {
		z.Comment = text
		return z, nil
	})
	if err != nil {
		return nil, err
	}
	return struct{ HostedZone xmlZone }{s.xmlZone(z)}, nil
}

func (s *Server) changeZone(q *request, id string, change func(hosted.Zone) (hosted.Zone, error)) (*hosted.Zone, error) {
	z, err := s.zone(q, id)
	if err != nil {
		return nil, err
	}
	return s.o.Store.ChangeZone(z.ID, change)
}

// tagged checks that tags are those of a hosted zone: nothing else has any.
func tagged(kind string) error {
	if kind == "hostedzone" {
		return nil
	}
	if kind == "healthcheck" {
		return faultf("NoSuchHealthCheck", "There are no health checks.")
	}
	return invalidInput("The resource type is '%.50s', must be one of [hostedzone, healthcheck]", kind)
}

func (s *Server) listTagsForResource(q *request) (any, error) {
	if err := tagged(q.path[0]); err != nil {
		return nil, err
	}
	z, err := s.zone(q, q.path[1])
	if err != nil {
		return nil, err
	}
	return struct{ ResourceTagSet xmlTags }{xmlTagsOf(q.path[0], z.ID, z)}, nil
}

func (s *Server) listTagsForResources(q *request) (any, error) {
	if err := tagged(q.path[0]); err != nil {
		return nil, err
	}
	root, err := parseXML(q.body, "ListTagsForResourcesRequest")
	if err != nil {
		return nil, err
	}
	ids := root.list("ResourceIds", "ResourceId")
	if err := root.rest(); err != nil {
		return nil, err
	}
	if len(ids) < 1 || len(ids) > maxTagEdits {
		return nil, invalidInput("There are %d resource ids, must be from 1 to %d", len(ids), maxTagEdits)
	}
	var out struct {
		Sets []xmlTags `xml:"ResourceTagSets>ResourceTagSet"`
	}
	for _, id := range ids {
		z, err := s.zone(q, strings.TrimSpace(string(id.text)))
		if err != nil {
			return nil, err
		}
		out.Sets = append(out.Sets, xmlTagsOf(q.path[0], z.ID, z))
	}
	return out, nil
}

func (s *Server) changeTagsForResource(q *request) (any, error) {
	if err := tagged(q.path[0]); err != nil {
		return nil, err
	}
	root, err := parseXML(q.body, "ChangeTagsForResourceRequest")
	if err != nil {
		return nil, err
	}
	var add []hosted.Tag
	for _, e := range root.list("AddTags", "Tag") {
		var t hosted.Tag
		if t.Key, err = e.required("Key"); err != nil {
			return nil, err
		}
		t.Value, _ = e.value("Value")
		if err := atMost("tag.key", t.Key, maxTagKey); err != nil {
			return nil, err
		}
		if err := atMost("tag.value", t.Value, maxTagValue); err != nil {
			return nil, err
		}
		if t.Key == "" {
			return nil, invalidInput("A tag has an empty key")
		}
		add = append(add, t)
	}
	var remove []string
	for _, e := range root.list("RemoveTagKeys", "Key") {
		remove = append(remove, string(e.text))
	}
	if err := root.rest(); err != nil {
		return nil, err
	}
	if len(add)+len(remove) == 0 || len(add) > maxTagEdits || len(remove) > maxTagEdits {
		return nil, invalidInput("There are %d tags to add and %d to remove, must be one to %d of a kind", len(add), len(remove), maxTagEdits)
	}
	_, err = s.changeZone(q, q.path[1], func(z hosted.Zone) (hosted.Zone, error) {
		if z = z.WithTags(add, remove); len(z.Tags) > maxTags {
			return z, invalidInput("The hosted zone would have %d tags, may have at most %d", len(z.Tags), maxTags)
		}
		return z, nil
	})
	return struct{}{}, err
}
