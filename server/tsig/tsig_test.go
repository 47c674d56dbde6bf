package tsig

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/zone/dname"
)

const now = 1_700_000_000

var secret = []byte("0123456789abcdef0123456789abcdef")

func newKey(t testing.TB, a Algorithm, minMAC int) *Key {
	t.Helper()
	k, err := NewKey(KeyOptions{Name: dname.MustParse("Transfer-Key.example."), Algorithm: a, Secret: secret, MinMAC: minMAC})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// question returns an unsigned query.
func question(t testing.TB) []byte {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion("2.0.192.in-addr.arpa.", dns.TypeSOA)
	m.Id = 0x1234
	m.SetEdns0(1232, true)
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// answer returns an unsigned message of an answer with so many records.
func answer(t testing.TB, records int) []byte {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion("2.0.192.in-addr.arpa.", dns.TypeAXFR)
	m.Id, m.Response = 0x1234, true
	for i := range records {
		r, err := dns.NewRR(fmt.Sprintf("%d.2.0.192.in-addr.arpa. 3600 IN PTR host%d.example.com.", i, i))
		if err != nil {
			t.Fatal(err)
		}
		m.Answer = append(m.Answer, r)
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var secretText = base64.StdEncoding.EncodeToString(secret)

// sealed signs the message as miekg/dns does and returns it and its MAC.
func sealed(t testing.TB, msg []byte, a Algorithm, mac string, timers bool, at int64) ([]byte, string) {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(msg); err != nil {
		t.Fatal(err)
	}
	m.SetTsig("Transfer-Key.example.", a.String()+".", Fudge, at)
	b, sum, err := dns.TsigGenerate(m, secretText, mac, timers)
	if err != nil {
		t.Fatal(err)
	}
	return b, sum
}

// macOf returns the MAC of the message's TSIG record in hexadecimal.
func macOf(t testing.TB, msg []byte) string {
	t.Helper()
	at, ok := find(msg)
	if !ok || at < 0 {
		t.Fatalf("no TSIG record in %x", msg)
	}
	r, ok := parse(msg, at)
	if !ok {
		t.Fatalf("a bad TSIG record in %x", msg)
	}
	return hex.EncodeToString(r.mac)
}

// verify is Verify at the record that the message ends with.
func verify(k *Keys, msg []byte, now int64) (*Signer, bool) {
	at, ok := find(msg)
	if !ok || at < 0 {
		return nil, false
	}
	return k.Verify(msg, at, now)
}

// TestServer: the requests of miekg/dns verify, and our answers, of one message and
// of several, verify there.
func TestServer(t *testing.T) {
	for _, a := range Algorithms() {
		k := newKey(t, a, 0)
		request, mac := sealed(t, question(t), a, "", false, now)
		s, ok := verify(NewKeys([]*Key{k}), request, now+Fudge)
		if !ok || s.Err() != NoError || s.Key() != k {
			t.Fatalf("%v: %v, %v", a, ok, s)
		}
		for i := range 3 {
			m := answer(t, 10+i)
			signed := s.Sign(m, now+int64(i))
			if len(signed) != len(m)+s.Len() {
				t.Errorf("%v: %d octets are appended, %d were promised", a, len(signed)-len(m), s.Len())
			}
			whole := append([]byte(nil), signed...) // TsigVerify writes to it
			if err := tsigVerify(signed, mac, i > 0); err != nil {
				t.Fatalf("%v: message %d: %v", a, i, err)
			}
			mac = macOf(t, whole)
		}
	}
}

// tsigVerify is dns.TsigVerify with the clock of the tests: that one has the
// system's.
func tsigVerify(msg []byte, mac string, timers bool) error {
	err := dns.TsigVerify(msg, secretText, mac, timers)
	if errors.Is(err, dns.ErrTime) { // is looked at when the MAC was found good
		return nil
	}
	return err
}

// TestClient: our requests verify with miekg/dns, and its answers here.
func TestClient(t *testing.T) {
	for _, a := range Algorithms() {
		k := newKey(t, a, 0)
		q := question(t)
		request, v := k.Request(q, now)
		if len(request) != len(q)+k.RequestLen() {
			t.Errorf("%v: %d octets are appended, %d were promised", a, len(request)-len(q), k.RequestLen())
		}
		mac := macOf(t, request)
		if err := tsigVerify(append([]byte(nil), request...), "", false); err != nil {
			t.Fatalf("%v: %v", a, err)
		}
		for i := range 3 {
			want := answer(t, 10+i)
			var signed []byte
			signed, mac = sealed(t, want, a, mac, i > 0, now)
			got, err := v.Verify(signed, now-Fudge)
			if err != nil || string(got) != string(want) {
				t.Fatalf("%v: message %d: %v", a, i, err)
			}
		}
		if err := v.End(); err != nil {
			t.Error(a, err)
		}
	}
}

// TestStream: messages of a stream may be unsigned but for the first and last, and
// 99 in a row; each is verified by the next signed one.
func TestStream(t *testing.T) {
	k := newKey(t, HMACSHA256, 0)
	// check verifies a stream whose messages are signed as planned: 's' is, '-' is not.
	// One of them is changed on its way. A Signer would sign them all.
	check := func(plan string, spoil int) error {
		_, v := k.Request(question(t), now)
		prior := append([]byte(nil), v.prior...)
		d := newDigest(k)
		started, begun := false, false
		for i, c := range plan {
			m := answer(t, i%7)
			tr := record{name: k.name, algorithm: k.wire, time: now, fudge: Fudge, originalID: 0x1234}
			if !begun {
				d.prior(prior)
				begun = true
			}
			d.message(m, 0x1234, 0)
			if c == 's' {
				if started {
					d.timers(&tr)
				} else {
					d.variables(&tr)
				}
				tr.mac = append([]byte(nil), d.end()...)
				prior, started, begun = tr.mac, true, false
				m = tr.appendTo(m)
			}
			if i == spoil {
				m[2] ^= 1 // RD
			}
			if _, err := v.Verify(m, now); err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
		}
		return v.End()
	}
	for _, c := range []struct {
		plan  string
		spoil int
		want  error
	}{
		{"s", -1, nil},
		{"s--s-s", -1, nil},
		{"s" + strings.Repeat("-", 99) + "s" + strings.Repeat("-", 99) + "s", -1, nil},
		{"s" + strings.Repeat("-", 100) + "s", -1, ErrGap},
		{"-s", -1, ErrUnsigned},
		{"", -1, ErrUnsigned},
		{"s-", -1, ErrEnd},
		{"s--s", 0, ErrMAC},
		{"s--s", 1, ErrMAC},
		{"s--s", 2, ErrMAC},
		{"s--s", 3, ErrMAC},
	} {
		if err := check(c.plan, c.spoil); !errors.Is(err, c.want) {
			t.Errorf("%s, message %d changed: %v, want %v", c.plan, c.spoil, err, c.want)
		}
	}
}

// TestRequestFaults: what may be wrong with a request, and how it is answered (RFC
// 8945 §5.2 and §5.3.2), as our own Verifier and miekg/dns read the answer.
func TestRequestFaults(t *testing.T) {
	key := newKey(t, HMACSHA256, 0)
	lax := newKey(t, HMACSHA256, 16)
	other, err := NewKey(KeyOptions{Name: dname.MustParse("other."), Secret: secret, Algorithm: HMACSHA256})
	if err != nil {
		t.Fatal(err)
	}
	guessed, err := NewKey(KeyOptions{Name: key.Name(), Secret: []byte("guessed"), Algorithm: HMACSHA256})
	if err != nil {
		t.Fatal(err)
	}
	sha512 := newKey(t, HMACSHA512, 0)
	cut := func(n int) func([]byte) []byte { // the MAC to n octets, or beyond its length
		return func(m []byte) []byte {
			at, _ := find(m)
			r, _ := parse(m, at)
			r.mac = append(append([]byte(nil), r.mac...), make([]byte, 64)...)[:n]
			m = append([]byte(nil), m[:at]...)
			m[arcount+1]--
			return r.appendTo(m)
		}
	}
	spoil := func(m []byte) []byte { m[len(m)-10] ^= 1; return m }
	for _, c := range []struct {
		what   string
		client *Key
		server *Key
		late   int64
		edit   func([]byte) []byte
		want   Error
		ok     bool
	}{
		{"good", key, key, 0, nil, NoError, true},
		{"at the end of the fudge", key, key, Fudge, nil, NoError, true},
		{"at its beginning", key, key, -Fudge, nil, NoError, true},
		{"no such key", other, key, 0, nil, BadKey, true},
		{"another algorithm", sha512, key, 0, nil, BadKey, true},
		{"another secret", guessed, key, 0, nil, BadSig, true},
		{"another secret, and late: the MAC first", guessed, key, 1000, nil, BadSig, true},
		{"a changed MAC", key, key, 0, spoil, BadSig, true},
		{"late", key, key, Fudge + 1, nil, BadTime, true},
		{"early", key, key, -Fudge - 1, nil, BadTime, true},
		{"truncated", key, key, 0, cut(16), BadTrunc, true},
		{"truncated, which the key allows", key, lax, 0, cut(16), NoError, true},
		{"truncated and late: the time first", key, key, Fudge + 1, cut(16), BadTime, true},
		{"truncated too far", key, lax, 0, cut(15), NoError, false},
		{"no MAC", key, lax, 0, cut(0), NoError, false},
		{"too long", key, key, 0, cut(33), NoError, false},
	} {
		request, v := c.client.Request(question(t), now)
		if c.edit != nil {
			request = c.edit(request)
		}
		s, ok := verify(NewKeys([]*Key{c.server}), request, now+c.late)
		if ok != c.ok {
			t.Errorf("%s: well-formed %v, want %v", c.what, ok, c.ok)
		}
		if !ok || !c.ok {
			continue
		}
		if s.Err() != c.want || (s.Key() == nil) != (c.want != NoError) {
			t.Errorf("%s: %v, want %v", c.what, s.Err(), c.want)
			continue
		}
		reply := answer(t, 0)
		reply = s.Sign(reply, now+c.late)
		m := new(dns.Msg)
		if err := m.Unpack(reply); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		r := m.IsTsig()
		if r == nil || Error(r.Error) != c.want || (r.MACSize == 0) != (c.want == BadKey || c.want == BadSig) || r.OrigId != m.Id {
			t.Errorf("%s: answered by %v", c.what, r)
			continue
		}
		if c.want == BadTime && (int64(r.TimeSigned) != now || r.OtherLen != 6 || r.OtherData != fmt.Sprintf("%012x", now+c.late)) {
			t.Errorf("%s: answered by %v", c.what, r)
		}
		if c.edit != nil { // the Verifier has the MAC that was sent
			continue
		}
		_, err := v.Verify(reply, now+c.late)
		var refusal *Refusal
		switch {
		case c.want == NoError && err != nil:
			t.Errorf("%s: %v", c.what, err)
		case c.want != NoError && (!errors.As(err, &refusal) || refusal.Err != c.want || refusal.Signed != (c.want == BadTime)):
			t.Errorf("%s: the client says %v", c.what, err)
		case c.want == BadTime && refusal.Clock != time.Duration(c.late)*time.Second:
			t.Errorf("%s: the clock of the server is %v ahead", c.what, refusal.Clock)
		}
	}
}

// TestForwarded: a request may come with another ID than it was signed with (RFC
// 8945 §4.3.2).
func TestForwarded(t *testing.T) {
	k := newKey(t, HMACSHA256, 0)
	request, _ := k.Request(question(t), now)
	request[0] ^= 0xff
	if s, ok := verify(NewKeys([]*Key{k}), request, now); !ok || s.Err() != NoError {
		t.Errorf("%v, %+v", ok, s)
	}
}

// TestAnswerFaults: answers that a client does not take.
func TestAnswerFaults(t *testing.T) {
	k := newKey(t, HMACSHA256, 0)
	guessed, err := NewKey(KeyOptions{Name: k.Name(), Secret: []byte("guessed"), Algorithm: HMACSHA256})
	if err != nil {
		t.Fatal(err)
	}
	by := func(k *Key, late int64) func(request, m []byte) []byte {
		return func(request, m []byte) []byte {
			s := &Signer{key: k, digest: newDigest(k), name: k.name, algorithm: k.wire}
			at, _ := find(request)
			r, _ := parse(request, at)
			s.prior = append([]byte(nil), r.mac...)
			return s.Sign(m, now+late)
		}
	}
	other, _ := NewKey(KeyOptions{Name: dname.MustParse("other."), Secret: secret, Algorithm: HMACSHA256})
	for _, c := range []struct {
		what string
		make func(request, m []byte) []byte
		want error
	}{
		{"good", by(k, 0), nil},
		{"unsigned", func(_, m []byte) []byte { return m }, ErrUnsigned},
		{"another key", by(other, 0), ErrKey},
		{"another secret", by(guessed, 0), ErrMAC},
		{"another request's", func(_, m []byte) []byte {
			request, _ := k.Request(question(t), now+1)
			return by(k, 0)(request, m)
		}, ErrMAC},
		{"late", by(k, -Fudge-1), ErrTime},
		{"cut short", func(r, m []byte) []byte { m = by(k, 0)(r, m); return m[:len(m)-1] }, ErrMalformed},
		{"an octet more", func(r, m []byte) []byte { return append(by(k, 0)(r, m), 0) }, ErrMalformed},
		{"TSIG twice", func(r, m []byte) []byte { return by(k, 0)(r, by(k, 0)(r, m)) }, ErrMalformed},
		{"not even a header", func(_, m []byte) []byte { return m[:11] }, ErrMalformed},
	} {
		request, v := k.Request(question(t), now)
		got, err := v.Verify(c.make(request, answer(t, 3)), now)
		if !errors.Is(err, c.want) || (err == nil) != (got != nil) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
}

// TestSecretsAreNotPrinted, whatever is printed.
func TestSecretsAreNotPrinted(t *testing.T) {
	k := newKey(t, HMACSHA256, 0)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, what := range []any{k, *k, []Key{*k}, struct{ K Key }{*k}} {
			s := fmt.Sprintf(verb, what)
			if strings.Contains(s, string(secret)) || strings.Contains(s, hex.EncodeToString(secret)) || strings.Contains(s, "48") {
				t.Errorf("%s of %T prints %s", verb, what, s)
			}
		}
	}
}

func TestNewKey(t *testing.T) {
	name := dname.MustParse("k.")
	for _, c := range []struct {
		o    KeyOptions
		want string
	}{
		{KeyOptions{Name: dname.Root(), Secret: secret}, "the root is no name"},
		{KeyOptions{Name: name}, "the secret of key k. is empty"},
		{KeyOptions{Name: name, Secret: secret, Algorithm: HMACSHA256, MinMAC: 15}, "hmac-sha256 has 16 to 32"},
		{KeyOptions{Name: name, Secret: secret, Algorithm: HMACSHA1, MinMAC: 21}, "hmac-sha1 has 10 to 20"},
		{KeyOptions{Name: name, Secret: secret, Algorithm: HMACSHA1, MinMAC: 10}, ""},
	} {
		_, err := NewKey(c.o)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
	if _, ok := ParseAlgorithm("hmac-md5.sig-alg.reg.int"); ok {
		t.Error("HMAC-MD5 is taken")
	}
}
