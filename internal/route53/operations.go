package route53

import (
	"net/http"
	"net/url"
	"strings"
)

// operation is an operation of the API.
type operation struct {
	name   string
	method string
	path   string // below the version; {} is a parameter
	status int    // 0: 200
	reads  bool   // changes nothing although it is a POST
	query  string // parameters of the query, separated by spaces
	handle func(*Server, *request) (any, error)

	missing string // why there is no handle
}

const version = "2013-04-01"

// Why operations are not offered.
const (
	noSigning  = "zones made here are not signed"
	noHealth   = "there are no health checks"
	noPolicies = "there are no traffic policies; make records instead"
	noVPC      = "there are no private zones"
	noCIDR     = "there are no CIDR collections and no IP-based routing"
	noLogs     = "queries are not logged to CloudWatch; see `log` in the configuration"
	noGeo      = "there is no geolocation routing"
)

// operations are all operations of the model.
var operations = []operation{
	{name: "CreateHostedZone", method: "POST", path: "hostedzone", status: http.StatusCreated, handle: (*Server).createHostedZone},
	{name: "GetHostedZone", method: "GET", path: "hostedzone/{}", handle: (*Server).getHostedZone},
	{name: "ListHostedZones", method: "GET", path: "hostedzone", query: "marker maxitems delegationsetid hostedzonetype", handle: (*Server).listHostedZones},
	{name: "ListHostedZonesByName", method: "GET", path: "hostedzonesbyname", query: "dnsname hostedzoneid maxitems", handle: (*Server).listHostedZonesByName},
	{name: "DeleteHostedZone", method: "DELETE", path: "hostedzone/{}", handle: (*Server).deleteHostedZone},
	{name: "GetHostedZoneCount", method: "GET", path: "hostedzonecount", handle: (*Server).getHostedZoneCount},
	{name: "UpdateHostedZoneComment", method: "POST", path: "hostedzone/{}", handle: (*Server).updateHostedZoneComment},
	{name: "ChangeResourceRecordSets", method: "POST", path: "hostedzone/{}/rrset", handle: (*Server).changeResourceRecordSets},
	{name: "ListResourceRecordSets", method: "GET", path: "hostedzone/{}/rrset", query: "name type identifier maxitems", handle: (*Server).listResourceRecordSets},
	{name: "GetChange", method: "GET", path: "change/{}", handle: (*Server).getChange},
	{name: "ListTagsForResource", method: "GET", path: "tags/{}/{}", handle: (*Server).listTagsForResource},
	{name: "ListTagsForResources", method: "POST", path: "tags/{}", reads: true, handle: (*Server).listTagsForResources},
	{name: "ChangeTagsForResource", method: "POST", path: "tags/{}/{}", handle: (*Server).changeTagsForResource},
	{name: "CreateReusableDelegationSet", method: "POST", path: "delegationset", status: http.StatusCreated, handle: (*Server).createReusableDelegationSet},
	{name: "GetReusableDelegationSet", method: "GET", path: "delegationset/{}", handle: (*Server).getReusableDelegationSet},
	{name: "ListReusableDelegationSets", method: "GET", path: "delegationset", query: "marker maxitems", handle: (*Server).listReusableDelegationSets},
	{name: "DeleteReusableDelegationSet", method: "DELETE", path: "delegationset/{}", handle: (*Server).deleteReusableDelegationSet},
	{name: "GetDNSSEC", method: "GET", path: "hostedzone/{}/dnssec", handle: (*Server).getDNSSEC},
	{name: "TestDNSAnswer", method: "GET", path: "testdnsanswer", query: "hostedzoneid recordname recordtype resolverip edns0clientsubnetip edns0clientsubnetmask", handle: (*Server).testDNSAnswer},
	{name: "ListHealthChecks", method: "GET", path: "healthcheck", query: "marker maxitems", handle: (*Server).listHealthChecks},
	{name: "GetHealthCheckCount", method: "GET", path: "healthcheckcount", handle: (*Server).getHealthCheckCount},
	{name: "GetAccountLimit", method: "GET", path: "accountlimit/{}", handle: (*Server).getAccountLimit},
	{name: "GetHostedZoneLimit", method: "GET", path: "hostedzonelimit/{}/{}", handle: (*Server).getHostedZoneLimit},
	{name: "GetReusableDelegationSetLimit", method: "GET", path: "reusabledelegationsetlimit/{}/{}", handle: (*Server).getReusableDelegationSetLimit},

	{name: "CreateHealthCheck", method: "POST", path: "healthcheck", missing: noHealth},
	{name: "GetHealthCheck", method: "GET", path: "healthcheck/{}", missing: noHealth},
	{name: "UpdateHealthCheck", method: "POST", path: "healthcheck/{}", missing: noHealth},
	{name: "DeleteHealthCheck", method: "DELETE", path: "healthcheck/{}", missing: noHealth},
	{name: "GetHealthCheckStatus", method: "GET", path: "healthcheck/{}/status", missing: noHealth},
	{name: "GetHealthCheckLastFailureReason", method: "GET", path: "healthcheck/{}/lastfailurereason", missing: noHealth},
	{name: "GetCheckerIpRanges", method: "GET", path: "checkeripranges", missing: noHealth},
	{name: "CreateKeySigningKey", method: "POST", path: "keysigningkey", missing: noSigning},
	{name: "ActivateKeySigningKey", method: "POST", path: "keysigningkey/{}/{}/activate", missing: noSigning},
	{name: "DeactivateKeySigningKey", method: "POST", path: "keysigningkey/{}/{}/deactivate", missing: noSigning},
	{name: "DeleteKeySigningKey", method: "DELETE", path: "keysigningkey/{}/{}", missing: noSigning},
	{name: "EnableHostedZoneDNSSEC", method: "POST", path: "hostedzone/{}/enable-dnssec", missing: noSigning},
	{name: "DisableHostedZoneDNSSEC", method: "POST", path: "hostedzone/{}/disable-dnssec", missing: noSigning},
	{name: "AssociateVPCWithHostedZone", method: "POST", path: "hostedzone/{}/associatevpc", missing: noVPC},
	{name: "DisassociateVPCFromHostedZone", method: "POST", path: "hostedzone/{}/disassociatevpc", missing: noVPC},
	{name: "CreateVPCAssociationAuthorization", method: "POST", path: "hostedzone/{}/authorizevpcassociation", missing: noVPC},
	{name: "ListVPCAssociationAuthorizations", method: "GET", path: "hostedzone/{}/authorizevpcassociation", missing: noVPC},
	{name: "DeleteVPCAssociationAuthorization", method: "POST", path: "hostedzone/{}/deauthorizevpcassociation", missing: noVPC},
	{name: "ListHostedZonesByVPC", method: "GET", path: "hostedzonesbyvpc", missing: noVPC},
	{name: "UpdateHostedZoneFeatures", method: "POST", path: "hostedzone/{}/features", missing: "hosted zones have no such features"},
	{name: "CreateTrafficPolicy", method: "POST", path: "trafficpolicy", missing: noPolicies},
	{name: "CreateTrafficPolicyVersion", method: "POST", path: "trafficpolicy/{}", missing: noPolicies},
	{name: "GetTrafficPolicy", method: "GET", path: "trafficpolicy/{}/{}", missing: noPolicies},
	{name: "UpdateTrafficPolicyComment", method: "POST", path: "trafficpolicy/{}/{}", missing: noPolicies},
	{name: "DeleteTrafficPolicy", method: "DELETE", path: "trafficpolicy/{}/{}", missing: noPolicies},
	{name: "ListTrafficPolicies", method: "GET", path: "trafficpolicies", missing: noPolicies},
	{name: "ListTrafficPolicyVersions", method: "GET", path: "trafficpolicies/{}/versions", missing: noPolicies},
	{name: "CreateTrafficPolicyInstance", method: "POST", path: "trafficpolicyinstance", missing: noPolicies},
	{name: "GetTrafficPolicyInstance", method: "GET", path: "trafficpolicyinstance/{}", missing: noPolicies},
	{name: "UpdateTrafficPolicyInstance", method: "POST", path: "trafficpolicyinstance/{}", missing: noPolicies},
	{name: "DeleteTrafficPolicyInstance", method: "DELETE", path: "trafficpolicyinstance/{}", missing: noPolicies},
	{name: "GetTrafficPolicyInstanceCount", method: "GET", path: "trafficpolicyinstancecount", missing: noPolicies},
	{name: "ListTrafficPolicyInstances", method: "GET", path: "trafficpolicyinstances", missing: noPolicies},
	{name: "ListTrafficPolicyInstancesByHostedZone", method: "GET", path: "trafficpolicyinstances/hostedzone", missing: noPolicies},
	{name: "ListTrafficPolicyInstancesByPolicy", method: "GET", path: "trafficpolicyinstances/trafficpolicy", missing: noPolicies},
	{name: "CreateCidrCollection", method: "POST", path: "cidrcollection", missing: noCIDR},
	{name: "ChangeCidrCollection", method: "POST", path: "cidrcollection/{}", missing: noCIDR},
	{name: "DeleteCidrCollection", method: "DELETE", path: "cidrcollection/{}", missing: noCIDR},
	{name: "ListCidrCollections", method: "GET", path: "cidrcollection", missing: noCIDR},
	{name: "ListCidrLocations", method: "GET", path: "cidrcollection/{}", missing: noCIDR},
	{name: "ListCidrBlocks", method: "GET", path: "cidrcollection/{}/cidrblocks", missing: noCIDR},
	{name: "CreateQueryLoggingConfig", method: "POST", path: "queryloggingconfig", missing: noLogs},
	{name: "GetQueryLoggingConfig", method: "GET", path: "queryloggingconfig/{}", missing: noLogs},
	{name: "DeleteQueryLoggingConfig", method: "DELETE", path: "queryloggingconfig/{}", missing: noLogs},
	{name: "ListQueryLoggingConfigs", method: "GET", path: "queryloggingconfig", missing: noLogs},
	{name: "GetGeoLocation", method: "GET", path: "geolocation", missing: noGeo},
	{name: "ListGeoLocations", method: "GET", path: "geolocations", missing: noGeo},
}

