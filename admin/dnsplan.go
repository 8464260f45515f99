package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/libdns/libdns"

	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/dnsprovider"
)

// groupRecords puts wanted records of the same type and name together.
func groupRecords(list []dnsadvice.Record, only []string) [][]dnsadvice.Record {
	var groups [][]dnsadvice.Record
	for _, rec := range list {
		i := slices.IndexFunc(groups, func(g []dnsadvice.Record) bool {
			return g[0].Name == rec.Name && g[0].Type == rec.Type && textKind(g[0]) == textKind(rec)
		})
		if i < 0 {
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], rec)
	}
	if len(only) == 0 {
		return groups
	}
	return slices.DeleteFunc(groups, func(g []dnsadvice.Record) bool {
		return !slices.ContainsFunc(g, func(rec dnsadvice.Record) bool { return slices.Contains(only, rec.ID) })
	})
}

// textKind is what a text has to begin with to be of the same kind as a wanted
// one; "" where every value of the type is.
func textKind(rec dnsadvice.Record) string {
	if rec.Type != "TXT" {
		return ""
	}
	for _, version := range []string{"v=spf1", "v=DMARC1", "v=TLSRPTv1"} {
		if strings.HasPrefix(strings.ToLower(rec.Want), strings.ToLower(version)) {
			return strings.ToLower(version)
		}
	}
	return ""
}

// additive types are only added to: one good record is enough, whatever stands
// beside it. What this server has left there itself may go: see merger.leftOver.
func additive(kind string) bool { return kind == "CAA" || kind == "TLSA" }

// listed is a zone as its provider has it.
type listed struct {
	records []libdns.Record
	known   bool // false: the provider tells nothing, and the DNS has to do
}

// merger compares what is wanted with what there is.
type merger struct {
	zones   *dnsprovider.Zones
	consent []string
	ours    published
	old     []string          // TLSA records of keys that this server had before
	lists   map[string]listed // by zone
}

// list returns the records of a zone, which it asks for once.
func (m *merger) list(ctx context.Context, zone string) (listed, error) {
	if l, ok := m.lists[zone]; ok {
		return l, nil
	}
	_, p, err := m.zones.Provider(zone)
	if err != nil {
		return listed{}, err
	}
	recs, err := p.GetRecords(ctx, zone)
	if err != nil && !errors.Is(err, dnsprovider.ErrCannotList) {
		return listed{}, err
	}
	m.lists[zone] = listed{recs, err == nil}
	return m.lists[zone], nil
}

// change says what has to happen for records of one type at one name.
func (m *merger) change(ctx context.Context, group []dnsadvice.Record) (ZoneChange, error) {
	first := group[0]
	c := ZoneChange{Action: DNSManual, Name: first.Name, Type: first.Type, Have: slices.Clone(first.Have), Want: []string{}, Remove: []string{}}
	for _, rec := range group {
		c.Records = append(c.Records, rec.ID)
		if rec.Want != "" {
			c.Want = append(c.Want, rec.Want)
		}
	}
	zone, _, ok := m.zones.Find(first.Name)
	switch {
	case !slices.ContainsFunc(group, func(r dnsadvice.Record) bool { return r.State != dnsadvice.OK }) && len(m.leftOver(first.Type, c.Have, c.Want)) == 0:
		c.Action, c.Text = DNSKeep, first.Text
		return c, nil
	case first.Type == "PTR" || len(c.Want) == 0 || !ok:
		c.Text = manualText(first, ok)
		if old := m.leftOver(first.Type, c.Have, c.Want); len(old) > 0 {
			c.Text += "; remove " + strings.Join(quoteAll(old), " and ") + ", which this server does not use any more"
		}
		return c, nil
	case slices.ContainsFunc(group, func(r dnsadvice.Record) bool { return r.State == dnsadvice.Unknown }):
		c.Text = "left alone: " + first.Text
		return c, nil
	}
	c.zone = zone
	l, err := m.list(ctx, zone)
	if err != nil {
		return c, err
	}
	have, conflicts := m.standing(l, first, zone)
	m.decide(&c, group, have, conflicts)
	return c, nil
}

func manualText(rec dnsadvice.Record, hasProvider bool) string {
	switch {
	case rec.Type == "PTR":
		return "by hand: it is set where you rent the server"
	case !hasProvider:
		return "by hand: no DNS provider is set for the zone of " + rec.Name
	}
	return "by hand: only you know the value"
}

