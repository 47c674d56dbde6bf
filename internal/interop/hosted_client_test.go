package interop

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/sigv4/sigv4test"
)

// apiClient calls the Route 53 API of a server, and reads responses as the SDKs do.
type apiClient struct {
	addr netip.AddrPort
	http http.Client
}

const (
	apiKey    = "AKIACRASH"
	apiSecret = "secret of the crash tests"
)

func newAPIClient(addr netip.AddrPort, wait time.Duration) *apiClient {
	return &apiClient{addr, http.Client{Timeout: wait, Transport: &http.Transport{}}}
}

// takeTime has a client wait for all responses, until the returned function is called: no disk fails.
func takeTime(c *http.Client) (end func()) {
	usual := c.Timeout
	c.Timeout = exchangeWait
	return func() { c.Timeout = usual }
}

// apiError is an error of the API.
type apiError struct {
	Status  int    `xml:"-"`
	Code    string `xml:"Error>Code"`
	Message string `xml:"Error>Message"`
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// call sends a request and reads its response into out. The error is an *apiError, a *broken
// if the response is none of the API, or otherwise that of the connection.
func (c *apiClient) call(method, path, body string, out any) error {
	r, err := http.NewRequest(method, "http://"+c.addr.String()+"/2013-04-01/"+path, strings.NewReader(body))
	if err != nil {
		return &broken{err}
	}
	sigv4test.Signer{ID: apiKey, Secret: apiSecret, Service: "route53", Now: time.Now()}.Sign(r, []byte(body))
	resp, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		e := &apiError{Status: resp.StatusCode}
		if err := xml.Unmarshal(text, e); err != nil || e.Code == "" || e.Status == http.StatusInternalServerError {
			return &broken{fmt.Errorf("%s %s: status %d: %s", method, path, e.Status, text)}
		}
		return e
	}
	if out == nil {
		return nil
	}
	if err := xml.NewDecoder(bytes.NewReader(text)).Decode(out); err != nil {
		return &broken{fmt.Errorf("%s %s: %w\n%s", method, path, err, text)}
	}
	return nil
}

// apiSet is a record set of the API.
type apiSet struct {
	Name, Type string
	TTL        uint32
	Values     []string `xml:"ResourceRecords>ResourceRecord>Value"`
	Alias      string   `xml:"AliasTarget>DNSName"` // of a set without TTL and Values
}

// list returns all record sets of a zone, page by page.
func (c *apiClient) list(id string) (all []apiSet, err error) {
	const size = "50"
	for query := ""; ; {
		var page struct {
			Sets        []apiSet `xml:"ResourceRecordSets>ResourceRecordSet"`
			IsTruncated bool
			Name        string `xml:"NextRecordName"`
			Type        string `xml:"NextRecordType"`
		}
		if err := c.call("GET", "hostedzone/"+id+"/rrset?maxitems="+size+query, "", &page); err != nil {
			return nil, err
		}
		all = append(all, page.Sets...)
		if !page.IsTruncated {
			return all, nil
		}
		query = "&name=" + url.QueryEscape(page.Name) + "&type=" + page.Type
	}
}

// apiZone is a hosted zone of the API.
type apiZone struct {
	ID              string `xml:"Id"`
	Name            string
	CallerReference string
}

// zones returns all hosted zones by their CallerReference.
func (c *apiClient) zones() (map[string]apiZone, error) {
	all := map[string]apiZone{}
	for marker := ""; ; {
		var page struct {
			Zones       []apiZone `xml:"HostedZones>HostedZone"`
			IsTruncated bool
			NextMarker  string
		}
		if err := c.call("GET", "hostedzone?maxitems=3"+marker, "", &page); err != nil {
			return nil, err
		}
		for _, z := range page.Zones {
			if _, twice := all[z.CallerReference]; twice {
				return nil, &broken{fmt.Errorf("two zones with the CallerReference %s", z.CallerReference)}
			}
			z.ID = strings.TrimPrefix(z.ID, "/hostedzone/")
			all[z.CallerReference] = z
		}
		if !page.IsTruncated {
			return all, nil
		}
		marker = "&marker=" + page.NextMarker
	}
}

// create creates a hosted zone and returns its id.
func (c *apiClient) create(name, reference string) (id string, err error) {
	var out struct{ HostedZone apiZone }
	err = c.call("POST", "hostedzone", "<CreateHostedZoneRequest><Name>"+name+"</Name><CallerReference>"+reference+"</CallerReference></CreateHostedZoneRequest>", &out)
	return strings.TrimPrefix(out.HostedZone.ID, "/hostedzone/"), err
}

// apiEdit is a change of a batch.
type apiEdit struct {
	action string
	apiSet
}

// change sends a batch and returns the id of the change.
func (c *apiClient) change(id string, edits []apiEdit) (change string, err error) {
	var b strings.Builder
	b.WriteString("<ChangeResourceRecordSetsRequest><ChangeBatch><Changes>")
	for _, e := range edits {
		fmt.Fprintf(&b, "<Change><Action>%s</Action><ResourceRecordSet><Name>%s</Name><Type>%s</Type>", e.action, e.Name, e.Type)
		if e.Alias != "" {
			fmt.Fprintf(&b, "<AliasTarget><HostedZoneId>%s</HostedZoneId><DNSName>%s</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>", id, e.Alias)
		} else {
			fmt.Fprintf(&b, "<TTL>%d</TTL><ResourceRecords>", e.TTL)
			for _, v := range e.Values {
				b.WriteString("<ResourceRecord><Value>" + v + "</Value></ResourceRecord>")
			}
			b.WriteString("</ResourceRecords>")
		}
		b.WriteString("</ResourceRecordSet></Change>")
	}
	b.WriteString("</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>")
	var out struct {
		ID     string `xml:"ChangeInfo>Id"`
		Status string `xml:"ChangeInfo>Status"`
	}
	err = c.call("POST", "hostedzone/"+id+"/rrset/", b.String(), &out)
	if err == nil && out.Status != "INSYNC" {
		err = &broken{fmt.Errorf("the status of a change is %q", out.Status)}
	}
	return strings.TrimPrefix(out.ID, "/change/"), err
}
