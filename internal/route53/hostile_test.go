package route53

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/awsapi/awsapitest"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/internal/sigv4/sigv4test"
	"github.com/ptrd/ptrd/zone/dname"
)

// counted is the body of a request; it counts what is read of it.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += n
	return n, err
}

// signed returns a request with this body, signed as by signer.
func (l *lab) signed(s sigv4test.Signer, method, path, body string) *http.Request {
	r := httptest.NewRequest(method, "http://route53.example/2013-04-01/"+path, strings.NewReader(body))
	s.Sign(r, []byte(body))
	return r
}

func (l *lab) signer() sigv4test.Signer {
	return sigv4test.Signer{ID: "AKIALAB", Secret: "secret", Service: "route53", Now: l.now}
}

// serve has the server answer a request without a connection, and checks that the response is
// one of the API.
func (l *lab) serve(r *http.Request) (got reply) {
	l.t.Helper()
	w := httptest.NewRecorder()
	l.server.http.ServeHTTP(w, r)
	got.status, got.body = w.Code, w.Body.String()
	var e struct {
		XMLName xml.Name
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &e); err != nil || e.XMLName.Space != namespace {
		l.t.Fatalf("%s %q: status %d is no response of the API: %v\n%s", r.Method, r.URL, got.status, err, got.body)
	}
	got.code, got.message = e.Code, e.Message
	if got.status >= 400 != (e.XMLName.Local == "ErrorResponse" && e.Code != "") || got.status >= 500 {
		l.t.Fatalf("%s %q: %+v", r.Method, r.URL, got)
	}
	return got
}

// TestSignatures: a request that a client did not sign so, with this key, at about this time,
// changes nothing, and the code of the response says why.
func TestSignatures(t *testing.T) {
	l := newLab(t)
	l.policy.Keys["ASIALAB"] = &awsapi.Key{Key: sigv4.Key{ID: "ASIALAB", Secret: "other", SessionToken: "token"}, Permits: func(string, bool) bool { return true }, Allows: func(dname.Name) bool { return true }}
	const body = "<CreateHostedZoneRequest><Name>forged.example</Name><CallerReference>1</CallerReference></CreateHostedZoneRequest>"
	for _, c := range awsapitest.Forgeries(l.signer(), "ASIALAB", "other") {
		t.Run(c.What, func(t *testing.T) {
			l.t = t
			code := signatureCodes[c.Reason]
			want := http.StatusForbidden
			if code == "IncompleteSignature" {
				want = http.StatusBadRequest
			}
			r := c.Request("http://route53.example/2013-04-01/hostedzone", body)
			if got := l.serve(r); got.code != code || got.status != want || !strings.Contains(got.message, c.Text) {
				t.Errorf("%d %s: %s\nwant %d %s: %s", got.status, got.code, got.message, want, code, c.Text)
			}
		})
	}
	l.t = t
	if n := l.store.CountZones(func(*hosted.Zone) bool { return true }); n != 0 {
		t.Errorf("%d zones were created", n)
	}
	for what, s := range map[string]sigv4test.Signer{"late": {Now: l.now.Add(-sigv4.Skew)}, "early": {Now: l.now.Add(sigv4.Skew)}} {
		s.ID, s.Secret, s.Service = "AKIALAB", "secret", "route53"
		if got := l.serve(l.signed(s, "GET", "hostedzone", "")); got.status != http.StatusOK {
			t.Errorf("%s, within the window: %+v", what, got)
		}
	}
}

// TestKeysReplaced: a request is judged by one policy although a reload replaces it meanwhile.
func TestKeysReplaced(t *testing.T) {
	l := newLab(t)
	calls := 0
	o := l.server.o
	o.Policy = func() *awsapi.Policy {
		if calls++; calls == 1 {
			return &awsapi.Policy{}
		}
		return l.policy
	}
	l.server = New(o)
	if got := l.serve(l.signed(l.signer(), "GET", "hostedzone", "")); got.code != "InvalidClientTokenId" || calls != 1 {
		t.Errorf("after %d looks at the policy: %+v", calls, got)
	}
}

