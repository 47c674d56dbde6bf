package route53

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
)

func (s *Server) getChange(q *request) (any, error) {
	c, err := s.o.Store.Change(bareID(q.path[0]))
	if err != nil {
		return nil, err
	}
	switch {
	case c.Apex != nil:
		err = q.allows(c.Apex)
	case q.isLimited():
		err = faultf("AccessDenied", "Access key %s is not authorized for changes of zones that were deleted long ago", q.key.ID)
	}
	if err != nil {
		return nil, err
	}
	return struct{ ChangeInfo xmlChange }{xmlChangeOf(c)}, nil
}

func (s *Server) getDNSSEC(q *request) (any, error) {
	if _, err := s.zone(q, q.path[0]); err != nil {
		return nil, err
	}
	var out struct {
		Status struct {
			ServeSignature string
		}
		KeySigningKeys struct{}
	}
	out.Status.ServeSignature = "NOT_SIGNING"
	return out, nil
}

func (s *Server) listHealthChecks(q *request) (any, error) {
	limit, err := maxItems(q.query["maxitems"], maxZonePage)
	if err != nil {
		return nil, err
	}
	return struct {
		HealthChecks struct{}
		Marker       string
		IsTruncated  bool
		MaxItems     string
	}{Marker: q.query["marker"], MaxItems: strconv.Itoa(limit)}, nil
}

func (s *Server) getHealthCheckCount(*request) (any, error) {
	return struct {
		Count int `xml:"HealthCheckCount"`
	}{}, nil
}

// testDNSAnswer returns what the hosted zone alone answers to a question, by the code that
// answers queries.
func (s *Server) testDNSAnswer(q *request) (any, error) {
	z, err := s.zone(q, q.query["hostedzoneid"])
	if err != nil {
		return nil, err
	}
	name, err := hosted.ParseName(q.query["recordname"])
	if err != nil {
		return nil, invalidInput("recordname is '%.100s', which is not a valid domain name: %v", q.query["recordname"], err)
	}
	t, err := parseType(q.query["recordtype"])
	if err != nil {
		return nil, err
	}
	if !name.IsAtOrBelow(z.Apex) {
		return nil, invalidInput("recordname is %s, which is not in zone %s", hosted.FormatName(name), hosted.FormatName(z.Apex))
	}
	client := netip.IPv6Loopback()
	if ip := q.query["resolverip"]; ip != "" {
		if client, err = netip.ParseAddr(ip); err != nil {
			return nil, invalidInput("resolverip is '%.50s', which is not an IP address", ip)
		}
	}
	if q.query["edns0clientsubnetip"]+q.query["edns0clientsubnetmask"] != "" {
		return nil, invalidInput("edns0clientsubnetip is not offered: answers do not depend on the client's subnet")
	}
	m := new(dns.Msg)
	m.Question = []dns.Question{{Name: name.String(), Qtype: uint16(t), Qclass: dns.ClassINET}}
	query, err := m.Pack()
	if err != nil {
		return nil, invalidInput("recordname is '%.100s', which cannot be asked: %v", q.query["recordname"], err)
	}
	v := s.o.View()
	// The other zones of the server are left out: a key that may not read them must not get
	// their records by a CNAME or by a name below a zone cut.
	served := v.Zones.Get(z.Apex)
	if served == nil {
		return nil, invalidInput("The question gets no answer.")
	}
	only := zone.NewSet().With([]*zone.Zone{served}, nil)
	quiet := *v.Policy
	quiet.CountsZones = false // so that the query is not counted
	if q.query["resolverip"] == "" {
		quiet.Access, quiet.HasZoneAccess = answer.ACL{}, false
	}
	buf := make([]byte, dns.MaxMsgSize)
	n := copy(buf, query)
	at := netip.AddrPortFrom(client, 53)
	req := &answer.Request{Client: at, Local: at, Transport: answer.TCP, Now: s.o.Now().Unix()}
	n, verdict := answer.NewResponder(answer.ResponderOptions{}).Respond(&answer.View{Zones: only, Policy: &quiet}, req, buf, n)
	var response dns.Msg
	if verdict != answer.Answered || response.Unpack(buf[:n]) != nil {
		return nil, invalidInput("The question gets no answer.")
	}
	out := struct {
		Nameserver   string
		RecordName   string
		RecordType   string
		RecordData   []string `xml:"RecordData>RecordDataEntry"`
		ResponseCode string
		Protocol     string
	}{RecordName: hosted.FormatName(name), RecordType: t.String(), ResponseCode: dns.RcodeToString[response.Rcode], Protocol: "TCP"}
	if a := s.o.Addresses(); len(a) > 0 {
		out.Nameserver = a[0]
	}
	for _, r := range response.Answer {
		out.RecordData = append(out.RecordData, strings.TrimPrefix(r.String(), r.Header().String()))
	}
	return out, nil
}
