package ec2

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone/dname"
)

const (
	version   = "2016-11-15"
	namespace = "http://ec2.amazonaws.com/doc/" + version + "/"
)

// Options are what a Server needs.
type Options struct {
	Store       *Store
	Policy      func() *awsapi.Policy
	Certificate func() *tls.Certificate // returns nil if the listener has no TLS
	Now         func() time.Time        // nil: time.Now
	Log         *slog.Logger
	Guard       *supervise.Supervisor // contains panics over single requests; nil: they are not contained
	Counts      *awsapi.Counts        // nil: requests are not counted
}

// Server serves the API.
type Server struct {
	store *Store
	http  *awsapi.Server
}

// New returns a Server.
func New(o Options) *Server {
	s := &Server{store: o.Store}
	s.http = awsapi.New(&awsapi.Service{
		Name: "ec2", MaxBody: maxBody, Find: s.find, Fault: faultOf, WriteFault: writeFault,
	}, awsapi.Options{Policy: o.Policy, Certificate: o.Certificate, Now: o.Now, Log: o.Log, Guard: o.Guard, Counts: o.Counts})
	return s
}

// Serve answers on ln until ctx is done. It may run for several listeners at the same time.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error { return s.http.Serve(ctx, ln) }

// operation is an operation of the API.
type operation struct {
	name    string
	changes bool
	params  string // separated by spaces; N is the number of an item
	handle  func(*Server, *request) (any, error)
}

var operations = []operation{
	{"AllocateAddress", true, "Domain Address PublicIpv4Pool NetworkBorderGroup DryRun", (*Server).allocateAddress},
	{"DescribeAddresses", false, "PublicIp.N AllocationId.N Filter.N.Name Filter.N.Value.N DryRun", (*Server).describeAddresses},
	{"DescribeAddressesAttribute", false, "AllocationId.N Attribute NextToken MaxResults DryRun", (*Server).describeAddressesAttribute},
	{"ModifyAddressAttribute", true, "AllocationId DomainName DryRun", (*Server).modifyAddressAttribute},
	{"ResetAddressAttribute", true, "AllocationId Attribute DryRun", (*Server).resetAddressAttribute},
	{"ReleaseAddress", true, "AllocationId NetworkBorderGroup DryRun", (*Server).releaseAddress},
}

// find returns the operation of a request.
func (s *Server) find(r *awsapi.Request) (awsapi.Operation, error) {
	none := awsapi.Operation{}
	if r.HTTP.Method != http.MethodPost || r.HTTP.URL.Path != "/" {
		return none, faultf("InvalidRequest", "A request must be a POST of a form to /, this one is %.20s %.100s", r.HTTP.Method, r.HTTP.URL.Path)
	}
	values, err := parseForm(string(r.Body))
	if err != nil {
		return none, err
	}
	q := &request{r, values}
	action := values["Action"]
	if action == "" {
		return none, faultf("MissingAction", "The request must contain the parameter Action")
	}
	if v := values["Version"]; v != version {
		return none, faultf("NoSuchVersion", "The requested version (%.50s) of service AmazonEC2 does not exist here, %s does", v, version)
	}
	i := slices.IndexFunc(operations, func(op operation) bool { return op.name == action })
	if i < 0 {
		var offered []string
		for _, op := range operations {
			offered = append(offered, op.name)
		}
		return none, faultf(codeAction, "The action %.100s is not valid for this web service: it offers %s.", action, strings.Join(offered, ", "))
	}
	op := &operations[i]
	return awsapi.Operation{Name: op.name, Changes: op.changes, Answer: func() (int, []byte, error) {
		if err := q.check(op.params); err != nil {
			return 0, nil, err
		}
		v, err := op.handle(s, q)
		if err == nil && q.dry() {
			err = faultf(codeDryRun, "Request would have succeeded, but DryRun flag is set.")
		}
		if err != nil {
			return 0, nil, err
		}
		out, err := awsapi.XML(namespace, op.name+"Response", v)
		return http.StatusOK, out, err
	}}, nil
}

// order returns who asks for a change.
func (q *request) order() *Order { return &Order{By: q.Key.ID, Allow: q.allow, Dry: q.dry()} }