// TestBodies: what a body can cost is bounded, and without an accepted key it is not read.
func TestBodies(t *testing.T) {
	l := newLab(t)
	id := l.create("example.com", "1")
	const open, end = "<ChangeResourceRecordSetsRequest><ChangeBatch>", "</ChangeBatch></ChangeResourceRecordSetsRequest>"
	fill := func(s string) string { return strings.Repeat(s, (maxBody-len(open+end)-2048)/len(s)) }
	entities := "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">"
	for c := 'b'; c < 'k'; c++ {
		entities += fmt.Sprintf("<!ENTITY %c \"%s\">", c, strings.Repeat("&"+string(c-1)+";", 10))
	}
	for _, c := range []struct{ what, body, code string }{
		{"too large", strings.Repeat(" ", maxBody+1), "RequestEntityTooLarge"},
		{"entities", entities + "]>" + open + "&j;" + end, "MalformedXML"},
		{"an entity without a type", open + "&j;" + end, "MalformedXML"},
		{"an external entity", "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">" + open + end, "MalformedXML"},
		{"nested", fill("<a>"), "MalformedXML"},
		{"many elements", open + fill("<a/>") + end, "MalformedXML"},
		{"many attributes", "<ChangeResourceRecordSetsRequest" + fill(" a=''") + "/>", "MalformedXML"},
		{"many namespaces", "<ChangeResourceRecordSetsRequest" + fill(" xmlns:a='b'") + "/>", "MalformedXML"},
		{"some attributes each", open + fill("<a b='' c='' d='' e=''/>") + end, "MalformedXML"},
		{"a long comment", open + "<!--" + fill("a") + "-->" + end, "MalformedXML"},
		{"a tag without an end", fill(" ") + "<a" + strings.Repeat(" ", 1000), "MalformedXML"},
		{"comments", open + fill("<!---->") + end, "InvalidInput"},
		{"instructions", open + fill("<?a?>") + end, "InvalidInput"},
		{"text", open + fill("x") + end, "InvalidInput"},
		{"pieces of text", open + fill("x<!---->") + end, "InvalidInput"},
		{"another end tag", open + "<a></b>" + end, "MalformedXML"},
		{"an end tag of another namespace", open + "<x:a></y:a>" + end, "MalformedXML"},
		{"an end tag alone", open + end + end, "MalformedXML"},
		{"no end tag", open + "<a></a>", "MalformedXML"},
		{"another encoding", "<?xml version='1.0' encoding='UTF-16'?>" + open + end, "MalformedXML"},
		{"zeros", strings.Repeat("\x00", maxBody), "MalformedXML"},
	} {
		t.Run(c.what, func(t *testing.T) {
			l.t = t
			r := l.signed(l.signer(), "POST", "hostedzone/"+id+"/rrset", c.body)
			body := &counted{Reader: strings.NewReader(c.body)}
			r.Body = io.NopCloser(body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := l.serve(r)
			runtime.ReadMemStats(&after)
			if got.code != c.code || got.status/100 != 4 || len(got.body) > 4096 {
				t.Errorf("%d %s, %d octets: %.200s, want %s", got.status, got.code, len(got.body), got.message, c.code)
			}
			t.Logf("%d KiB allocated", (after.TotalAlloc-before.TotalAlloc)>>10)
			if cost := after.TotalAlloc - before.TotalAlloc; cost > maxCost || body.n > maxBody+1 {
				t.Errorf("%d octets were read and %d allocated", body.n, cost)
			}
		})
	}
	l.t = t
	for what, edit := range map[string]func(*http.Request){
		"unknown key": func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "AKIALAB", "AKIANONE", 1))
		},
		"not signed": func(r *http.Request) { r.Header.Del("Authorization") },
		"expired":    func(r *http.Request) { r.Header.Set("X-Amz-Date", "20200101T000000Z") },
	} {
		r := l.signed(l.signer(), "POST", "hostedzone", "body")
		body := &counted{Reader: strings.NewReader("body")}
		r.Body = io.NopCloser(body)
		edit(r)
		if got := l.serve(r); got.status/100 != 4 || body.n != 0 {
			t.Errorf("%s: %d octets of the body were read: %+v", what, body.n, got)
		}
	}
	r := l.signed(l.signer(), "POST", "hostedzone", "body")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("bo"), failing{}))
	if got := l.serve(r); got.code != "RequestTimeout" {
		t.Errorf("a client that stops: %+v", got)
	}
}

