package dnsadvice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailstead/mailstead/mail/dns"
)

// Bounds of a check.
const (
	checkTimeout = 30 * time.Second
	parallel     = 8 // records under way at once
)

// Authority asks the name servers of zones; *dns.Authority.
type Authority interface {
	Zone(ctx context.Context, name string) (dns.Zone, error)
	Ask(ctx context.Context, z dns.Zone, name, qtype string) []dns.Answer
}

// Checker compares plans with the DNS. All fields but Now are needed.
type Checker struct {
	Authority Authority
	Resolver  dns.Resolver // for reverse names, SPF of others, and what aliases lead to
	Now       func() time.Time
}

// Report is how the DNS of a domain stands.
type Report struct {
	Domain    string      `json:"domain"`
	CheckedAt time.Time   `json:"checkedAt"`
	Zone      string      `json:"zone,omitempty"` // that the domain is in
	Servers   []string    `json:"servers"`        // its name servers
	Provider  *Provider   `json:"provider,omitempty"`
	Summary   Summary     `json:"summary"`
	Text      string      `json:"text"` // one sentence
	Groups    []GroupView `json:"groups"`
	History   []Change    `json:"history"` // set by whoever keeps one
}

// Summary counts records; those that nobody could tell are not among Of.
type Summary struct {
	Right   int `json:"right"`
	Of      int `json:"of"`
	Unknown int `json:"unknown"`
	Failing int `json:"failing"` // missing or wrong, and not optional
}

// GroupView is one group of a report.
type GroupView struct {
	Name    Group    `json:"name"`
	Right   int      `json:"right"`
	Of      int      `json:"of"`
	Records []Record `json:"records"`
}

// Change is what a watch saw.
type Change struct {
	At     time.Time `json:"at"`
	Record string    `json:"record"` // ID
	Text   string    `json:"text"`
}

// Records are those of all groups, in order.
func (r *Report) Records() []Record {
	var list []Record
	for _, g := range r.Groups {
		list = append(list, g.Records...)
	}
	return list
}

// Unchecked is a report of what is wanted, without what there is.
func Unchecked(p Plan) Report {
	return newReport(p.Domain, "", p.Records(""))
}

// Check asks the authoritative servers for everything in the plan.
func (c *Checker) Check(ctx context.Context, p Plan) Report {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	r := &run{Checker: c, plan: p}
	r.findZones(ctx)
	list := p.Records(r.zone.Name)
	for i := range list {
		if host := hostPart(list[i].Name, r.hostZone.Name); list[i].Host == "" && list[i].Type != "PTR" {
			list[i].Host = host
		}
	}
	r.all(ctx, list, func(rec *Record) bool { return rec.ID != "spf" })
	for i := range list {
		if list[i].ID == "mx" {
			r.mxIsOurs = list[i].State == OK
		}
	}
	r.all(ctx, list, func(rec *Record) bool { return rec.ID == "spf" })
	for i := range list {
		list[i].ZoneFile = list[i].zoneLine()
	}
	report := newReport(p.Domain, r.zone.Name, list)
	report.CheckedAt = now(c.Now).UTC()
	for _, s := range r.zone.Servers {
		report.Servers = append(report.Servers, s.Name)
	}
	report.Provider = guessProvider(report.Servers)
	if r.zoneErr != nil {
		report.Text = r.zoneProblem()
	}
	return report
}

func now(clock func() time.Time) time.Time {
	if clock == nil {
		return time.Now()
	}
	return clock()
}

func newReport(domain, zone string, list []Record) Report {
	r := Report{Domain: domain, Zone: zone, Servers: []string{}, Groups: []GroupView{}, History: []Change{}}
	for _, g := range groups {
		view := GroupView{Name: g}
		for _, rec := range list {
			if rec.Group != g {
				continue
			}
			view.Records = append(view.Records, rec)
			switch {
			case rec.State == OK:
				view.Right++
				view.Of++
			case rec.State == Unknown:
				r.Summary.Unknown++
			case rec.State != "":
				view.Of++
				if !rec.Optional || rec.State == Wrong {
					r.Summary.Failing++
				}
			}
		}
		if view.Records != nil {
			r.Groups = append(r.Groups, view)
			r.Summary.Right += view.Right
			r.Summary.Of += view.Of
		}
	}
	r.Text = r.Summary.sentence()
	return r
}

