package ec2

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/awsapi/awsapitest"
	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/zone/dname"
)

// TestSignatures: a request that a client did not sign so, with this key, at about this time,
// changes nothing, and the code of the response says why.
func TestSignatures(t *testing.T) {
	l := newLab(t)
	l.policy.Keys["ASIALAB"] = &awsapi.Key{Key: sigv4.Key{ID: "ASIALAB", Secret: "other", SessionToken: "token"},
		Permits: func(string, bool) bool { return true }, Allows: func(dname.Name) bool { return true }}
	body := form("AllocateAddress", "Domain", "forged")
	for _, c := range awsapitest.Forgeries(l.signer(), "ASIALAB", "other") {
		t.Run(c.What, func(t *testing.T) {
			l.t = t
			want := signatureCodes[c.Reason]
			if got := l.serve(c.Request("http://ec2.example/", body)); got.code != want || !strings.Contains(got.message, c.Text) {
				t.Errorf("%d %s: %s\nwant %s: %s", got.status, got.code, got.message, want, c.Text)
			}
		})
	}
	l.t = t
	if n := len(l.store.All()); n != 0 {
		t.Errorf("%d addresses were allocated", n)
	}
}

// TestBodies: what is not a form of the API is refused by name.
func TestBodies(t *testing.T) {
	l := newLab(t)
	for _, c := range []struct{ method, path, body, code string }{
		{"POST", "/", "", "MissingAction"},
		{"POST", "/", "Action=%zz", "MalformedQueryString"},
		{"POST", "/", "Action=AllocateAddress;Version=" + version, "MalformedQueryString"},
		{"POST", "/", "<AllocateAddressRequest/>", "MissingAction"},
		{"POST", "/", "{\"Action\": \"AllocateAddress\"}", "MissingAction"},
		{"POST", "/", form("AllocateAddress") + "&Domain=vpc&Domain=vpc", codeParameter},
		{"POST", "/", strings.Repeat("a=b&", maxBody/4), "MalformedQueryString"},
		{"POST", "/", strings.Repeat("a", maxBody+1), "RequestEntityTooLarge"},
		{"POST", "/", form("DescribeAddresses", "AllocationId.99999999999999999999", "x"), codeUnknown},
		{"POST", "/", form("\x00<Action>", "\x01", "\xff"), codeAction},
		{"POST", "/2013-04-01/hostedzone", form("AllocateAddress"), "InvalidRequest"},
		{"GET", "/?" + form("AllocateAddress"), "", "InvalidRequest"},
		{"DELETE", "/", "", "InvalidRequest"},
	} {
		r := httptest.NewRequest(c.method, "http://ec2.example"+c.path, strings.NewReader(c.body))
		l.signer().Sign(r, []byte(c.body))
		if got := l.serve(r); got.code != c.code || len(got.body) > 4096 {
			t.Errorf("%s %s %.100q: %d %s, %d octets: %.200s, want %s", c.method, c.path, c.body, got.status, got.code, len(got.body), got.message, c.code)
		}
	}
	l.policy.Anonymous = true
	r := httptest.NewRequest("POST", "http://ec2.example/", strings.NewReader(form("AllocateAddress")))
	r.Header.Set("Origin", "http://web.example")
	if got := l.serve(r); got.code != codeDenied {
		t.Errorf("a web page: %+v", got)
	}
	if len(l.store.All()) > 0 {
		t.Error("an address was allocated")
	}
}

// FuzzAPI: whatever a client sends that has a key, the response is one of the API, and each
// PTR in an opened prefix is the reverse name of an address.
func FuzzAPI(f *testing.F) {
	l := newLab(f)
	l.policy.Anonymous = true
	id := l.allocate("203.0.113.65")
	l.must("ModifyAddressAttribute", "AllocationId", id, "DomainName", "mail.example")
	bare := l.allocate("203.0.113.70")
	for _, body := range []string{
		form("AllocateAddress", "Domain", "vpc", "PublicIpv4Pool", "amazon"),
		form("AllocateAddress", "Address", "2001:db8::1", "NetworkBorderGroup", "<x>&"),
		form("DescribeAddresses", "Filter.1.Name", "public-ip", "Filter.1.Value.1", `*[\?`, "PublicIp.1", "203.0.113.65"),
		form("DescribeAddressesAttribute", "Attribute", "domain-name", "AllocationId.1", id, "MaxResults", "1", "NextToken", "MTkyLjAuMi4x"),
		form("ModifyAddressAttribute", "AllocationId", bare, "DomainName", "every.example"),
		form("ModifyAddressAttribute", "AllocationId", bare, "DomainName", `a\.b\000.test`),
		form("ResetAddressAttribute", "AllocationId", id, "Attribute", "domain-name", "DryRun", "TRUE"),
		form("ReleaseAddress", "AllocationId", bare, "NetworkBorderGroup", "us-east-1"),
		"Action=&Version=&=&&&a.1.2.N",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		l.t = t
		r := httptest.NewRequest("POST", "http://ec2.example/", nil)
		r.Body = io.NopCloser(strings.NewReader(body))
		if got := l.serve(r); got.status == http.StatusOK && len(got.body) > 1<<20 {
			t.Errorf("a response of %d octets", len(got.body))
		}
		named := map[netip.Addr]string{netip.MustParseAddr("203.0.113.64"): "static.example."}
		for _, a := range l.store.All() {
			if a.PTR != nil {
				named[a.IP] = a.PTR.Target
			}
		}
		x := newFinder(l.writer.Set())
		for _, p := range []string{"203.0.113.64/26", "198.51.100.0/30", "192.0.2.0/31"} {
			prefix := netip.MustParsePrefix(p)
			for ip := prefix.Addr(); prefix.Contains(ip); ip = ip.Next() {
				got := ""
				for _, n := range x.reverseNames(ip) {
					got += n.String()
				}
				if !strings.EqualFold(got, named[ip]) {
					t.Fatalf("the PTR of %v is %q, its reverse name %q", ip, got, named[ip])
				}
			}
		}
	})
}
