package admin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsprovider"
)

// recordTTL is that of records that are published for mail.
const recordTTL = time.Hour

// What happens to a record.
const (
	DNSKeep    = "keep"    // as it should be
	DNSAdd     = "add"     // nothing that is there is touched
	DNSMerge   = "merge"   // into the SPF record that is there, which keeps all it says
	DNSReplace = "replace" // what this server has published itself
	DNSForeign = "foreign" // others have published what would have to go: only if it is named
	DNSManual  = "manual"  // by hand: there is no provider, or nobody knows the value
)

// ZoneChange is what happens to the records of one type at one name.
type ZoneChange struct {
	Records []string `json:"records" doc:"IDs of the records that are wanted, as in the DNS report."`
	Action  string   `json:"action" enum:"keep,add,merge,replace,foreign,manual"`
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Have    []string `json:"have"`
	Want    []string `json:"want" doc:"All values there are afterwards."`
	Remove  []string `json:"remove" doc:"Values that go; with their type where it is another one."`
	Text    string   `json:"text"`
	Digest  string   `json:"digest" doc:"Stands for the values there are and those there will be: with others it is another one."`
	Done    bool     `json:"done,omitempty"`

	zone  string
	added []string
}

// DNSPlan is what would be changed, or was.
type DNSPlan struct {
	Domain   string       `json:"domain"`
	Zone     string       `json:"zone,omitempty" doc:"That has a provider, and that the domain is in."`
	Provider string       `json:"provider,omitempty" doc:"Its kind."`
	Changes  []ZoneChange `json:"changes"`
	Text     string       `json:"text"`
	Applied  bool         `json:"applied"`
}

// DNSApply says what is to be published.
type DNSApply struct {
	DryRun  bool     `json:"dryRun,omitempty" doc:"Only say what would happen."`
	Records []string `json:"records,omitempty" maxItems:"100" doc:"IDs of records; all if there are none."`
	Replace []string `json:"replace,omitempty" maxItems:"100" doc:"IDs of records for which what others have published may go."`
	// Seen is nil where nobody has looked: then what is right now is done. Empty
	// means that nothing was to be changed.
	Seen []string `json:"seen,omitzero" maxItems:"100" doc:"Digests of the changes that were looked at and shall be made. If others would be made now the answer is 409, and nothing is changed. Without it there is no such test."`
}

// published is what this server has written into the DNS for a domain.
type published struct {
	Values map[string][]string `json:"values"` // by "name TYPE"
}

func publishedState(domain string) string { return "dns-published/" + domain }

// PlanDNS looks at the DNS of a domain and says what would be published.
func (a *Admin) PlanDNS(ctx context.Context, name string) (DNSPlan, error) {
	d, err := a.authorizeName(ctx, SeeDomains, name)
	if err != nil {
		return DNSPlan{}, err
	}
	return a.applyDNS(ctx, d, DNSApply{DryRun: true})
}

// ApplyDNS publishes what a domain needs through the provider of its zone. What
// others have published is not touched unless it is named, and nothing is if
// other changes would be made than r.Seen has.
func (a *Admin) ApplyDNS(ctx context.Context, name string, r DNSApply) (DNSPlan, error) {
	d, err := a.authorizeName(ctx, ChangeDomains, name)
	if err != nil {
		return DNSPlan{}, err
	}
	return a.applyDNS(ctx, d, r)
}

func (a *Admin) applyDNS(ctx context.Context, d directory.Domain, r DNSApply) (DNSPlan, error) {
	report, err := a.checkDNS(ctx, d)
	if err != nil {
		return DNSPlan{}, err
	}
	m := merger{zones: a.opts.DNS, consent: r.Replace, lists: map[string]listed{}}
	_, m.old = a.tlsa()
	if m.zones == nil {
		m.zones = DNSZones(a.opts.Directory, nil)
	}
	if _, err := a.opts.Directory.State(ctx, publishedState(report.Domain), &m.ours); err != nil {
		return DNSPlan{}, err
	}
	plan := DNSPlan{Domain: report.Domain, Changes: []ZoneChange{}}
	if zone, spec, ok := m.zones.Find(report.Domain); ok {
		plan.Zone, plan.Provider = zone, string(spec.Kind)
	}
	for _, group := range groupRecords(report.Records(), r.Records) {
		c, err := m.change(ctx, group)
		if err != nil {
			return DNSPlan{}, &directory.Problem{Kind: ErrUnavailable, Text: err.Error()}
		}
		c.Digest = c.digest()
		plan.Changes = append(plan.Changes, c)
	}
	switch {
	case r.DryRun:
	case r.Seen != nil && !plan.makes(r.Seen):
		return DNSPlan{}, errChangedSince
	default:
		err = a.publish(ctx, &plan, m)
	}
	plan.Text = plan.sentence()
	return plan, err
}

