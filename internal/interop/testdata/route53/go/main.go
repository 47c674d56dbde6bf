// Command go uses the AWS SDK for Go, version 2. It is a module of its own, so that the SDK is
// no dependency of ptrd.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

func main() {
	log.SetFlags(0)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	// It needs more than the three attempts of its default if it is the only client at a limit.
	const attempts = 10
	// The module config, which reads all of this from the environment, takes long to build.
	c := client{route53.New(route53.Options{
		Region:           os.Getenv("AWS_REGION"),
		BaseEndpoint:     aws.String(os.Getenv("AWS_ENDPOINT_URL_ROUTE_53")),
		RetryMaxAttempts: attempts,
		Credentials:      credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	})}
	switch os.Args[1] {
	case "delete":
		return c.deleteAll(ctx)
	case "count":
		return c.count(ctx)
	}
	f, err := os.Open("zones.txt")
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var name, path string
		if _, err := fmt.Sscan(lines.Text(), &name, &path); err != nil {
			return err
		}
		if err := c.create(ctx, name, path); err != nil {
			return err
		}
	}
	return lines.Err()
}

type client struct{ *route53.Client }

func (c client) create(ctx context.Context, name, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var batch types.ChangeBatch
	if err := json.Unmarshal(text, &batch); err != nil {
		return err
	}
	made, err := c.CreateHostedZone(ctx, &route53.CreateHostedZoneInput{Name: &name, CallerReference: aws.String("go " + name)})
	if err != nil {
		return err
	}
	if err := c.find(ctx, made.HostedZone); err != nil {
		return err
	}
	changed, err := c.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: made.HostedZone.Id, ChangeBatch: &batch})
	if err != nil {
		return err
	}
	wait := route53.NewResourceRecordSetsChangedWaiter(c.Client)
	if err := wait.Wait(ctx, &route53.GetChangeInput{Id: changed.ChangeInfo.Id}, time.Minute); err != nil {
		return err
	}
	sets, err := c.listed(ctx, made.HostedZone.Id)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"ResourceRecordSets": sets})
}

// find finds a zone by its name and by its tags.
func (c client) find(ctx context.Context, zone *types.HostedZone) error {
	list, err := c.ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{DNSName: zone.Name, MaxItems: aws.Int32(1)})
	if err != nil {
		return err
	}
	if len(list.HostedZones) != 1 || *list.HostedZones[0].Id != *zone.Id {
		return fmt.Errorf("%s is not listed by its name: %v", *zone.Name, list.HostedZones)
	}
	id := strings.TrimPrefix(*zone.Id, "/hostedzone/")
	if _, err := c.ChangeTagsForResource(ctx, &route53.ChangeTagsForResourceInput{ResourceType: types.TagResourceTypeHostedzone, ResourceId: &id,
		AddTags: []types.Tag{{Key: aws.String("owner"), Value: aws.String("a & b")}, {Key: aws.String("gone"), Value: aws.String("")}}}); err != nil {
		return err
	}
	if _, err := c.ChangeTagsForResource(ctx, &route53.ChangeTagsForResourceInput{ResourceType: types.TagResourceTypeHostedzone, ResourceId: &id,
		RemoveTagKeys: []string{"gone"}}); err != nil {
		return err
	}
	tags, err := c.ListTagsForResources(ctx, &route53.ListTagsForResourcesInput{ResourceType: types.TagResourceTypeHostedzone, ResourceIds: []string{id}})
	if err != nil {
		return err
	}
	if s := tags.ResourceTagSets; len(s) != 1 || len(s[0].Tags) != 1 || *s[0].Tags[0].Key != "owner" || *s[0].Tags[0].Value != "a & b" {
		return fmt.Errorf("%s has other tags: %v", *zone.Name, s)
	}
	return nil
}

// count makes more requests than the server answers in a second.
func (c client) count(ctx context.Context) error {
	for range 12 {
		if _, err := c.GetHostedZoneCount(ctx, &route53.GetHostedZoneCountInput{}); err != nil {
			return err
		}
	}
	return nil
}

func (c client) listed(ctx context.Context, zone *string) ([]types.ResourceRecordSet, error) {
	var sets []types.ResourceRecordSet
	pages := 0
	p := route53.NewListResourceRecordSetsPaginator(c, &route53.ListResourceRecordSetsInput{HostedZoneId: zone, MaxItems: aws.Int32(3)})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		sets = append(sets, page.ResourceRecordSets...)
		pages++
	}
	if pages < 2 {
		return nil, fmt.Errorf("%d pages of %s", pages, *zone)
	}
	return sets, nil
}

func (c client) deleteAll(ctx context.Context) error {
	var zones []types.HostedZone
	p := route53.NewListHostedZonesPaginator(c, &route53.ListHostedZonesInput{MaxItems: aws.Int32(1)})
	for p.HasMorePages() {
		page, err := p.NextPage(ctx)
		if err != nil {
			return err
		}
		zones = append(zones, page.HostedZones...)
	}
	for _, z := range zones {
		if err := c.delete(ctx, z); err != nil {
			return err
		}
	}
	return nil
}

func (c client) delete(ctx context.Context, z types.HostedZone) error {
	sets, err := c.listed(ctx, z.Id)
	if err != nil {
		return err
	}
	var batch types.ChangeBatch
	for _, s := range sets {
		if *s.Name == *z.Name && (s.Type == types.RRTypeSoa || s.Type == types.RRTypeNs) {
			continue
		}
		batch.Changes = append(batch.Changes, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &s})
	}
	if _, err := c.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{HostedZoneId: z.Id, ChangeBatch: &batch}); err != nil {
		return err
	}
	_, err = c.DeleteHostedZone(ctx, &route53.DeleteHostedZoneInput{Id: z.Id})
	return err
}