// standing returns the values there are, and what excludes a record of this
// type: an alias has no other records beside it (RFC 1034 section 3.6.2).
func (m *merger) standing(l listed, rec dnsadvice.Record, zone string) (have, conflicts []string) {
	if !l.known {
		for _, v := range rec.Have {
			if strings.HasPrefix(v, "CNAME ") && rec.Type != "CNAME" {
				conflicts = append(conflicts, v)
				continue
			}
			have = append(have, v)
		}
		return have, conflicts
	}
	for _, r := range l.records {
		rr := r.RR()
		if libdns.AbsoluteName(rr.Name, zone) != rec.Name {
			continue
		}
		switch {
		case rr.Type == rec.Type:
			have = append(have, plainValue(rr.Data))
		case rr.Type == "CNAME" || rec.Type == "CNAME":
			conflicts = append(conflicts, rr.Type+" "+plainValue(rr.Data))
		}
	}
	return have, conflicts
}

// leftOver are the values that a change of keys has left: they may go once the
// key that is shown, the first that is wanted, is published (RFC 7671 section
// 8.1).
func (m *merger) leftOver(kind string, have, wants []string) []string {
	if kind != "TLSA" || len(wants) == 0 || !slices.Contains(have, wants[0]) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(have), func(v string) bool { return !slices.Contains(m.old, v) })
}

// plainValue is a value as in dnsadvice.Record.Have: without the final dot.
func plainValue(v string) string {
	if v == "." || strings.HasSuffix(v, " .") {
		return v
	}
	return strings.TrimSuffix(v, ".")
}

// decide fills in what goes, what stays, and what that is called.
func (m *merger) decide(c *ZoneChange, group []dnsadvice.Record, have, conflicts []string) {
	wants, kind := c.Want, textKind(group[0])
	c.Have, c.Want = slices.Clone(have), []string{}
	if c.Have == nil {
		c.Have = []string{}
	}
	foreign, old := false, m.leftOver(c.Type, have, wants)
	named := slices.ContainsFunc(c.Records, func(id string) bool { return slices.Contains(m.consent, id) })
	// Who names an alias that is in the way was not shown more than that.
	beside := additive(c.Type) && (!named || len(conflicts) > 0)
	for _, v := range have {
		switch {
		case slices.Contains(wants, v):
		case slices.Contains(old, v):
			c.Remove = append(c.Remove, v)
		case kind != "" && !strings.HasPrefix(strings.ToLower(v), kind), beside:
			c.Want = append(c.Want, v) // of others, beside ours
		default:
			c.Remove = append(c.Remove, v)
			foreign = foreign || !m.isOurs(c, v)
		}
	}
	c.Remove = append(c.Remove, conflicts...)
	foreign = foreign || len(conflicts) > 0
	for _, v := range wants {
		if !slices.Contains(have, v) {
			c.added = append(c.added, v)
		}
	}
	c.Want = append(c.Want, wants...)
	merged := kind == "v=spf1" && len(conflicts) == 0
	switch {
	case merged && slices.ContainsFunc(c.Remove, func(v string) bool { return !slices.Contains(group[0].Have, v) }):
		c.Action, c.Text, c.added = DNSManual, "left alone: the provider has another SPF record than the name servers show; try again when they agree", nil
	case len(c.added) == 0 && len(c.Remove) == 0:
		c.Action, c.Text = DNSKeep, "published; the name servers do not show it yet"
	case len(c.Remove) == 0:
		c.Action, c.Text = DNSAdd, "is added; nothing that is there changes"
	case merged:
		c.Action, c.Text = DNSMerge, "this server is added to the SPF record that is there, which keeps all senders that it names"
	case foreign && !named:
		c.Action, c.Text = DNSForeign, "left alone: "+strings.Join(quoteAll(c.Remove), " and ")+" would have to go, which this server has not published. Name this record to replace it"
	case len(c.added) == 0 && len(c.Remove) == len(old):
		c.Action, c.Text = DNSReplace, strings.Join(quoteAll(old), " and ")+" goes: of a key that this server had before and does not use any more"
	case foreign:
		c.Action, c.Text = DNSReplace, strings.Join(quoteAll(c.Remove), " and ")+" goes, as you have said"
	default:
		c.Action, c.Text = DNSReplace, "takes the place of what this server has published before"
	}
}

func (m *merger) isOurs(c *ZoneChange, value string) bool {
	return slices.Contains(m.ours.Values[c.Name+" "+c.Type], value)
}

func quoteAll(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		if len(s) > 80 {
			s = strings.ToValidUTF8(s[:80], "") + "…"
		}
		out[i] = fmt.Sprintf("%q", s)
	}
	return out
}
