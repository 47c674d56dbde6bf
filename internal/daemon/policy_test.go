package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/server/answer"
)

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("ptrd.yaml", []byte("zones: []\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// Whatever limits the configuration allows, the server takes.
func TestServerTakesAnyRateLimit(t *testing.T) {
	for _, text := range []string{
		"rate_limit: {enabled: true}",
		"rate_limit: {enabled: true, responses_per_second: 100000, nodata_per_second: 100000, nxdomains_per_second: 100000, referrals_per_second: 100000, errors_per_second: 100000, all_per_second: 100000, window: 1m, slip: 100, ipv4_prefix: 32, ipv6_prefix: 64, table_size: 16777216}",
		"rate_limit: {enabled: true, responses_per_second: 0, nodata_per_second: 0, nxdomains_per_second: 0, referrals_per_second: 0, errors_per_second: 0, all_per_second: 1, window: 1s, slip: 0, ipv4_prefix: 8, ipv6_prefix: 16, table_size: 1024, exempt: [192.0.2.0/24, '::1'], log_only: true}",
	} {
		p, err := newPolicy(parsed(t, text), make([]byte, 16), &answer.Policy{})
		if err != nil || p.RateLimit == nil {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
	for text, want := range map[string]answer.CookieRequirement{
		"": answer.RequireLimited, "cookies: {require: never}": answer.RequireNever, "cookies: {require: always}": answer.RequireAlways,
		"cookies: {enabled: false}": answer.RequireNever,
	} {
		p, err := newPolicy(parsed(t, text), make([]byte, 16), &answer.Policy{})
		if err != nil || p.RateLimit != nil || p.RequireCookies != want {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
}

// A reload that changes limits, or nothing of them, goes on with the same buckets.
func TestReloadKeepsRates(t *testing.T) {
	old := &answer.Policy{}
	var tables []string
	for _, text := range []string{"", "slip: 1", "table_size: 2048", "table_size: 2048, log_only: true"} {
		policy, err := newPolicy(parsed(t, "rate_limit: {enabled: true, "+text+"}"), make([]byte, 16), old)
		if err != nil {
			t.Fatal(err)
		}
		old = policy
		n, _ := policy.RateLimit.Buckets(0)
		tables = append(tables, map[int]string{1 << 17: "large", 2048: "small"}[n])
	}
	if got := strings.Join(tables, " "); got != "large large small small" {
		t.Errorf("tables %s", got)
	}
	if policy, err := newPolicy(parsed(t, ""), make([]byte, 16), old); err != nil || policy.RateLimit != nil {
		t.Errorf("limits that are off: %v, %v", policy.RateLimit, err)
	}
}

// TestKnownClients: whoever the zones name as a peer is known to the server by address.
func TestKnownClients(t *testing.T) {
	cfg, err := config.Parse("ptrd.yaml", []byte(`
keys: [{name: k, secret: c2VjcmV0}]
defaults: {nameservers: [ns1.example.com], transfer: {allow: [192.0.2.1, {key: k}], notify: ["192.0.2.2:53"]}}
zones:
  - {prefix: 10.1.0.0/16, update: {from: 10.1.0.0/24, key: k}}
  - {prefix: 10.2.0.0/16}
  - name: example.com
    secondary: {primaries: ["[2001:db8::1]:53"], allow_notify: [2001:db8:1::/48]}
`))
	if err != nil {
		t.Fatal(err)
	}
	o := registry.KnownClients(cfg)
	var got []string
	for _, p := range o.Prefixes {
		got = append(got, p.String())
	}
	slices.Sort(got)
	if want := []string{"10.1.0.0/24", "192.0.2.1/32", "192.0.2.2/32", "2001:db8:1::/48", "2001:db8::1/128"}; !slices.Equal(got, want) {
		t.Errorf("known are %q, want %q", got, want)
	}
	if len(o.Keys) != 1 || o.Keys[0].String() != "k." {
		t.Errorf("keys %v", o.Keys)
	}
}
