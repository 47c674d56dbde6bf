package main

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/sigv4/sigv4test"
)

// creation returns the name of the next hosted zone and the request that makes it.
func (b *hostedBench) creation() (name, body string) {
	name = fmt.Sprintf("%d.%d.45.in-addr.arpa", b.zones>>8, b.zones&255)
	b.zones++
	return name, creationOf(name)
}

func creationOf(name string) string {
	return "<CreateHostedZoneRequest><Name>" + name + "</Name><CallerReference>" + name + "</CallerReference></CreateHostedZoneRequest>"
}

// newZone makes the next hosted zone.
func (b *hostedBench) newZone() (name, id string, err error) {
	name, _ = b.creation()
	id, err = b.createZone(name)
	return name, id, err
}

func (b *hostedBench) createZone(name string) (id string, err error) {
	return b.askID(http.MethodPost, "hostedzone", creationOf(name))
}

// zoneID returns the id of a hosted zone.
func (b *hostedBench) zoneID(name string) (id string, err error) {
	return b.askID(http.MethodGet, "hostedzonesbyname?maxitems=1&dnsname="+name, "")
}

func (b *hostedBench) askID(method, path, body string) (id string, err error) {
	c, err := dialAPI(b.api)
	if err != nil {
		return "", err
	}
	defer c.Close()
	out, err := c.call(method, path, body)
	return strings.TrimPrefix(elementOf(out, "Id"), "/hostedzone/"), err
}

// record24 returns the n-th PTR of a zone.
func record24(zone string, n int) (owner, target string) {
	return fmt.Sprintf("%d.%d.%d.%s.", n>>16&255, n>>8&255, n&255, zone), fmt.Sprintf("h%d.pool.example.net.", n)
}

// changesOf returns a request with some PTRs of a zone.
func changesOf(action, zone string, from, count int) string {
	var b strings.Builder
	b.WriteString(`<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes>`)
	for n := from; n < from+count; n++ {
		owner, target := record24(zone, n)
		fmt.Fprintf(&b, "<Change><Action>%s</Action><ResourceRecordSet><Name>%s</Name><Type>PTR</Type><TTL>3600</TTL><ResourceRecords><ResourceRecord><Value>%s</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change>", action, owner, target)
	}
	b.WriteString("</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>")
	return b.String()
}

// elementOf returns the text of the first element with a name; empty: there is none.
func elementOf(text []byte, name string) string {
	_, rest, _ := bytes.Cut(text, []byte("<"+name+">"))
	value, _, ok := bytes.Cut(rest, []byte("<"))
	if !ok {
		return ""
	}
	return string(value)
}

// apiConn is a connection of a client, which it keeps.
type apiConn struct {
	net.Conn
	in  *bufio.Reader
	out *bufio.Writer
}

func dialAPI(at netip.AddrPort) (*apiConn, error) {
	conn, err := net.DialTimeout("tcp", at.String(), startPatience)
	if err != nil {
		return nil, err
	}
	return &apiConn{conn, bufio.NewReader(conn), bufio.NewWriter(conn)}, nil
}

// call sends a signed request and returns the body of its response.
func (c *apiConn) call(method, path, body string) ([]byte, error) {
	r, err := http.NewRequest(method, "http://"+c.RemoteAddr().String()+"/2013-04-01/"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	sigv4test.Signer{ID: accessKey, Secret: secretKey, Service: "route53", Now: time.Now()}.Sign(r, []byte(body))
	if err := r.Write(c.out); err != nil {
		return nil, err
	}
	if err := c.out.Flush(); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.in, r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		var e struct {
			Code    string `xml:"Error>Code"`
			Message string `xml:"Error>Message"`
		}
		_ = xml.Unmarshal(text, &e) // the status is there in any case
		err = fmt.Errorf("%s %s: %d %s: %s", method, path, resp.StatusCode, e.Code, e.Message)
	}
	return text, err
}