// allow returns an error if the key may not act on an address.
func (q *request) allow(a netip.Addr) error {
	if q.Key.Allows(dname.FromAddr(a)) {
		return nil
	}
	return faultf(codeDenied, "Access key %s is not authorized for address %v", q.Key.ID, a)
}

// The elements of responses, in the order of the API.
type (
	xmlAddress struct {
		PublicIP     string `xml:"publicIp"`
		AllocationID string `xml:"allocationId"`
		Domain       string `xml:"domain"`
		Pool         string `xml:"publicIpv4Pool"`
		Group        string `xml:"networkBorderGroup"`
	}
	xmlAttribute struct {
		PublicIP     string     `xml:"publicIp"`
		AllocationID string     `xml:"allocationId"`
		PTR          string     `xml:"ptrRecord,omitempty"`
		Update       *xmlUpdate `xml:"ptrRecordUpdate,omitempty"`
	}
	xmlUpdate struct {
		Value  string `xml:"value"`
		Status string `xml:"status"`
		Reason string `xml:"reason"`
	}
	xmlAttributeOf struct {
		RequestID string       `xml:"requestId"`
		Address   xmlAttribute `xml:"address"`
	}
)

func xmlAddressOf(a *Address) xmlAddress {
	return xmlAddress{a.IP.String(), a.ID, "vpc", a.Pool.String(), a.Group}
}

// attribute returns an address with its reverse name as DNS has it.
func attribute(a *Address, u Update) xmlAttribute {
	x := xmlAttribute{PublicIP: a.IP.String(), AllocationID: a.ID, PTR: u.Served}
	if u.Pending != "" {
		x.Update = &xmlUpdate{a.PTR.Target, "PENDING", u.Pending}
	}
	return x
}

func (s *Server) allocateAddress(q *request) (any, error) {
	if d := q.values["Domain"]; d != "" && d != "vpc" {
		return nil, faultf(codeParameter, "Invalid value '%.100s' for domain: it must be vpc", d)
	}
	group := cmp.Or(q.values["NetworkBorderGroup"], q.Region, "us-east-1")
	a, err := s.store.Allocate(Allocation{q.values["Address"], q.values["PublicIpv4Pool"], group}, q.order())
	if err != nil {
		return nil, err
	}
	return struct {
		RequestID string `xml:"requestId"`
		xmlAddress
	}{q.ID, xmlAddressOf(a)}, nil
}

func (s *Server) describeAddresses(q *request) (any, error) {
	list, err := s.selected(q)
	if err != nil {
		return nil, err
	}
	out := struct {
		RequestID string       `xml:"requestId"`
		Addresses []xmlAddress `xml:"addressesSet>item"`
	}{RequestID: q.ID}
	filters := q.filters()
	for _, a := range list {
		keep := true
		for _, f := range filters {
			matches, err := f.matches(a)
			if err != nil {
				return nil, err
			}
			keep = keep && matches
		}
		if keep {
			out.Addresses = append(out.Addresses, xmlAddressOf(a))
		}
	}
	return out, nil
}

// matches reports whether an address has one of the values, in which * and ? are wildcards.
func (f filter) matches(a *Address) (bool, error) {
	x := xmlAddressOf(a)
	value, ok := map[string]string{
		"allocation-id": x.AllocationID, "public-ip": x.PublicIP, "domain": x.Domain, "network-border-group": x.Group,
	}[f.name]
	if !ok {
		return false, faultf(codeParameter, "The filter '%.100s' is invalid: there are allocation-id, public-ip, domain and network-border-group", f.name)
	}
	return slices.ContainsFunc(f.values, func(pattern string) bool {
		matches, err := path.Match(strings.ReplaceAll(pattern, "[", `\[`), value)
		return err == nil && matches
	}), nil
}

// selected returns the addresses that a request names, or all, as far as the key may see them.
func (s *Server) selected(q *request) (out []*Address, err error) {
	ids, ips := q.list("AllocationId"), q.list("PublicIp")
	for _, id := range ids {
		a, err := s.store.get(id)
		if err == nil {
			err = q.allow(a.IP)
		}
		if err != nil {
			return nil, err
		}
	}
	all := slices.DeleteFunc(s.store.All(), func(a *Address) bool { return q.allow(a.IP) != nil })
	for _, ip := range ips {
		if !slices.ContainsFunc(all, func(a *Address) bool { return a.IP.String() == ip }) {
			return nil, faultf(codeNoAddress, "Address '%.100s' not found.", ip)
		}
	}
	for _, a := range all {
		if (len(ids) == 0 || slices.Contains(ids, a.ID)) && (len(ips) == 0 || slices.Contains(ips, a.IP.String())) {
			out = append(out, a)
		}
	}
	return out, nil
}

