// Package sigv4 verifies requests that are signed with AWS Signature Version 4, as the
// clients of AWS sign them in the Authorization header.
//
//	request, body → canonical request → string to sign → signature → compare
//
// The SDKs of AWS contain signers only. A server has to accept what all of them make of the
// same rules: they sign different headers, spell paths differently, and most send no hash of
// the body. So the body is always hashed here, every header that a client names is used as it
// was received, and a path may be signed as it was sent or with its dot segments and repeated
// slashes removed.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Skew is how far the clock of a client may be off, and how long a request can be replayed.
const Skew = 15 * time.Minute

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
	terminator = "aws4_request"

	// maxHeaders bounds the headers that a client names as signed: SDKs name up to ten.
	maxHeaders = 64
)

// Reason is why a request is not accepted.
type Reason uint8

// The reasons.
const (
	Missing    Reason = iota // the request is not signed
	Incomplete               // the Authorization header has another form, or a part is missing
	UnknownKey               // no such access key, or another session token
	Mismatch                 // the signature is that of another request or secret
	Expired                  // the time of the request is too far from ours
)

// Error is why a request is not accepted.
type Error struct {
	Reason Reason
	Text   string
}

func (e *Error) Error() string { return e.Text }

func refuse(r Reason, format string, args ...any) error {
	return &Error{r, fmt.Sprintf(format, args...)}
}

// Key is an access key.
type Key struct {
	ID, Secret   string
	SessionToken string // that requests must have; empty: they must have none

	last atomic.Pointer[signingKey] // that a request was verified with: clients use it for a day
}

// signingKey is the key of all requests of one access key, day, region and service.
type signingKey struct {
	scope string
	key   []byte
}

// Verifier verifies requests to one service. It may be used by several goroutines.
type Verifier struct {
	Service string // such as "route53"
	Key     func(id string) (*Key, bool)
	Now     func() time.Time
}

// Claim is a request whose header is in order. Its signature was not verified yet.
type Claim struct {
	Key     *Key // that the client says it has
	a       *authorization
	at      time.Time
	headers string
	query   string
}

// Region returns the region that the client signed for.
func (c *Claim) Region() string { return c.a.region }

// Read checks all but the signature of a request, so that the body need not be read of one
// that nobody could have signed. The error is an [*Error].
func (v *Verifier) Read(r *http.Request) (*Claim, error) {
	a, err := parse(r.Header.Values("Authorization"))
	if err != nil {
		return nil, err
	}
	if a.service != v.Service || a.end != terminator {
		return nil, refuse(Mismatch, "Credential should be scoped to correct service: '%s'.", v.Service)
	}
	c := &Claim{a: a}
	if c.at, err = v.time(r.Header, a); err != nil {
		return nil, err
	}
	var ok bool
	if c.Key, ok = v.Key(a.key); !ok || !hmac.Equal([]byte(r.Header.Get("X-Amz-Security-Token")), []byte(c.Key.SessionToken)) {
		return nil, refuse(UnknownKey, "The security token included in the request is invalid.")
	}
	if c.headers, err = a.headers(r); err != nil {
		return nil, err
	}
	c.query, err = canonicalQuery(r.URL.RawQuery)
	return c, err
}

