package route53

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
)

const (
	maxRecordPage = 300
	maxTTL        = 1<<31 - 1
)

// meant are types that people write for others.
var meant = map[string]string{"RDP": "PTR", "RDNS": "PTR", "REVERSE": "PTR", "POINTER": "PTR", "ALIAS": "CNAME", "ANAME": "CNAME"}

// parseType reads a type that a hosted zone can have.
func parseType(s string) (rr.Type, error) {
	if slices.Contains(hosted.Types, s) {
		t, _ := rr.ParseType(s)
		return t, nil
	}
	text := fmt.Sprintf("Invalid XML ; cvc-enumeration-valid: Value '%.50s' is not facet-valid with respect to enumeration '[%s]'. It must be a value from the enumeration.", s, strings.Join(hosted.Types, ", "))
	best, distance := meant[strings.ToUpper(s)], 1
	for _, t := range hosted.Types {
		if d := spelling.Distance(strings.ToUpper(s), t); best == "" && d <= distance {
			best = t
		}
	}
	if best != "" {
		text += fmt.Sprintf(" Did you mean %s?", best)
	}
	return 0, invalidInput("%s", text)
}

// notOffered are the elements of a record set that make it one of a routing policy.
var notOffered = []struct{ element, is string }{
	{"Weight", "weighted routing"},
	{"Region", "latency-based routing"},
	{"GeoLocation", "geolocation routing"},
	{"GeoProximityLocation", "geoproximity routing"},
	{"Failover", "failover routing"},
	{"MultiValueAnswer", "multivalue answer routing"},
	{"CidrRoutingConfig", "IP-based routing"},
	{"HealthCheckId", "a health check"},
	{"TrafficPolicyInstanceId", "a traffic policy instance"},
	{"SetIdentifier", "routing by set identifiers"},
}

func (s *Server) changeResourceRecordSets(q *request) (any, error) {
	z, err := s.zone(q, q.path[0])
	if err != nil {
		return nil, err
	}
	root, err := parseXML(q.body, "ChangeResourceRecordSetsRequest")
	if err != nil {
		return nil, err
	}
	batch := root.child("ChangeBatch")
	text := ""
	if batch != nil {
		if text, err = comment(batch); err != nil {
			return nil, err
		}
	}
	changes := batch.list("Changes", "Change")
	if len(changes) == 0 {
		return nil, invalidInput("1 validation error detected: Value at 'changeBatch.changes' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	if len(changes) > hosted.MaxRecords {
		return nil, faultf(hosted.InvalidChangeBatch, "[Number of records limit of %d exceeded.]", hosted.MaxRecords)
	}
	edits := make([]hosted.Edit, 0, len(changes))
	var faults []string
	for _, c := range changes {
		e, wrong, err := parseChange(c, z.ID)
		if err != nil {
			return nil, err
		}
		faults = append(faults, wrong...)
		edits = append(edits, e)
	}
	if err := root.rest(); err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		return nil, &hosted.Fault{Code: hosted.InvalidChangeBatch, Texts: faults}
	}
	change, err := s.o.Store.ChangeRecords(z.ID, edits, q.key.ID, text)
	if err != nil {
		return nil, err
	}
	return struct{ ChangeInfo xmlChange }{xmlChangeOf(change)}, nil
}

