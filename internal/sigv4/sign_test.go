package sigv4

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/sigv4/sigv4test"
)

var testNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func verifier(keys ...*Key) *Verifier {
	return &Verifier{Service: "route53", Now: func() time.Time { return testNow }, Key: func(id string) (*Key, bool) {
		for _, k := range keys {
			if k.ID == id {
				return k, true
			}
		}
		return nil, false
	}}
}

// verify sends a request through a real server, so that it is what net/http makes of it.
func verify(t *testing.T, v *Verifier, r *http.Request) error {
	t.Helper()
	var err error
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var c *Claim
		if c, err = v.Read(r); err == nil {
			err = c.Verify(r, body)
		}
	}))
	defer s.Close()
	r.URL.Scheme = "http"
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	r.URL.Host = strings.TrimPrefix(s.URL, "http://")
	resp, sent := http.DefaultTransport.RoundTrip(r)
	if sent != nil {
		t.Fatal(sent)
	}
	resp.Body.Close()
	return err
}

func request(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPublished verifies the example "get-vanilla-query-order-key-case" of the test suite that
// AWS publishes for signers, whose signature was made by another implementation.
func TestPublished(t *testing.T) {
	v := verifier(&Key{ID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"})
	v.Service = "service"
	v.Now = func() time.Time { return time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC) }
	r := request(t, "GET", "http://example.amazonaws.com/?Param2=value2&Param1=value1", "")
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500")
	if err := verify(t, v, r); err != nil {
		t.Error(err)
	}
}

// TestVariants: what clients sign in different ways is accepted, and nothing else.
func TestVariants(t *testing.T) {
	key := &Key{ID: "AKIALAB", Secret: "secret"}
	session := &Key{ID: "ASIALAB", Secret: "other", SessionToken: "token+/="}
	v := verifier(key, session)
	signer := func(k *Key) sigv4test.Signer {
		return sigv4test.Signer{ID: k.ID, Secret: k.Secret, Token: k.SessionToken, Service: "route53", Now: testNow}
	}
	base := signer(key)
	for name, c := range map[string]struct {
		sign func(*sigv4test.Signer)
		edit func(*http.Request) // after it was signed
		want Reason
		ok   bool
	}{
		"as botocore":                   {ok: true},
		"as the SDK for JavaScript":     {sign: func(s *sigv4test.Signer) { s.HashHeader = true }, ok: true},
		"as the SDK for Go":             {sign: func(s *sigv4test.Signer) { s.Headers = []string{"content-length", "amz-sdk-invocation-id"} }, ok: true},
		"another region":                {sign: func(s *sigv4test.Signer) { s.Region = "eu-central-1" }, ok: true},
		"a clean path":                  {sign: func(s *sigv4test.Signer) { s.Clean = true }, ok: true},
		"a slow clock":                  {sign: func(s *sigv4test.Signer) { s.Now = testNow.Add(-Skew) }, ok: true},
		"a session":                     {sign: func(s *sigv4test.Signer) { *s = signer(session) }, ok: true},
		"another Host":                  {edit: func(r *http.Request) { r.Host = "other.example" }, want: Mismatch},
		"wrong secret":                  {sign: func(s *sigv4test.Signer) { s.Secret = "Secret" }, want: Mismatch},
		"wrong service":                 {sign: func(s *sigv4test.Signer) { s.Service = "s3" }, want: Mismatch},
		"unknown key":                   {sign: func(s *sigv4test.Signer) { s.ID = "AKIAOTHER" }, want: UnknownKey},
		"replayed":                      {sign: func(s *sigv4test.Signer) { s.Now = testNow.Add(-Skew - time.Second) }, want: Expired},
		"from the future":               {sign: func(s *sigv4test.Signer) { s.Now = testNow.Add(Skew + time.Second) }, want: Expired},
		"without the session token":     {sign: func(s *sigv4test.Signer) { *s = signer(session); s.Token = "" }, want: UnknownKey},
		"with a session token too many": {sign: func(s *sigv4test.Signer) { s.Token = "x" }, want: UnknownKey},
		"date of the scope": {edit: func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/20260301/", "/20260228/", 1))
		}, want: Mismatch},
		"date changed":          {edit: func(r *http.Request) { r.Header.Set("X-Amz-Date", "20260301T120001Z") }, want: Mismatch},
		"body changed":          {edit: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("bodY")) }, want: Mismatch},
		"query changed":         {edit: func(r *http.Request) { r.URL.RawQuery += "&maxitems=1" }, want: Mismatch},
		"path changed":          {edit: func(r *http.Request) { r.URL.Path += "x"; r.URL.RawPath = "" }, want: Mismatch},
		"method changed":        {edit: func(r *http.Request) { r.Method = "PUT" }, want: Mismatch},
		"not signed":            {edit: func(r *http.Request) { r.Header.Del("Authorization") }, want: Missing},
		"unsigned hash":         {edit: func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, want: Mismatch},
		"signed header missing": {sign: func(s *sigv4test.Signer) { s.Headers = []string{"amz-sdk-request"} }, edit: func(r *http.Request) { r.Header.Del("Amz-Sdk-Request") }, want: Mismatch},
		"date missing":          {edit: func(r *http.Request) { r.Header.Del("X-Amz-Date") }, want: Incomplete},
		"another way":           {edit: func(r *http.Request) { r.Header.Set("Authorization", "Basic YTpi") }, want: Incomplete},
		"no signature": {edit: func(r *http.Request) {
			a, _, _ := strings.Cut(r.Header.Get("Authorization"), ", Signature")
			r.Header.Set("Authorization", a)
		}, want: Incomplete},
	} {
		t.Run(name, func(t *testing.T) {
			s := base
			if c.sign != nil {
				c.sign(&s)
			}
			r := request(t, "POST", "http://route53.example/2013-04-01//hostedzone/%2Fhostedzone%2FZ1/rrset/?name=a%5c057b.&type=A&name2=%7E+x", "body")
			r.Header.Set("Amz-Sdk-Invocation-Id", "1")
			r.Header.Set("Amz-Sdk-Request", "attempt=1;  max=3")
			s.Sign(r, []byte("body"))
			if c.edit != nil {
				c.edit(r)
			}
			err := verify(t, v, r)
			var e *Error
			switch {
			case c.ok && err != nil:
				t.Error(err)
			case !c.ok && (!errors.As(err, &e) || e.Reason != c.want):
				t.Errorf("%v, want reason %d", err, c.want)
			}
		})
	}
}

// FuzzRead: no header, path or query makes the verifier panic, and none is accepted.
func FuzzRead(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIALAB/20260301/us-east-1/route53/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64), "20260301T120000Z", "/2013-04-01/hostedzone", "a=b", "")
	f.Add("AWS4-HMAC-SHA256 Credential=/////, SignedHeaders=;;host, Signature=00", "x", "//..//%2f", "%zz&&=", "body")
	v := verifier(&Key{ID: "AKIALAB", Secret: "secret"})
	f.Fuzz(func(t *testing.T, authorization, date, path, query, body string) {
		r := &http.Request{Method: "POST", Host: "h", URL: &url.URL{Path: path, RawQuery: query}, RequestURI: path + "?" + query,
			Header: http.Header{"Authorization": {authorization}, "X-Amz-Date": {date}}, Body: io.NopCloser(bytes.NewReader(nil))}
		c, err := v.Read(r)
		if err == nil {
			err = c.Verify(r, []byte(body))
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Fatal(fmt.Sprint("accepted: ", err))
		}
	})
}
