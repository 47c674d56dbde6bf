// Package sigv4test signs requests for tests, as the documentation of AWS Signature Version 4
// describes it step by step. It shares no code with the verifier.
package sigv4test

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"sort"
	"strings"
	"time"
)

// Signer signs requests.
type Signer struct {
	ID, Secret, Token string
	Service, Region   string // no region: us-east-1
	Now               time.Time
	Headers           []string // that are signed in addition, in lower case
	HashHeader        bool     // send x-amz-content-sha256
	Clean             bool     // sign the path without dot segments and repeated slashes
}

// Sign adds the headers of a signature to a request with this body.
func (s Signer) Sign(r *http.Request, body []byte) {
	region := s.Region
	if region == "" {
		region = "us-east-1"
	}
	r.Host = r.URL.Host
	at := s.Now.UTC().Format("20060102T150405Z")
	r.Header.Set("X-Amz-Date", at)
	hash := fmt.Sprintf("%x", sha256.Sum256(body))
	names := append([]string{"host", "x-amz-date"}, s.Headers...)
	if s.HashHeader {
		r.Header.Set("X-Amz-Content-Sha256", hash)
		names = append(names, "x-amz-content-sha256")
	}
	if s.Token != "" {
		r.Header.Set("X-Amz-Security-Token", s.Token)
		names = append(names, "x-amz-security-token")
	}
	sort.Strings(names)
	headers := ""
	for _, n := range names {
		v := r.Header.Get(n)
		switch n {
		case "host":
			v = r.Host
		case "content-length":
			v = fmt.Sprint(len(body))
		}
		headers += n + ":" + strings.Join(strings.Fields(v), " ") + "\n"
	}
	p := r.URL.EscapedPath()
	if s.Clean {
		slash := strings.HasSuffix(p, "/")
		if p = path.Clean(p); slash {
			p += "/"
		}
	}
	p = strings.ReplaceAll(strings.ReplaceAll(url.PathEscape(p), "%2F", "/"), ":", "%3A")
	query := strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")
	canonical := fmt.Sprintf("%s\n%s\n%s\n%s\n%s\n%s", r.Method, p, query, headers, strings.Join(names, ";"), hash)
	scope := fmt.Sprintf("%s/%s/%s/aws4_request", at[:8], region, s.Service)
	toSign := fmt.Sprintf("AWS4-HMAC-SHA256\n%s\n%s\n%x", at, scope, sha256.Sum256([]byte(canonical)))
	key := []byte("AWS4" + s.Secret)
	for _, part := range []string{at[:8], region, s.Service, "aws4_request", toSign} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(part))
		key = h.Sum(nil)
	}
	r.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", s.ID, scope, strings.Join(names, ";"), key))
}