func (s Summary) sentence() string {
	switch {
	case s.Of == 0 && s.Unknown == 0:
		return "not checked yet"
	case s.Of == 0:
		return "the DNS gave no answer; nothing is known"
	}
	text := fmt.Sprintf("%d of %d records are right", s.Right, s.Of)
	if s.Right == s.Of {
		text = fmt.Sprintf("all %d records are right", s.Of)
	}
	if s.Unknown > 0 {
		text += fmt.Sprintf("; about %d the DNS gave no answer", s.Unknown)
	}
	return text
}

// run is one check of one domain.
type run struct {
	*Checker
	plan     Plan
	zone     dns.Zone // of the domain
	zoneErr  error
	hostZone dns.Zone // of this server's name
	mxIsOurs bool
}

func (r *run) findZones(ctx context.Context) {
	var hostErr error
	var wg sync.WaitGroup
	wg.Go(func() { r.zone, r.zoneErr = r.Authority.Zone(ctx, r.plan.Domain) })
	wg.Go(func() { r.hostZone, hostErr = r.Authority.Zone(ctx, r.plan.Host) })
	wg.Wait()
	if hostErr != nil && within(r.plan.Host, r.zone.Name) {
		r.hostZone = r.zone
	}
}

// zoneProblem says why nothing could be asked.
func (r *run) zoneProblem() string {
	if errors.Is(r.zoneErr, dns.ErrNotFound) {
		return r.plan.Domain + " has no name servers: it is not registered, or its registration does not name any yet"
	}
	return "the name servers of " + r.plan.Domain + " could not be found now; nothing is known"
}

// within reports whether a name is in a zone, by name alone.
func within(name, zone string) bool {
	return zone != "" && (name == zone || strings.HasSuffix(name, "."+zone))
}

// zoneOf returns the zone that a name is taken to be in.
func (r *run) zoneOf(name string) dns.Zone {
	if within(name, r.hostZone.Name) && len(r.hostZone.Name) > len(r.zone.Name) || !within(name, r.zone.Name) {
		return r.hostZone
	}
	return r.zone
}

// all checks the records that do is for.
func (r *run) all(ctx context.Context, list []Record, do func(*Record) bool) {
	slots := make(chan struct{}, parallel)
	var wg sync.WaitGroup
	for i := range list {
		if rec := &list[i]; do(rec) {
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				r.check(ctx, rec)
			})
		}
	}
	wg.Wait()
}

// view is what one or more servers say about a record.
type view struct {
	values  []string
	alias   string
	servers []string
}

func (v *view) empty() bool { return len(v.values) == 0 && v.alias == "" }

// verdict is what a view means. want replaces the value to publish.
type verdict struct {
	state      State
	text, code string
	want       string
}

// check asks for a record and says how it stands.
func (r *run) check(ctx context.Context, rec *Record) {
	views, silent := r.ask(ctx, rec)
	if len(views) == 0 {
		rec.State, rec.Text = Unknown, silent
		return
	}
	var worst verdict
	for i, v := range views {
		if got := r.judge(ctx, rec, v); i == 0 || severity(got.state) > severity(worst.state) {
			worst = got
		}
		for _, value := range v.have(rec.Type) {
			if !slices.Contains(rec.Have, value) {
				rec.Have = append(rec.Have, value)
			}
		}
	}
	rec.State, rec.Text, rec.Code = worst.state, worst.text, worst.code
	if worst.want != "" {
		rec.Want = worst.want
	}
	if len(views) > 1 {
		rec.Text += "; " + differ(views)
	}
	if silent != "" {
		rec.Text += "; " + silent
	}
}