// maxCost bounds what one request may allocate, whatever its body.
const maxCost = 20 * maxBody

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the connection is gone") }

// FuzzAPI: whatever a client sends that has a key, the response is one of the API and no error
// of the server, and the zones are served on.
func FuzzAPI(f *testing.F) {
	l := newLab(f)
	id := l.create("example.com", "1")
	l.must(id, change("CREATE", "a.example.com", "A", 60, "192.0.2.1"))
	path := func(p string) string { return strings.Replace(p, "{}", id, 1) }
	wrap := func(changes ...string) string {
		return "<ChangeResourceRecordSetsRequest><ChangeBatch><Changes>" + strings.Join(changes, "") + "</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"
	}
	f.Add("POST", path("hostedzone/{}/rrset"), "", wrap(change("UPSERT", `\052.example.com`, "TXT", 60, `"\057"  "x"`)))
	f.Add("POST", path("hostedzone/{}/rrset/"), "", wrap(change("CREATE", "b.example.com", "SVCB", 60, "1 . alpn=h2"), change("DELETE", "a.example.com", "A", 60, "192.0.2.1")))
	f.Add("POST", path("hostedzone/{}/rrset"), "", wrap(change("UPSERT", "example.com", "SOA", 900, "a. b. 1 2 3 4 5"), change("DELETE", "example.com", "NS", 1, "x")))
	f.Add("POST", path("hostedzone/%2Fhostedzone%2F{}/rrset"), "", "<?xml version='1.0'?><!DOCTYPE x>")
	f.Add("GET", path("hostedzone/{}/rrset"), "name=%5c052.example.com&type=A&maxitems=1", "")
	f.Add("GET", path("testdnsanswer"), path("hostedzoneid={}&recordname=a.example.com&recordtype=A&resolverip=::1"), "")
	f.Add("GET", "hostedzonesbyname", "dnsname=a..b&hostedzoneid=/", "")
	f.Add("GET", "hostedzone", "marker=%00&maxitems=-1", "")
	f.Add("GET", path("tags/hostedzone/{}"), "", "")
	f.Add("POST", path("tags/hostedzone/{}"), "", "<ChangeTagsForResourceRequest><AddTags><Tag><Key>k</Key></Tag></AddTags></ChangeTagsForResourceRequest>")
	f.Add("POST", "tags/hostedzone", "", path("<ListTagsForResourcesRequest><ResourceIds><ResourceId>{}</ResourceId></ResourceIds></ListTagsForResourcesRequest>"))
	f.Add("POST", path("hostedzone/{}"), "", "<UpdateHostedZoneCommentRequest><Comment>x</Comment></UpdateHostedZoneCommentRequest>")
	f.Add("POST", "hostedzone", "", "<CreateHostedZoneRequest><Name>0/25.2.0.192.in-addr.arpa</Name><CallerReference>2</CallerReference></CreateHostedZoneRequest>")
	f.Add("POST", "delegationset", "", path("<CreateReusableDelegationSetRequest><CallerReference>2</CallerReference><HostedZoneId>{}</HostedZoneId></CreateReusableDelegationSetRequest>"))
	f.Add("GET", "change/C", "", "")
	f.Add("HEAD", "//../%2e%2e/", "%zz&&==", "\x00")
	apex := dname.MustParse("example.com")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		l.t = t
		r := httptest.NewRequest("GET", "http://route53.example/", bytes.NewReader([]byte(body)))
		r.Method, r.URL.Path, r.URL.RawQuery = method, "/"+version+"/"+path, query
		r.RequestURI = r.URL.RequestURI()
		l.policy.Anonymous = false
		l.signer().Sign(r, []byte(body))
		l.serve(r)
		r.Body = io.NopCloser(strings.NewReader(body))
		l.policy.Anonymous = true // whatever the signer of the tests makes of it
		got := l.serve(r)
		if got.status == http.StatusOK && len(got.body) > 1<<20 {
			t.Errorf("a response of %d octets", len(got.body))
		}
		if z := l.writer.Set().Get(apex); z == nil && l.store.Has(apex) != "" || z != nil && !z.IsAvailable() {
			t.Error("the zone is not served")
		}
	})
}

