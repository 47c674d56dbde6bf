// Package awsapitest has hostile requests for the tests of APIs.
package awsapitest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/internal/sigv4/sigv4test"
)

// Forgery is a request that is not as a client with a key signed it.
type Forgery struct {
	What   string
	Reason sigv4.Reason // why it is refused
	Text   string       // in the message

	signer  sigv4test.Signer
	headers map[string]string // before it is signed
	edit    func(r *http.Request, body string)
}

// Request returns the request. Its path and body are those of a request that would change
// something.
func (f *Forgery) Request(url, body string) *http.Request {
	r := httptest.NewRequest("POST", url, strings.NewReader(body))
	for name, value := range f.headers {
		r.Header.Set(name, value)
	}
	f.signer.Sign(r, []byte(body))
	if f.edit != nil {
		f.edit(r, body)
	}
	return r
}

// Forgeries returns forgeries of requests that s signs, which the server knows. It also knows
// the key tokenID with this secret, which has a session token.
func Forgeries(s sigv4test.Signer, tokenID, tokenSecret string) (out []Forgery) {
	const unknown, mismatch, incomplete, missing = sigv4.UnknownKey, sigv4.Mismatch, sigv4.Incomplete, sigv4.Missing
	// sign has another signer sign, and edit changes what was signed.
	sign := func(what string, reason sigv4.Reason, text string, change func(*sigv4test.Signer)) {
		f := Forgery{What: what, Reason: reason, Text: text, signer: s}
		change(&f.signer)
		out = append(out, f)
	}
	edit := func(what string, reason sigv4.Reason, text string, change func(r *http.Request)) {
		out = append(out, Forgery{What: what, Reason: reason, Text: text, signer: s, edit: func(r *http.Request, _ string) { change(r) }})
	}
	body := func(what string, reason sigv4.Reason, text string, change func(body string) string) {
		out = append(out, Forgery{What: what, Reason: reason, Text: text, signer: s, edit: func(r *http.Request, body string) {
			r.Body = io.NopCloser(strings.NewReader(change(body)))
		}})
	}
	authorization := func(what string, reason sigv4.Reason, text, old, new string) {
		edit(what, reason, text, func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
		})
	}
	const differs = "does not match"
	sign("wrong secret", mismatch, differs, func(s *sigv4test.Signer) { s.Secret = "guessed" })
	sign("secret of another key", mismatch, differs, func(s *sigv4test.Signer) { s.Secret = tokenSecret })
	sign("empty secret", mismatch, differs, func(s *sigv4test.Signer) { s.Secret = "" })
	sign("unknown key", unknown, "invalid", func(s *sigv4test.Signer) { s.ID = "AKIANONE" })
	sign("key without its session token", unknown, "", func(s *sigv4test.Signer) { s.ID, s.Secret = tokenID, tokenSecret })
	sign("replay after the window", sigv4.Expired, "Signature expired", func(s *sigv4test.Signer) { s.Now = s.Now.Add(-sigv4.Skew - time.Second) })
	sign("before the window", sigv4.Expired, "Signature not yet current", func(s *sigv4test.Signer) { s.Now = s.Now.Add(sigv4.Skew + time.Second) })
	sign("another service", mismatch, "correct service", func(s *sigv4test.Signer) { s.Service = "s3" })
	sign("another body than the signed hash", mismatch, "x-amz-content-sha256", func(s *sigv4test.Signer) { s.HashHeader = true })
	out[len(out)-1].edit = func(r *http.Request, body string) { r.Body = io.NopCloser(strings.NewReader(body + " ")) }
	sign("signed as an unsigned payload", mismatch, "x-amz-content-sha256", func(s *sigv4test.Signer) { s.Headers = []string{"x-amz-content-sha256"} })
	out[len(out)-1].headers = map[string]string{"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}

	body("another body", mismatch, differs, func(body string) string { return strings.Replace(body, "forged", "foiled", 1) })
	body("more body", mismatch, "", func(body string) string { return body + " " })
	body("no body", mismatch, "", func(string) string { return "" })

	edit("another date in the header", mismatch, differs, func(r *http.Request) {
		r.Header.Set("X-Amz-Date", s.Now.Add(time.Minute).UTC().Format("20060102T150405Z"))
	})
	authorization("another date in the scope", mismatch, "Date in Credential scope", "/"+s.Now.UTC().Format("20060102")+"/", "/20200101/")
	edit("the date twice", mismatch, "", func(r *http.Request) { r.Header.Add("X-Amz-Date", r.Header.Get("X-Amz-Date")) })
	edit("no date", incomplete, "", func(r *http.Request) { r.Header.Del("X-Amz-Date") })
	edit("a Date that is not signed", mismatch, "", func(r *http.Request) {
		r.Header.Del("X-Amz-Date")
		r.Header.Set("Date", s.Now.Add(time.Minute).UTC().Format(http.TimeFormat))
	})
	edit("unsigned payload", mismatch, "must be a 'SignedHeader'", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") })
	edit("a session token that is not signed", unknown, "", func(r *http.Request) { r.Header.Set("X-Amz-Security-Token", "token") })
	edit("another query", mismatch, "", func(r *http.Request) { r.URL.RawQuery = "name=a" })
	edit("another method", mismatch, "", func(r *http.Request) { r.Method = "DELETE" })
	edit("another path", mismatch, "", func(r *http.Request) { r.URL.Path += "/Z1"; r.RequestURI += "/Z1" })
	edit("another host", mismatch, "", func(r *http.Request) { r.Host = "other.example" })
	authorization("host not signed", mismatch, "'Host' must be", "host;", "")
	authorization("date not signed", mismatch, "'X-Amz-Date' must be", ";x-amz-date", "")
	edit("no header", missing, "", func(r *http.Request) { r.Header.Del("Authorization") })
	edit("two headers", incomplete, "", func(r *http.Request) { r.Header.Add("Authorization", r.Header.Get("Authorization")) })
	authorization("no signature", incomplete, "'Signature'", "Signature=", "Sign=")
	authorization("no signed headers", incomplete, "'SignedHeaders'", "SignedHeaders=", "Signed=")
	authorization("no credential", incomplete, "'Credential'", "Credential=", "Cred=")
	authorization("short credential", incomplete, "", "/us-east-1/"+s.Service, "")
	edit("short signature", incomplete, "", func(r *http.Request) {
		a := r.Header.Get("Authorization")
		r.Header.Set("Authorization", a[:len(a)-2])
	})
	authorization("another algorithm", incomplete, "", "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")
	edit("signed in the query", missing, "", func(r *http.Request) {
		r.Header.Del("Authorization")
		r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"
	})
	return out
}
