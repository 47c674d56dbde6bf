// Command route53 takes hosted zones through their life by the SDK for Go of AWS, unmodified. It
// is a module of its own, so that the SDK is no dependency of ptrd.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

type zone struct {
	Name    string
	Records []struct {
		Name, Type string
		TTL        int64
		Values     []string
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return v
}

func main() {
	ctx := context.Background()
	c := route53.New(route53.Options{
		BaseEndpoint: aws.String(os.Getenv("PTRD_LAB_ENDPOINT")), Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})
	var zones []zone
	must(0, json.Unmarshal(must(os.ReadFile(os.Args[1])), &zones))
	for _, z := range zones {
		life(ctx, c, z)
	}
	_, err := c.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: aws.String("ZNONE")})
	var none *types.NoSuchHostedZone
	if !asError(err, &none) {
		must(0, fmt.Errorf("an unknown zone: %w", err))
	}
}

func asError[T error](err error, target *T) bool {
	for ; err != nil; err = unwrap(err) {
		if e, ok := err.(T); ok {
			*target = e
			return true
		}
	}
	return false
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return nil
}

func life(ctx context.Context, c *route53.Client, z zone) {
	made := must(c.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: &z.Name, CallerReference: aws.String(fmt.Sprint("go ", z.Name, time.Now()))}))
	id := made.HostedZone.Id
	var changes []types.Change
	for _, r := range z.Records {
		set := &types.ResourceRecordSet{Name: aws.String(r.Name), Type: types.RRType(r.Type), TTL: aws.Int64(r.TTL)}
		for _, v := range r.Values {
			set.ResourceRecords = append(set.ResourceRecords, types.ResourceRecord{Value: aws.String(v)})
		}
		changes = append(changes, types.Change{Action: types.ChangeActionUpsert, ResourceRecordSet: set})
	}
	changed := must(c.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: id, ChangeBatch: &types.ChangeBatch{Changes: changes}}))
	waiter := route53.NewResourceRecordSetsChangedWaiter(c, func(o *route53.ResourceRecordSetsChangedWaiterOptions) { o.MinDelay = time.Second })
	must(0, waiter.Wait(ctx, &route53.GetChangeInput{Id: changed.ChangeInfo.Id}, time.Minute))
	host, port, _ := net.SplitHostPort(os.Getenv("PTRD_LAB_DNS"))
	for _, r := range z.Records {
		out := must(exec.Command("dig", "@"+host, "-p", port, "+short", strings.NewReplacer("*", "w", `\057`, "/").Replace(r.Name), r.Type).Output())
		if got := strings.Fields(string(out)); len(got) == 0 {
			must(0, fmt.Errorf("%s %s: no answer", r.Name, r.Type))
		}
	}
	var sets []types.ResourceRecordSet
	pages := route53.NewListResourceRecordSetsPaginator(c, &route53.ListResourceRecordSetsInput{HostedZoneId: id, MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		sets = append(sets, must(pages.NextPage(ctx)).ResourceRecordSets...)
	}
	if len(sets) != len(z.Records)+2 {
		must(0, fmt.Errorf("%s: %d record sets are listed, want %d", z.Name, len(sets), len(z.Records)+2))
	}
	changes = nil
	for _, s := range sets {
		if s.Type != types.RRTypeSoa && !(s.Type == types.RRTypeNs && *s.Name == *made.HostedZone.Name) {
			changes = append(changes, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &s})
		}
	}
	must(c.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: id, ChangeBatch: &types.ChangeBatch{Changes: changes}}))
	must(c.DeleteHostedZone(ctx, &route53.DeleteHostedZoneInput{Id: id}))
}
