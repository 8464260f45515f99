package dnsprovider

import (
	"context"
	"encoding/xml"
	"errors"

	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// route53 is Amazon Route 53
// (https://docs.aws.amazon.com/Route53/latest/APIReference/). A change of many
// sets is one request, which happens as a whole or not at all.
type route53 struct {
	*client
	mu  sync.Mutex
	ids map[string]string // of hosted zones
}

const (
	route53Page   = 300
	route53Region = "us-east-1" // of a service that has no regions
	route53Space  = "https://route53.amazonaws.com/doc/2013-04-01/"
)

func newRoute53(c *client, s Spec, o Options) backend {
	sig := &signature{key: s.Login, secret: s.Secret, region: route53Region, service: "route53", now: o.Now}
	c.sign = sig.sign
	c.said = func(body []byte) string {
		var e struct {
			Message  string   `xml:"Error>Message"`
			Messages []string `xml:"Messages>Message"` // of InvalidChangeBatch
		}
		xml.Unmarshal(body, &e)
		return strings.Join(append(e.Messages, e.Message), " ")
	}
	return &route53{client: c, ids: map[string]string{}}
}

type route53Set struct {
	Name   string   `xml:"Name"`
	Type   string   `xml:"Type"`
	TTL    int      `xml:"TTL"`
	Values []string `xml:"ResourceRecords>ResourceRecord>Value"`
}

// route53Listed is a set with what only some have.
type route53Listed struct {
	route53Set
	Alias      string `xml:"AliasTarget>DNSName"`
	Identifier string `xml:"SetIdentifier"` // of routing policies
}

func (r *route53) xml(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = xml.Marshal(in); err != nil {
			return err
		}
	}
	answer, _, err := r.do(ctx, method, path, "application/xml", body)
	if err != nil || out == nil {
		return err
	}
	if err := xml.Unmarshal(answer, out); err != nil {
		return &Error{Kind: r.kind, Status: http.StatusBadGateway, Said: "an answer that cannot be read", Err: err}
	}
	return nil
}

// zoneID finds the public hosted zone of a name.
func (r *route53) zoneID(ctx context.Context, zone string) (string, error) {
	r.mu.Lock()
	id := r.ids[zone]
	r.mu.Unlock()
	if id != "" {
		return id, nil
	}
	var answer struct {
		Zones []struct {
			ID      string `xml:"Id"`
			Name    string
			Private bool `xml:"Config>PrivateZone"`
		} `xml:"HostedZones>HostedZone"`
	}
	if err := r.xml(ctx, http.MethodGet, "/hostedzonesbyname?dnsname="+url.QueryEscape(zone)+"&maxitems=10", nil, &answer); err != nil {
		return "", err
	}
	for _, z := range answer.Zones {
		if zoneName(z.Name) == zone && !z.Private {
			id := strings.TrimPrefix(z.ID, "/hostedzone/")
			r.mu.Lock()
			r.ids[zone] = id
			r.mu.Unlock()
			return id, nil
		}
	}
	return "", r.noZone(zone)
}

func (r *route53) list(ctx context.Context, zone string) ([]rrset, error) {
	id, err := r.zoneID(ctx, zone)
	if err != nil {
		return nil, err
	}
	var all []rrset
	q := url.Values{"maxitems": {strconv.Itoa(route53Page)}}
	for range maxPages {
		var answer struct {
			Sets      []route53Listed `xml:"ResourceRecordSets>ResourceRecordSet"`
			Truncated bool            `xml:"IsTruncated"`
			Name      string          `xml:"NextRecordName"`
			Type      string          `xml:"NextRecordType"`
			ID        string          `xml:"NextRecordIdentifier"`
		}
		if err := r.xml(ctx, http.MethodGet, "/hostedzone/"+url.PathEscape(id)+"/rrset?"+q.Encode(), nil, &answer); err != nil {
			return nil, err
		}
		for _, s := range answer.Sets {
			all = append(all, s.rrset(zone))
		}
		if !answer.Truncated {
			return all, nil
		}
		q.Set("name", answer.Name)
		q.Set("type", answer.Type)
		q.Del("identifier")
		if answer.ID != "" {
			q.Set("identifier", answer.ID)
		}
	}
	return nil, errors.New("route53: the zone has too many records")
}

func (s *route53Listed) rrset(zone string) rrset {
	name := strings.ReplaceAll(s.Name, `\052`, "*")
	set := rrset{name: relative(name, zone), kind: s.Type, ttl: time.Duration(s.TTL) * time.Second}
	for _, v := range s.Values {
		set.values = append(set.values, bare(s.Type, v))
	}
	// What cannot be written back is kept from being touched unnoticed.
	if s.Alias != "" {
		set.values = append(set.values, "ALIAS "+s.Alias)
	}
	if s.Identifier != "" {
		set.values = append(set.values, "ROUTED "+s.Identifier)
	}
	return set
}

type route53Change struct {
	Action string     `xml:"Action"`
	Set    route53Set `xml:"ResourceRecordSet"`
}

type route53Batch struct {
	XMLName xml.Name        `xml:"ChangeResourceRecordSetsRequest"`
	Space   string          `xml:"xmlns,attr"`
	Changes []route53Change `xml:"ChangeBatch>Changes>Change"`
}

func (r *route53) replace(ctx context.Context, zone string, old, sets []rrset) error {
	id, err := r.zoneID(ctx, zone)
	if err != nil {
		return err
	}
	batch := route53Batch{Space: route53Space}
	for _, s := range sets {
		change := route53Change{"UPSERT", writeSet(zone, s)}
		if i := find(old, s); len(s.values) == 0 {
			if i < 0 {
				continue
			}
			change = route53Change{"DELETE", writeSet(zone, old[i])} // it must be as it is there
		}
		batch.Changes = append(batch.Changes, change)
	}
	if len(batch.Changes) == 0 {
		return nil
	}
	return r.xml(ctx, http.MethodPost, "/hostedzone/"+url.PathEscape(id)+"/rrset", batch, nil)
}

func writeSet(zone string, s rrset) route53Set {
	set := route53Set{Name: absolute(s.name, zone) + ".", Type: s.kind, TTL: seconds(s.ttl, 0)}
	for _, v := range s.values {
		set.Values = append(set.Values, quoted(s.kind, v))
	}
	return set
}
