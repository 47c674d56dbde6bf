package route53

import (
	"math"

	"github.com/ptrd/ptrd/internal/hosted"
)

// noLimit stands for any number: the largest that all clients can read.
const noLimit = math.MaxInt32

// xmlLimit is a limit and how much of it is used.
type xmlLimit struct {
	Limit struct {
		Type  string
		Value int
	}
	Count int
}

func limitOf(kind string, value, count int) xmlLimit {
	x := xmlLimit{Count: count}
	x.Limit.Type, x.Limit.Value = kind, value
	return x
}

func noSuchLimit(kind, known string) error {
	return invalidInput("1 validation error detected: Value '%.50s' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [%s]", kind, known)
}

func (s *Server) getAccountLimit(q *request) (any, error) {
	switch kind := q.path[0]; kind {
	case "MAX_HOSTED_ZONES_BY_OWNER":
		return limitOf(kind, noLimit, s.countZones(q)), nil
	case "MAX_REUSABLE_DELEGATION_SETS_BY_OWNER":
		most, count := s.o.Store.CountSets()
		return limitOf(kind, most, count), nil
	case "MAX_HEALTH_CHECKS_BY_OWNER", "MAX_TRAFFIC_POLICIES_BY_OWNER", "MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER":
		return limitOf(kind, 0, 0), nil // none can be created
	default:
		return nil, noSuchLimit(kind, "MAX_HOSTED_ZONES_BY_OWNER, MAX_REUSABLE_DELEGATION_SETS_BY_OWNER, MAX_HEALTH_CHECKS_BY_OWNER, MAX_TRAFFIC_POLICIES_BY_OWNER, MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER")
	}
}

func (s *Server) getHostedZoneLimit(q *request) (any, error) {
	z, err := s.zone(q, q.path[0])
	if err != nil {
		return nil, err
	}
	switch kind := q.path[1]; kind {
	case "MAX_RRSETS_BY_ZONE":
		return limitOf(kind, noLimit, s.o.Store.Count(z)), nil
	case "MAX_VPCS_ASSOCIATED_BY_ZONE":
		return nil, faultf("HostedZoneNotPrivate", "The hosted zone %s is a public hosted zone; there are no private ones.", z.ID)
	default:
		return nil, noSuchLimit(kind, "MAX_RRSETS_BY_ZONE, MAX_VPCS_ASSOCIATED_BY_ZONE")
	}
}

func (s *Server) getReusableDelegationSetLimit(q *request) (any, error) {
	set, err := s.set(q, q.path[0])
	if err != nil {
		return nil, err
	}
	const only = "MAX_ZONES_BY_REUSABLE_DELEGATION_SET"
	if kind := q.path[1]; kind != only {
		return nil, noSuchLimit(kind, only)
	}
	return limitOf(only, noLimit, s.o.Store.CountZones(func(z *hosted.Zone) bool { return z.Set == set.ID && q.key.Allows(z.Apex) })), nil
}

// countZones returns the number of hosted zones that the key may see.
func (s *Server) countZones(q *request) int {
	return s.o.Store.CountZones(func(z *hosted.Zone) bool { return q.key.Allows(z.Apex) })
}