func (p *DNSPlan) sentence() string {
	n := map[string]int{}
	for _, c := range p.Changes {
		n[c.Action]++
	}
	change := n[DNSAdd] + n[DNSMerge] + n[DNSReplace]
	verb := "would be changed"
	if p.Applied {
		verb = "were changed"
	}
	text := fmt.Sprintf("%d records %s", change, verb)
	if change == 1 {
		text = "1 record " + strings.Replace(verb, "were", "was", 1)
	}
	if change == 0 {
		text = "nothing to change"
	}
	if n[DNSForeign] > 0 {
		text += fmt.Sprintf("; %d left alone, because others have published what is there", n[DNSForeign])
	}
	if n[DNSManual] > 0 {
		text += fmt.Sprintf("; %d by hand", n[DNSManual])
	}
	return text
}

// publish makes the changes of a plan, zone by zone. TXT records of one name
// are one set, so that all groups of it are written together.
func (a *Admin) publish(ctx context.Context, plan *DNSPlan, m merger) error {
	zones := []string{}
	for _, c := range plan.Changes {
		if c.changes() && !slices.Contains(zones, c.zone) {
			zones = append(zones, c.zone)
		}
	}
	for _, zone := range zones {
		_, p, err := m.zones.Provider(zone)
		if err == nil {
			err = writeZone(ctx, p, zone, plan.Changes)
		}
		if err != nil {
			return &directory.Problem{Kind: ErrUnavailable, Text: "the records of " + zone + " were not changed, or not all of them: " + err.Error()}
		}
		for i := range plan.Changes {
			if c := &plan.Changes[i]; c.zone == zone && c.changes() {
				c.Done = true
				m.remember(c)
			}
		}
		plan.Applied = true
		if err := a.opts.Directory.PutState(ctx, publishedState(plan.Domain), m.ours); err != nil {
			return err
		}
		if err := a.opts.Directory.Record(ctx, Actor(ctx), "dns.apply", plan.Domain, done(plan.Changes, zone)); err != nil {
			return err
		}
	}
	return nil
}

func (c *ZoneChange) changes() bool {
	return c.Action == DNSAdd || c.Action == DNSMerge || c.Action == DNSReplace
}

// done is what the audit log says about a zone.
func done(changes []ZoneChange, zone string) any {
	type line struct {
		Action, Name, Type string
		Added, Removed     []string
	}
	var list []line
	for _, c := range changes {
		if c.zone == zone && c.Done {
			list = append(list, line{c.Action, c.Name, c.Type, c.added, c.Remove})
		}
	}
	return list
}

// remember notes what is ours now.
func (m *merger) remember(c *ZoneChange) {
	if m.ours.Values == nil {
		m.ours.Values = map[string][]string{}
	}
	key := c.Name + " " + c.Type
	left := slices.DeleteFunc(slices.Clone(m.ours.Values[key]), func(v string) bool { return slices.Contains(c.Remove, v) || slices.Contains(c.added, v) })
	m.ours.Values[key] = append(left, c.added...)
}

// writeZone takes away what excludes new records, and sets the new sets.
func writeZone(ctx context.Context, p dnsprovider.Provider, zone string, changes []ZoneChange) error {
	var gone, set []libdns.Record
	values := map[string][]string{} // by name and type
	for _, c := range changes {
		if c.zone != zone || !c.changes() {
			continue
		}
		for _, v := range c.Remove {
			if kind, _, ok := strings.Cut(v, " "); ok && kind != c.Type && (kind == "CNAME" || c.Type == "CNAME") && !slices.Contains(c.Have, v) {
				gone = append(gone, libdns.RR{Name: c.Name + ".", Type: kind})
			}
		}
		key := c.Name + " " + c.Type
		if values[key] == nil {
			values[key] = slices.Clone(c.Have)
		}
		values[key] = slices.DeleteFunc(values[key], func(v string) bool { return slices.Contains(c.Remove, v) })
		for _, v := range c.added {
			if !slices.Contains(values[key], v) {
				values[key] = append(values[key], v)
			}
		}
	}
	for key, list := range values {
		name, kind, _ := strings.Cut(key, " ")
		for _, v := range list {
			set = append(set, libdns.RR{Name: name + ".", Type: kind, TTL: recordTTL, Data: v})
		}
	}
	if len(gone) > 0 {
		if _, err := p.DeleteRecords(ctx, zone, gone); err != nil {
			return err
		}
	}
	_, err := p.SetRecords(ctx, zone, set)
	return err
}