// onlyDomainName returns an error if the attribute of a request is another one.
func (q *request) onlyDomainName() error {
	if a := q.values["Attribute"]; a != "domain-name" {
		return faultf(codeParameter, "Value (%.100s) for parameter attribute is invalid: it must be domain-name", a)
	}
	return nil
}

// maxPage is the most addresses of a page of DescribeAddressesAttribute.
const maxPage = 1000

func (s *Server) describeAddressesAttribute(q *request) (any, error) {
	if q.values["Attribute"] != "" {
		if err := q.onlyDomainName(); err != nil {
			return nil, err
		}
	}
	limit := maxPage
	if m := q.values["MaxResults"]; m != "" {
		var err error
		if limit, err = strconv.Atoi(m); err != nil || limit < 1 || limit > maxPage {
			return nil, faultf(codeParameter, "Value (%.100s) for parameter maxResults is invalid: it must be a number from 1 to %d", m, maxPage)
		}
	}
	// A token is the last address of the page before, so that it stays valid.
	last, err := base64.RawURLEncoding.DecodeString(q.values["NextToken"])
	after, badAddress := netip.ParseAddr(string(last))
	if err != nil || len(last) > 0 && badAddress != nil {
		return nil, faultf("InvalidNextToken", "The token is invalid: it must be one of an earlier response")
	}
	list, err := s.selected(q)
	if err != nil {
		return nil, err
	}
	out := struct {
		RequestID string         `xml:"requestId"`
		Addresses []xmlAttribute `xml:"addressSet>item"`
		NextToken string         `xml:"nextToken,omitempty"`
	}{RequestID: q.ID}
	// As at AWS, one without the attribute is left out; clients wait for that.
	list = slices.DeleteFunc(list, func(a *Address) bool { return a.PTR == nil || len(last) > 0 && !after.Less(a.IP) })
	if len(list) > limit {
		list = list[:limit]
		out.NextToken = base64.RawURLEncoding.EncodeToString([]byte(list[limit-1].IP.String()))
	}
	for i, u := range s.store.Served(list...) {
		out.Addresses = append(out.Addresses, attribute(list[i], u))
	}
	return out, nil
}

func (s *Server) modifyAddressAttribute(q *request) (any, error) {
	id, err := q.required("AllocationId")
	if err != nil {
		return nil, err
	}
	text, err := q.required("DomainName")
	if err != nil {
		return nil, err
	}
	name, err := dname.Parse(text)
	if err != nil || name.IsRoot() || name.IsWildcard() {
		return nil, faultf(codeParameter, "Value (%.300s) for parameter domainName is invalid: it must be the name of a host, such as mail.example.com", text)
	}
	a, err := s.store.SetName(q.HTTP.Context(), id, name, q.order())
	if err != nil {
		return nil, err
	}
	return xmlAttributeOf{q.ID, attribute(a, s.store.Served(a)[0])}, nil
}

func (s *Server) resetAddressAttribute(q *request) (any, error) {
	id, err := q.required("AllocationId")
	if err != nil {
		return nil, err
	}
	if _, err := q.required("Attribute"); err != nil {
		return nil, err
	}
	if err := q.onlyDomainName(); err != nil {
		return nil, err
	}
	a, err := s.store.ResetName(id, q.order())
	if err != nil {
		return nil, err
	}
	return xmlAttributeOf{q.ID, attribute(a, Update{})}, nil
}

func (s *Server) releaseAddress(q *request) (any, error) {
	id, err := q.required("AllocationId")
	if err != nil {
		return nil, err
	}
	if err := s.store.Release(id, q.values["NetworkBorderGroup"], q.order()); err != nil {
		return nil, err
	}
	return struct {
		RequestID string `xml:"requestId"`
		Return    bool   `xml:"return"`
	}{q.ID, true}, nil
}