// Verify verifies the signature of the request with its body. The error is an [*Error].
func (c *Claim) Verify(r *http.Request, body []byte) error {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if given := r.Header.Values("X-Amz-Content-Sha256"); len(given) > 0 && !(len(given) == 1 && hmac.Equal([]byte(given[0]), []byte(hash))) {
		return refuse(Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	a := c.a
	scope := strings.Join([]string{a.date, a.region, a.service, a.end}, "/")
	signing := c.Key.last.Load()
	if signing == nil || signing.scope != scope {
		signing = &signingKey{scope, a.signingKey(c.Key.Secret)}
	}
	for _, p := range paths(sentPath(r)) {
		canonical := strings.Join([]string{r.Method, p, c.query, c.headers, strings.Join(a.signed, ";"), hash}, "\n")
		sum := sha256.Sum256([]byte(canonical))
		toSign := strings.Join([]string{algorithm, c.at.Format(timeFormat), scope, hex.EncodeToString(sum[:])}, "\n")
		if hmac.Equal(mac(signing.key, toSign), a.signature) {
			c.Key.last.Store(signing)
			return nil
		}
	}
	return refuse(Mismatch, "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
}

// authorization is the content of an Authorization header.
type authorization struct {
	key, date, region, service, end string
	signed                          []string // names of headers, in lower case
	signature                       []byte
}

func parse(values []string) (*authorization, error) {
	if len(values) == 0 || values[0] == "" {
		return nil, refuse(Missing, "Missing Authentication Token")
	}
	if len(values) > 1 {
		return nil, refuse(Incomplete, "The request has %d Authorization headers, must have one.", len(values))
	}
	rest, ok := strings.CutPrefix(values[0], algorithm+" ")
	if !ok {
		return nil, refuse(Incomplete, "The Authorization header must begin with %s: no other way of signing is accepted.", algorithm)
	}
	part := map[string]string{}
	for s := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(s), "=")
		part[name] = value
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if part[name] == "" {
			return nil, refuse(Incomplete, "Authorization header requires '%s' parameter.", name)
		}
	}
	scope := strings.Split(part["Credential"], "/")
	if len(scope) < 5 {
		return nil, refuse(Incomplete, "Credential must have at least 5 slash-delimited elements, e.g. keyid/date/region/service/term.")
	}
	n := len(scope) - 4 // the id of a key may contain slashes
	a := &authorization{key: strings.Join(scope[:n], "/"), date: scope[n], region: scope[n+1], service: scope[n+2], end: scope[n+3]}
	a.signed = strings.Split(part["SignedHeaders"], ";")
	if len(a.signed) > maxHeaders {
		return nil, refuse(Incomplete, "SignedHeaders names %d headers, must be at most %d.", len(a.signed), maxHeaders)
	}
	if !slices.Contains(a.signed, "host") {
		return nil, refuse(Mismatch, "'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	var err error
	if a.signature, err = hex.DecodeString(part["Signature"]); err != nil || len(a.signature) != sha256.Size {
		return nil, refuse(Incomplete, "Signature must be %d hexadecimal digits.", 2*sha256.Size)
	}
	return a, nil
}

// time returns the time of the request, which must be near ours.
func (v *Verifier) time(h http.Header, a *authorization) (at time.Time, err error) {
	if s := h.Get("X-Amz-Date"); s != "" {
		at, err = time.Parse(timeFormat, s)
	} else if s := h.Get("Date"); s != "" {
		at, err = http.ParseTime(s)
	} else {
		return at, refuse(Incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if err != nil {
		return at, refuse(Incomplete, "The date of the request is in no known form; send X-Amz-Date as in %s.", timeFormat)
	}
	at = at.UTC()
	if !slices.Contains(a.signed, "x-amz-date") && !slices.Contains(a.signed, "date") {
		return at, refuse(Mismatch, "'X-Amz-Date' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if at.Format("20060102") != a.date {
		return at, refuse(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.")
	}
	now, f := v.Now().UTC(), timeFormat
	switch {
	case at.Before(now.Add(-Skew)):
		return at, refuse(Expired, "Signature expired: %s is now earlier than %s (%s - %d min.)", at.Format(f), now.Add(-Skew).Format(f), now.Format(f), int(Skew.Minutes()))
	case at.After(now.Add(Skew)):
		return at, refuse(Expired, "Signature not yet current: %s is still later than %s (%s + %d min.)", at.Format(f), now.Add(Skew).Format(f), now.Format(f), int(Skew.Minutes()))
	}
	return at, nil
}

// mustSign are headers that change the meaning of a request.
var mustSign = []string{"x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}

// headers returns the canonical form of the headers that were signed.
func (a *authorization) headers(r *http.Request) (string, error) {
	for _, name := range mustSign {
		if r.Header.Get(name) != "" && !slices.Contains(a.signed, name) {
			return "", refuse(Mismatch, "'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	var b strings.Builder
	for _, name := range a.signed {
		var values []string
		switch name { // net/http removes these from the others
		case "host":
			values = []string{r.Host}
		case "content-length":
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		case "transfer-encoding":
			values = r.TransferEncoding
		default:
			values = r.Header.Values(name)
		}
		b.WriteString(name)
		b.WriteByte(':')
		for i, s := range values {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.Join(strings.Fields(s), " "))
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// sentPath returns the path of a request, escaped as the client sent it.
func sentPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		p, _, _ := strings.Cut(r.RequestURI, "?")
		return p
	}
	return r.URL.EscapedPath()
}

// paths returns the forms of a path, escaped as it was sent, that clients sign.
func paths(sent string) []string {
	if sent == "" {
		sent = "/"
	}
	out := []string{escape(sent, true)}
	clean := path.Clean("/" + sent)
	if strings.HasSuffix(sent, "/") && clean != "/" {
		clean += "/"
	}
	if clean = escape(clean, true); clean != out[0] {
		out = append(out, clean)
	}
	return out
}

// canonicalQuery returns a query with its parts sorted and escaped in one way.
func canonicalQuery(raw string) (string, error) {
	if raw == "" {
		return "", nil
	}
	type pair struct{ key, value string }
	var list []pair
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(k)
		if err == nil {
			v, err = url.QueryUnescape(v)
		}
		if err != nil {
			return "", refuse(Incomplete, "The query of the request has an invalid escape.")
		}
		list = append(list, pair{escape(key, false), escape(v, false)})
	}
	slices.SortFunc(list, func(a, b pair) int {
		if c := strings.Compare(a.key, b.key); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var b strings.Builder
	for i, p := range list {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.key + "=" + p.value)
	}
	return b.String(), nil
}

// escape escapes all octets but those of RFC 3986 §2.3 and, in a path, slashes.
func escape(s string, isPath bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~', isPath && c == '/':
			b.WriteByte(c)
		default:
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

func (a *authorization) signingKey(secret string) []byte {
	k := []byte("AWS4" + secret)
	for _, s := range []string{a.date, a.region, a.service, a.end} {
		k = mac(k, s)
	}
	return k
}

func mac(key []byte, s string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(s))
	return h.Sum(nil)
}
