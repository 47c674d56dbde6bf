// Command externaldns does with hosted zones what external-dns does: its provider, its registry of
// TXT records and its plan, unmodified. It makes records, makes sure that a second look finds
// nothing to do, changes them, and removes all of them.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/sirupsen/logrus"
	"sigs.k8s.io/external-dns/endpoint"
	"sigs.k8s.io/external-dns/pkg/apis/externaldns"
	"sigs.k8s.io/external-dns/plan"
	"sigs.k8s.io/external-dns/provider"
	"sigs.k8s.io/external-dns/provider/aws"
	"sigs.k8s.io/external-dns/registry"
	"sigs.k8s.io/external-dns/registry/txt"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

// run does all of it in a zone with a tag, and in no other.
func run(ctx context.Context, zone, tag string) error {
	cfg := externaldns.NewConfig()
	if err := cfg.ParseFlags([]string{
		"--provider=aws", "--source=fake", "--registry=txt", "--txt-owner-id=lab", "--txt-prefix=owner-", "--domain-filter=" + zone,
		"--aws-zone-tags=" + tag, "--aws-batch-change-interval=1ms", "--managed-record-types=A", "--managed-record-types=AAAA",
		"--managed-record-types=CNAME", "--managed-record-types=TXT", "--managed-record-types=MX",
	}); err != nil {
		return err
	}
	logrus.SetLevel(logrus.WarnLevel)
	p, err := aws.New(ctx, cfg, endpoint.NewDomainFilter(cfg.DomainFilter))
	if err != nil {
		return err
	}
	r, err := txt.New(cfg, p)
	if err != nil {
		return err
	}
	first := []*endpoint.Endpoint{
		endpoint.NewEndpointWithTTL("www."+zone, "A", 300, "192.0.2.1", "192.0.2.2"),
		endpoint.NewEndpointWithTTL("www."+zone, "AAAA", 300, "2001:db8::1"),
		endpoint.NewEndpointWithTTL("*."+zone, "CNAME", 60, "www."+zone),
		endpoint.NewEndpointWithTTL("post."+zone, "MX", 60, "10 mail."+zone),
		endpoint.NewEndpointWithTTL("text."+zone, "TXT", 60, `"v=spf1 -all"`),
		endpoint.NewEndpoint("alias."+zone, "A", "www."+zone).WithProviderSpecific("alias", "true"),
	}
	for i := range 400 { // with their TXT records, these are several pages and batches
		first = append(first, endpoint.NewEndpointWithTTL(fmt.Sprintf("host-%d.%s", i, zone), "A", 60, fmt.Sprintf("192.0.2.%d", i%256)))
	}
	second := append([]*endpoint.Endpoint{endpoint.NewEndpointWithTTL("www."+zone, "A", 300, "192.0.2.9")}, first[1:100]...)
	for _, step := range []struct {
		desired []*endpoint.Endpoint
		changes bool
	}{{first, true}, {first, false}, {second, true}, {second, false}, {nil, true}, {nil, false}} {
		n, err := reconcile(ctx, cfg, r, step.desired)
		if err != nil {
			return err
		}
		if n > 0 != step.changes {
			return fmt.Errorf("%d changes for %d endpoints", n, len(step.desired))
		}
		fmt.Printf("%d endpoints, %d changes\n", len(step.desired), n)
	}
	return nil
}

// reconcile makes the records those that are desired, and returns the number of changes.
func reconcile(ctx context.Context, cfg *externaldns.Config, r registry.Registry, desired []*endpoint.Endpoint) (int, error) {
	current, err := r.Records(ctx)
	if err != nil {
		return 0, err
	}
	ctx = context.WithValue(ctx, provider.RecordsContextKey, current)
	var copies []*endpoint.Endpoint // the provider changes what it gets
	for _, e := range desired {
		copies = append(copies, e.DeepCopy())
	}
	if copies, err = r.AdjustEndpoints(copies); err != nil {
		return 0, err
	}
	p := (&plan.Plan{
		Policies: []plan.Policy{&plan.SyncPolicy{}}, Current: current, Desired: copies,
		DomainFilter:   endpoint.MatchAllDomainFilters{endpoint.NewDomainFilter(cfg.DomainFilter), r.GetDomainFilter()},
		ManagedRecords: cfg.ManagedDNSRecordTypes, OwnerID: r.OwnerID(),
	}).Calculate()
	n := len(p.Changes.Create) + len(p.Changes.UpdateNew) + len(p.Changes.Delete)
	if !p.Changes.HasChanges() {
		return n, nil
	}
	return n, r.ApplyChanges(ctx, p.Changes)
}