// severity orders states: what is known to be bad is told before what is not
// known.
func severity(s State) int {
	return map[State]int{OK: 0, Unknown: 1, Missing: 2, Wrong: 3}[s]
}

func (v *view) have(qtype string) []string {
	if v.alias != "" && qtype != "CNAME" {
		return append([]string{"CNAME " + v.alias}, v.values...)
	}
	return v.values
}

// differ says that name servers do not agree.
func differ(views []view) string {
	var parts []string
	for _, v := range views {
		says := "nothing"
		if !v.empty() {
			says = quoteList(v.have(""))
		}
		parts = append(parts, strings.Join(v.servers, ", ")+" has "+says)
	}
	return "the name servers do not agree, which passes within minutes after a change: " + strings.Join(parts, "; ")
}

func quoteList(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = fmt.Sprintf("%q", clip(v))
	}
	return strings.Join(quoted, " and ")
}

// clip shortens what others publish for a sentence.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// ask returns what the servers say, the same answers together. Without any
// view, silent says why.
func (r *run) ask(ctx context.Context, rec *Record) (views []view, silent string) {
	if rec.Type == "PTR" {
		return r.askReverse(ctx, rec)
	}
	zone := r.zoneOf(rec.Name)
	if zone.Name == "" {
		return nil, r.zoneProblem()
	}
	answers := r.Authority.Ask(ctx, zone, rec.Name, rec.Type)
	if noneAnswered(answers) {
		// The name may be in a zone of its own below.
		if own, err := r.Authority.Zone(ctx, rec.Name); err == nil && own.Name != zone.Name {
			answers = r.Authority.Ask(ctx, own, rec.Name, rec.Type)
		}
	}
	return group(answers)
}

func noneAnswered(answers []dns.Answer) bool {
	return !slices.ContainsFunc(answers, func(a dns.Answer) bool { return a.Err == nil })
}

// group puts the same answers together.
func group(answers []dns.Answer) (views []view, silent string) {
	var quiet []string
	for _, a := range answers {
		if a.Err != nil {
			quiet = append(quiet, a.Server)
			continue
		}
		i := slices.IndexFunc(views, func(v view) bool { return v.alias == a.Alias && slices.Equal(v.values, a.Values) })
		if i < 0 {
			views = append(views, view{values: a.Values, alias: a.Alias})
			i = len(views) - 1
		}
		views[i].servers = append(views[i].servers, a.Server)
	}
	switch {
	case len(answers) == 0:
		return nil, "no name server is known to ask"
	case len(views) == 0:
		return nil, "no name server gave an answer (" + cause(answers[0].Err) + "); that says nothing about the record, try again later"
	case len(quiet) > 0:
		return views, "no answer from " + strings.Join(quiet, ", ")
	}
	return views, ""
}

// cause is what went wrong with a query, in short.
func cause(err error) string {
	switch text := err.Error(); {
	case errors.Is(err, context.DeadlineExceeded) || strings.Contains(text, "timeout"):
		return "timeout"
	case strings.Contains(text, "REFUSED"):
		return "refused"
	case strings.Contains(text, "SERVFAIL"):
		return "SERVFAIL"
	case strings.Contains(text, "for this zone"):
		return "it does not serve the zone"
	}
	return "unreachable"
}

// askReverse asks for the names of an address. Reverse zones belong to others,
// so that the resolver has to do.
func (r *run) askReverse(ctx context.Context, rec *Record) ([]view, string) {
	addr := r.plan.addrOf(rec.Name)
	names, _, err := r.Resolver.PTR(ctx, addr)
	if err != nil && !errors.Is(err, dns.ErrNotFound) {
		return nil, "the DNS gave no answer (" + cause(err) + "); that says nothing about the record, try again later"
	}
	return []view{{values: names}}, ""
}