// find returns the operation of a request, and puts the parameters of its path into q. Ids may
// be sent with or without the kind that responses put before them.
func find(r *http.Request, q *request) (*operation, error) {
	sent, _, _ := strings.Cut(r.URL.EscapedPath(), "?")
	var parts []string
	for s := range strings.SplitSeq(sent, "/") {
		if s == "" {
			continue
		}
		s, err := url.PathUnescape(s)
		if err != nil {
			return nil, invalidInput("The path has an invalid escape.")
		}
		if strings.HasPrefix(s, "/") { // an id that was escaped as a whole
			s = bareID(s)
		}
		if n := len(parts); n == 2 && parts[1] == s && kinds[s] { // an id that was not
			continue
		}
		parts = append(parts, s)
	}
	if len(parts) == 0 || parts[0] != version {
		return nil, faultf("UnknownOperationException", "There is no operation at '%.100s'; paths begin with /%s/.", r.URL.Path, version)
	}
	method := false
	for i := range operations {
		op := &operations[i]
		params, ok := match(op.path, parts[1:])
		if ok && op.method == r.Method {
			q.path = params
			return op, nil
		}
		method = method || ok
	}
	if method {
		return nil, faultf("MethodNotAllowed", "The method %.20s is not allowed at '%.100s'.", r.Method, r.URL.Path)
	}
	return nil, faultf("UnknownOperationException", "There is no operation at '%.100s'.", r.URL.Path)
}

// kinds are what responses put before ids.
var kinds = map[string]bool{"hostedzone": true, "change": true, "delegationset": true}

// bareID returns an id without its kind.
func bareID(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

// match compares a path with the pattern of an operation.
func match(pattern string, parts []string) (params []string, ok bool) {
	more := true
	for _, part := range parts {
		var want string
		if !more {
			return nil, false
		}
		if want, pattern, more = strings.Cut(pattern, "/"); want == "{}" {
			params = append(params, part)
		} else if want != part {
			return nil, false
		}
	}
	return params, !more
}

// readQuery reads the query, which must have known parameters only.
func (q *request) readQuery(known string) error {
	values, err := url.ParseQuery(q.http.URL.RawQuery)
	if err != nil {
		return invalidInput("The query cannot be read: %v", err)
	}
	q.query = map[string]string{}
	names := strings.Fields(known)
	for key, list := range values {
		found := false
		for _, n := range names {
			found = found || n == key
		}
		switch {
		case !found:
			return invalidInput("The parameter '%.50s' is not offered here.", key)
		case len(list) > 1:
			return invalidInput("The parameter '%s' is there %d times.", key, len(list))
		}
		q.query[key] = list[0]
	}
	return nil
}
