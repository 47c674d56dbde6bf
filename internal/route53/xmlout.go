package route53

import (
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/hosted"
)

const namespace = "https://route53.amazonaws.com/doc/2013-04-01/"

// The elements of responses. Their order is that of the API: there are clients that search
// the text instead of reading XML.
type (
	xmlZone struct {
		ID              string `xml:"Id"`
		Name            string
		CallerReference string
		Config          xmlConfig
		Count           int `xml:"ResourceRecordSetCount"`
	}
	xmlConfig struct {
		Comment     string `xml:",omitempty"`
		PrivateZone bool
	}
	xmlChange struct {
		ID          string `xml:"Id"`
		Status      string
		SubmittedAt string
		Comment     string `xml:",omitempty"`
	}
	xmlSet struct {
		ID              string   `xml:"Id,omitempty"`
		CallerReference string   `xml:",omitempty"`
		NameServers     []string `xml:"NameServers>NameServer"`
	}
	xmlRecords struct {
		Name   string
		Type   string
		TTL    *uint32    `xml:",omitempty"`
		Values *xmlValues `xml:"ResourceRecords,omitempty"`
		Alias  *xmlAlias  `xml:"AliasTarget,omitempty"`
	}
	xmlAlias struct {
		ZoneID   string `xml:"HostedZoneId"`
		DNSName  string
		Evaluate bool `xml:"EvaluateTargetHealth"`
	}
	xmlValues struct {
		List []xmlValue `xml:"ResourceRecord"`
	}
	xmlValue struct{ Value string }
	xmlTags  struct {
		ResourceType string
		ResourceID   string `xml:"ResourceId"`
		Tags         xmlTagList
	}
	xmlTagList struct {
		List []xmlTag `xml:"Tag"`
	}
	xmlTag struct{ Key, Value string }
)

func (s *Server) xmlZone(z *hosted.Zone) xmlZone {
	return xmlZone{"/hostedzone/" + z.ID, hosted.FormatName(z.Apex), z.CallerReference, xmlConfig{Comment: z.Comment}, s.o.Store.Count(z)}
}

func xmlChangeOf(c hosted.Change) xmlChange {
	return xmlChange{ID: "/change/" + c.ID, Status: "INSYNC", SubmittedAt: c.SubmittedAt.Format(time.RFC3339), Comment: c.Comment}
}

// xmlSetOf returns a delegation set. Its names have no final dot.
func xmlSetOf(id, reference string, names []string) xmlSet {
	x := xmlSet{CallerReference: reference}
	if id != "" {
		x.ID = "/delegationset/" + id
	}
	for _, n := range names {
		x.NameServers = append(x.NameServers, strings.TrimSuffix(n, "."))
	}
	return x
}

func xmlTagsOf(kind, id string, z *hosted.Zone) xmlTags {
	x := xmlTags{ResourceType: kind, ResourceID: id}
	for _, t := range z.Tags {
		x.Tags.List = append(x.Tags.List, xmlTag{t.Key, t.Value})
	}
	return x
}