// parseChange reads one change. faults are what is wrong with its values and name, which does
// not keep the others from being checked.
func parseChange(c *element, zoneID string) (e hosted.Edit, faults []string, err error) {
	action, err := c.required("Action")
	if err != nil {
		return e, nil, err
	}
	e.Action = hosted.Action(action)
	switch e.Action {
	case hosted.Create, hosted.Delete, hosted.Upsert:
	default:
		return e, nil, invalidInput("Invalid XML ; cvc-enumeration-valid: Value '%.50s' is not facet-valid with respect to enumeration '[CREATE, DELETE, UPSERT]'. It must be a value from the enumeration.", action)
	}
	set := c.child("ResourceRecordSet")
	if set == nil {
		return e, nil, invalidInput("Invalid XML ; the element 'Change' has no 'ResourceRecordSet'")
	}
	name, err := set.required("Name")
	if err != nil {
		return e, nil, err
	}
	if err := atMost("name", name, maxName); err != nil {
		return e, nil, err
	}
	kind, err := set.required("Type")
	if err != nil {
		return e, nil, err
	}
	if e.Type, err = parseType(kind); err != nil {
		return e, nil, err
	}
	for _, what := range notOffered {
		if set.child(what.element) != nil {
			return e, nil, invalidInput("%s is not offered: %s of record set [name='%s', type='%s']", what.element, what.is, name, kind)
		}
	}
	if e.Owner, err = hosted.ParseName(name); err != nil {
		faults = append(faults, fmt.Sprintf("Invalid Resource Record Set: the name '%s' is not a valid domain name: %v", name, err))
	}
	ttl, hasTTL := set.value("TTL")
	records := set.list("ResourceRecords", "ResourceRecord")
	if target := set.child("AliasTarget"); target != nil && !hasTTL && len(records) == 0 {
		e.Alias, err = parseAlias(target, zoneID, name, kind)
		return e, faults, err
	} else if target != nil {
		return e, nil, invalidInput("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found more than one in Change with [Action=%s, Name=%s, Type=%s, SetIdentifier=null]", action, name, kind)
	}
	if !hasTTL || len(records) == 0 {
		return e, nil, invalidInput("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none in Change with [Action=%s, Name=%s, Type=%s, SetIdentifier=null]", action, name, kind)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(ttl), 10, 64)
	if err != nil || n < 0 || n > maxTTL {
		return e, nil, invalidInput("The TTL '%.50s' of record set [name='%s', type='%s'] must be a number from 0 to %d", ttl, name, kind, maxTTL)
	}
	e.TTL = uint32(n)
	for _, r := range records {
		text, ok := r.value("Value") // as it is, so that it is listed so
		if !ok {
			return e, nil, invalidInput("Invalid XML ; the element 'ResourceRecord' has no 'Value'")
		}
		if err := atMost("value", text, hosted.MaxValue); err != nil {
			return e, nil, err
		}
		v, err := hosted.ParseValue(e.Type, text)
		if err != nil {
			faults = append(faults, err.Error())
		}
		e.Values = append(e.Values, v)
	}
	return e, faults, nil
}

// parseAlias reads the target of an alias, which must be in the same hosted zone.
func parseAlias(e *element, zoneID, name, kind string) (*hosted.Alias, error) {
	id, err := e.required("HostedZoneId")
	if err != nil {
		return nil, err
	}
	target, err := e.required("DNSName")
	if err != nil {
		return nil, err
	}
	evaluate, err := e.required("EvaluateTargetHealth")
	if err != nil {
		return nil, err
	}
	if bareID(id) != zoneID {
		return nil, invalidInput("AliasTarget with HostedZoneId %s is not offered: an alias can target records of its own hosted zone %s alone; record set [name='%s', type='%s']", bareID(id), zoneID, name, kind)
	}
	a := &hosted.Alias{Evaluate: evaluate == "true"}
	if a.Target, err = hosted.ParseName(target); err != nil {
		return nil, invalidInput("The alias target '%s' of record set [name='%s', type='%s'] is not a valid domain name: %v", target, name, kind, err)
	}
	return a, nil
}

func (s *Server) listResourceRecordSets(q *request) (any, error) {
	z, err := s.zone(q, q.path[0])
	if err != nil {
		return nil, err
	}
	limit, err := maxItems(q.query["maxitems"], maxRecordPage)
	if err != nil {
		return nil, err
	}
	var start hosted.Start
	if name := q.query["name"]; name != "" {
		if start.Owner, err = hosted.ParseName(name); err != nil {
			return nil, invalidInput("The name '%.100s' is not a valid domain name: %v", name, err)
		}
	}
	if kind := q.query["type"]; kind != "" {
		if _, err := parseType(kind); err != nil {
			return nil, err
		}
		if start.Type = kind; start.Owner == nil {
			return nil, invalidInput("The input is not valid: type needs name")
		}
	}
	if q.query["identifier"] != "" {
		return nil, invalidInput("identifier is not offered: there is no routing by set identifiers")
	}
	page, next, err := s.o.Store.Records(z.ID, start, limit)
	if err != nil {
		return nil, err
	}
	out := struct {
		Sets        []xmlRecords `xml:"ResourceRecordSets>ResourceRecordSet"`
		IsTruncated bool
		NextName    string `xml:"NextRecordName,omitempty"`
		NextType    string `xml:"NextRecordType,omitempty"`
		MaxItems    string
	}{MaxItems: strconv.Itoa(limit)}
	for _, r := range page {
		x := xmlRecords{Name: hosted.FormatName(r.Owner), Type: r.Type.String()}
		if a := r.Alias; a != nil {
			x.Alias = &xmlAlias{z.ID, hosted.FormatName(a.Target), a.Evaluate}
		} else {
			x.TTL, x.Values = &r.TTL, &xmlValues{}
			for _, v := range r.Values {
				x.Values.List = append(x.Values.List, xmlValue{v.Text})
			}
		}
		out.Sets = append(out.Sets, x)
	}
	if next != nil {
		out.IsTruncated, out.NextName, out.NextType = true, hosted.FormatName(next.Owner), next.Type.String()
	}
	return out, nil
}
