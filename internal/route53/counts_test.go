package route53

import (
	"maps"
	"testing"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/sigv4/sigv4test"
)

// TestCounts checks that each request is counted once, with the names of operations and codes alone.
func TestCounts(t *testing.T) {
	l := newLab(t)
	id := l.create("example.com", "1")
	l.must(id, change("CREATE", "a.example.com", "A", 60, "192.0.2.1"))
	l.batch(id, change("CREATE", "a.example.com", "A", 60, "192.0.2.1"))
	l.call("GET", "nothing", "")
	l.call("GET", "geolocations", "")
	s := l.signer()
	s.Secret = "wrong"
	l.serve(l.signed(s, "GET", "hostedzone", ""))
	l.serve(l.signed(sigv4test.Signer{ID: "AKIANONE", Secret: "x", Service: "route53", Now: l.now}, "GET", "hostedzone", ""))
	want := map[awsapi.Result]uint64{
		{API: "route53", Operation: "CreateHostedZone", Code: "OK"}:                         1,
		{API: "route53", Operation: "ChangeResourceRecordSets", Code: "OK"}:                 1,
		{API: "route53", Operation: "ChangeResourceRecordSets", Code: "InvalidChangeBatch"}: 1,
		{API: "route53", Operation: "none", Code: "UnknownOperationException"}:              1,
		{API: "route53", Operation: "ListGeoLocations", Code: "NotImplemented"}:             1,
		{API: "route53", Operation: "none", Code: "SignatureDoesNotMatch"}:                  1,
		{API: "route53", Operation: "none", Code: "InvalidClientTokenId"}:                   1,
	}
	if got := l.counts.Requests(); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