// FuzzAuthorization: no Authorization header is accepted but that of the client.
func FuzzAuthorization(f *testing.F) {
	l := newLab(f)
	r := l.signed(l.signer(), "GET", "hostedzone", "")
	valid := r.Header.Get("Authorization")
	f.Add(valid, "host")
	f.Add(strings.ToLower(valid), "20270115T080000Z")
	f.Add("AWS4-HMAC-SHA256 Credential=AKIALAB/20270115/us-east-1/route53/aws4_request,SignedHeaders=host;x-amz-date;;host,Signature="+strings.Repeat("0", 64), "")
	f.Add("AWS4-HMAC-SHA256 ,=,=", "\x00")
	f.Add("Basic Og==", "x")
	f.Fuzz(func(t *testing.T, authorization, token string) {
		l.t = t
		r := l.signed(l.signer(), "GET", "hostedzone", "")
		r.Header.Set("Authorization", authorization)
		if token != "" {
			r.Header.Set("X-Amz-Security-Token", token)
		}
		if got := l.serve(r); got.status == http.StatusOK && (!strings.HasSuffix(strings.ToLower(authorization), valid[len(valid)-64:]) || token != "") {
			t.Errorf("%q is accepted", authorization)
		}
	})
}

// TestConnections: clients that open many connections and send half a request, or half a body,
// keep no others from being answered, and hold no more than awsapi.MaxConns connections.
func TestConnections(t *testing.T) {
	l := newLab(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- l.server.Serve(ctx, ln) }()
	defer func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	forged := l.signed(l.signer(), "POST", "hostedzone", "x").Header.Get("Authorization")
	forged = strings.Replace(forged, "AKIALAB", "AKIANONE", 1)
	for i := range 3 * awsapi.MaxConns {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		switch i % 3 {
		case 0:
			_, err = io.WriteString(c, "POST /2013-04-01/hostedzone HTTP/1.1\r\nHo")
		case 1: // it is answered before its body comes, for want of a key
			date := l.now.UTC().Format("20060102T150405Z")
			_, err = fmt.Fprintf(c, "POST /2013-04-01/hostedzone HTTP/1.1\r\nHost: a\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\nContent-Length: 1000000\r\n\r\n", date, forged)
			if err == nil {
				var resp *http.Response
				if resp, err = http.ReadResponse(bufio.NewReader(c), nil); err == nil && resp.StatusCode != http.StatusForbidden {
					t.Errorf("status %d", resp.StatusCode)
				}
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if open := l.server.http.Open(); open > awsapi.MaxConns {
			t.Fatalf("%d connections", open)
		}
	}
	r, err := http.NewRequest("GET", "http://"+ln.Addr().String()+"/2013-04-01/hostedzone", nil)
	if err != nil {
		t.Fatal(err)
	}
	l.signer().Sign(r, nil)
	if got := l.do(r); got.status != http.StatusOK {
		t.Errorf("%+v", got)
	}
}
