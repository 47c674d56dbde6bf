package answer

import (
	"encoding/hex"
	"net/netip"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 9018 appendix A.
func TestCookieVectors(t *testing.T) {
	const first, old, rolled = "e5e973e5a6b2a43f48e7dc849e37bfcf", "dd3bdf9344b678b185a6f5cb60fca715", "445536bcd2513298075a5d379663c962"
	for _, c := range []struct {
		what    string
		secrets []string
		client  string
		sent    string
		now     int64
		state   cookieState
		back    string
	}{
		{"A.1: a client learns a cookie", []string{first}, "198.51.100.100", "2464c4abcf10c957", 1559731985,
			cookieClientOnly, "2464c4abcf10c957010000005cf79f111f8130c3eee29480"},
		{"A.2: the same client gets a new one", []string{first}, "198.51.100.100", "2464c4abcf10c957010000005cf79f111f8130c3eee29480", 1559734385,
			cookieValid, "2464c4abcf10c957010000005cf7a871d4a564a1442aca77"},
		// The cookie of A.3 is older there than §4.3 lets it become.
		{"A.3: reserved octets are part of the hash", []string{first}, "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", 1559727985 + 60,
			cookieValid, "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5"},
		{"A.3: another client gets a new one", []string{first}, "203.0.113.203", "fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5", 1559734700,
			cookieInvalid, "fc93fc62807ddb86010000005cf7a9acf73a7810aca2381e"},
		{"A.4: the secret was changed", []string{rolled, old}, "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 1559741961,
			cookieValid, "22681ab97d52c298010000005cf7c609a6bb79d16625507a"},
		{"the old secret is gone", []string{rolled}, "2001:db8:220:1:59de:d0f4:8769:82b8", "22681ab97d52c298010000005cf7c57926556bd0934c72f8", 1559741961,
			cookieInvalid, "22681ab97d52c298010000005cf7c609a6bb79d16625507a"},
		{"an IPv4 client on an IPv6 socket", []string{first}, "::ffff:198.51.100.100", "2464c4abcf10c957", 1559731985,
			cookieClientOnly, "2464c4abcf10c957010000005cf79f111f8130c3eee29480"},
		{"another address", []string{first}, "198.51.100.101", "2464c4abcf10c957010000005cf79f111f8130c3eee29480", 1559731985,
			cookieInvalid, ""},
		{"another client cookie", []string{first}, "198.51.100.100", "2464c4abcf10c958010000005cf79f111f8130c3eee29480", 1559731985,
			cookieInvalid, ""},
		{"another version", []string{first}, "198.51.100.100", "2464c4abcf10c957020000005cf79f111f8130c3eee29480", 1559731985,
			cookieInvalid, ""},
		{"no octet", []string{first}, "198.51.100.100", "", 0, cookieMalformed, ""},
		{"seven octets", []string{first}, "198.51.100.100", "2464c4abcf10c9", 0, cookieMalformed, ""},
		{"a server cookie of seven octets", []string{first}, "198.51.100.100", "2464c4abcf10c957" + "01020304050607", 0, cookieMalformed, ""},
		{"a server cookie of eight octets", []string{first}, "198.51.100.100", "2464c4abcf10c957" + "0102030405060708", 0, cookieInvalid, ""},
		{"a server cookie of 33 octets", []string{first}, "198.51.100.100", "2464c4abcf10c957" + "010203040506070801020304050607080102030405060708010203040506070809", 0, cookieMalformed, ""},
	} {
		var secrets [][]byte
		for _, s := range c.secrets {
			secrets = append(secrets, unhex(t, s))
		}
		k, err := NewCookies(secrets)
		if err != nil {
			t.Fatal(err)
		}
		var out cookie
		if got := k.check(unhex(t, c.sent), netip.MustParseAddr(c.client), c.now, &out); got != c.state {
			t.Errorf("%s: state %d, want %d", c.what, got, c.state)
		}
		if got := hex.EncodeToString(out[:]); c.back != "" && got != c.back {
			t.Errorf("%s: got %s, want %s", c.what, got, c.back)
		}
	}
}

// RFC 9018 §4.3.
func TestCookieLifetime(t *testing.T) {
	k, err := NewCookies([][]byte{make([]byte, 16)})
	if err != nil {
		t.Fatal(err)
	}
	client := netip.MustParseAddr("192.0.2.1")
	for _, made := range []int64{1_700_000_000, 1<<32 - 100} { // the second one crosses the end of 32 bits
		var sent cookie
		k.check([]byte("12345678"), client, made, &sent)
		for _, c := range []struct {
			age   int64
			state cookieState
			same  bool
		}{
			{-301, cookieInvalid, false}, {-300, cookieValid, true}, {0, cookieValid, true},
			{1800, cookieValid, true}, {1801, cookieValid, false}, {3600, cookieValid, false}, {3601, cookieInvalid, false},
		} {
			var back cookie
			if got := k.check(sent[:], client, made+c.age, &back); got != c.state || (back == sent) != c.same {
				t.Errorf("made %d, age %d: state %d, same %v; want %d, %v", made, c.age, got, back == sent, c.state, c.same)
			}
		}
	}
}

func TestNewCookiesRefuses(t *testing.T) {
	for _, c := range []struct {
		secrets [][]byte
		want    string
	}{
		{nil, "no cookie secret, at least one is needed"},
		{[][]byte{make([]byte, 16), make([]byte, 15)}, "cookie secret 2 has 15 octets, exactly 16 are needed (RFC 9018 §4.4)"},
	} {
		if _, err := NewCookies(c.secrets); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
