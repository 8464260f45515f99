package reports

import (
	"bytes"
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/smtp/queue"
)

// Bounds of a summary.
const (
	maxGroups    = 200 // sources told apart; the rest is one
	maxAddresses = 20  // of one source
	maxListed    = 100 // reports, the newest
)

// Numbers are counts of messages, for people and programs.
type Numbers struct {
	Messages   int64 `json:"messages"`
	Aligned    int64 `json:"aligned" doc:"Passed DMARC."`
	DKIM       int64 `json:"dkim" doc:"Passed by DKIM."`
	SPF        int64 `json:"spf" doc:"Passed by SPF."`
	None       int64 `json:"none" doc:"Failed, and nothing was done about them."`
	Quarantine int64 `json:"quarantine" doc:"Failed, and were filed to Junk or the like."`
	Reject     int64 `json:"reject" doc:"Failed, and were refused."`
}

func (c Counts) numbers() Numbers {
	return Numbers{c.Messages, c.Aligned, c.DKIM, c.SPF, c.None, c.Quarantine, c.Reject}
}

// Day is one day, in UTC.
type Day struct {
	Day string `json:"day" doc:"As in 2026-11-27, in UTC."`
	Numbers
}

// Summary is what reports say about a domain.
type Summary struct {
	Domain     string     `json:"domain"`
	From       time.Time  `json:"from"`
	To         time.Time  `json:"to"`
	Policy     *Policy    `json:"policy,omitempty" doc:"As the newest report saw it; absent: no report counts."`
	Total      Numbers    `json:"total"`
	Verdict    Verdict    `json:"verdict"`
	Days       []Day      `json:"days" doc:"Those of which there are reports, the oldest first."`
	Sources    []Source   `json:"sources" doc:"The ones with the most messages first."`
	Reporters  []Reporter `json:"reporters"`
	Reports    []Line     `json:"reports" doc:"The newest 100."`
	Unverified int        `json:"unverified" doc:"Reports that do not pass DMARC themselves: they are listed, and do not count."`
}

// Policy is a policy record.
type Policy struct {
	P       string `json:"p"`
	SP      string `json:"sp,omitempty"`
	NP      string `json:"np,omitempty"`
	DKIM    string `json:"adkim,omitempty"`
	SPF     string `json:"aspf,omitempty"`
	Testing bool   `json:"testing,omitempty"`
}

// Address is an address that mail came from.
type Address struct {
	IP   string `json:"ip"`
	Name string `json:"name,omitempty" doc:"In the DNS, if it leads back to the address."`
}

// Source is who sent.
type Source struct {
	Name      string    `json:"name" doc:"Of a known service, the end of its hosts' names, or an address."`
	Kind      string    `json:"kind" enum:"this-server,service,host,address,others"`
	Addresses []Address `json:"addresses" doc:"At most 20, the ones with the most messages first."`
	Count     int       `json:"addressCount"`
	Numbers
	State string `json:"state" enum:"aligned,partly,unaligned,forwarded,forged" doc:"forged: nothing stands for its mail; unaligned: something does, but not for this domain."`
	Text  string `json:"text" doc:"What it means, and what to do."`
	Days  []Day  `json:"days" doc:"Only days with messages."`

	counts Counts
}

// Reporter is somebody who reports.
type Reporter struct {
	Org      string `json:"org"`
	Sender   string `json:"sender,omitempty" doc:"Domain that its messages come from."`
	Reports  int    `json:"reports"`
	Messages int64  `json:"messages"`
}

// Line is one report in a list.
type Line struct {
	ID       string    `json:"id"`
	Org      string    `json:"org"`
	Sender   string    `json:"sender,omitempty"`
	Begin    time.Time `json:"begin"`
	End      time.Time `json:"end"`
	Received time.Time `json:"received"`
	Messages int64     `json:"messages"`
	Aligned  int64     `json:"aligned"`
	Verified bool      `json:"verified"`
}

// DMARC says what reports tell about a domain, of days from one to another.
func (b *Book) DMARC(ctx context.Context, domain mail.Domain, from, to time.Time) (*Summary, error) {
	s := &Summary{Domain: string(domain), From: dayOf(from), To: to.UTC(), Days: []Day{}, Sources: []Source{}, Reporters: []Reporter{}, Reports: []Line{}}
	c := &collection{own: map[netip.Addr]bool{}, groups: map[string]*group{}, days: map[time.Time]*Counts{}}
	if b.opts.Own != nil {
		for _, a := range b.opts.Own() {
			c.own[a.Unmap()] = true
		}
	}
	err := b.db.View(func(tx *bolt.Tx) error {
		if err := c.read(ctx, tx, domain, s.From, s.To); err != nil {
			return err
		}
		return s.list(ctx, tx, domain)
	})
	if err != nil {
		return nil, err
	}
	c.fill(s)
	for i := range s.Sources {
		s.Sources[i].judge(domain)
	}
	s.judge()
	return s, nil
}

// group is a source on its way into a summary.
type group struct {
	name, kind string
	counts     Counts
	addrs      map[netip.Addr]*Counts
	names      map[netip.Addr]string
	days       map[time.Time]*Counts
}

// collection sums up the counts of days.
type collection struct {
	own    map[netip.Addr]bool
	groups map[string]*group
	days   map[time.Time]*Counts
	total  Counts
}

func (c *collection) read(ctx context.Context, tx *bolt.Tx, domain mail.Domain, from, to time.Time) error {
	prefix := domainKey(domain)
	cur := tx.Bucket(bucketDay).Cursor()
	for k, v := cur.Seek(timeKey(bytes.Clone(prefix), from)); k != nil && bytes.HasPrefix(k, prefix); k, v = cur.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := timeAt(k, len(prefix))
		if at.After(to) || len(k) != len(prefix)+8+16 {
			break
		}
		var n Counts
		if err := decode(v, &n); err != nil {
			return err
		}
		c.add(tx, at, sourceAt(k[len(prefix)+8:]), n)
	}
	return nil
}

func (c *collection) add(tx *bolt.Tx, at time.Time, addr netip.Addr, n Counts) {
	g, host := c.groupOf(tx, addr)
	for _, sum := range []*Counts{&c.total, &g.counts, counter(c.days, at), counter(g.days, at), counter(g.addrs, addr)} {
		sum.Add(n)
	}
	g.names[addr] = host
}

func counter[K comparable](m map[K]*Counts, k K) *Counts {
	if m[k] == nil {
		m[k] = &Counts{}
	}
	return m[k]
}

// groupOf finds who an address belongs to.
func (c *collection) groupOf(tx *bolt.Tx, addr netip.Addr) (g *group, host string) {
	host = nameOf(tx, addr)
	name, kind := addr.String(), "address"
	switch service := senderOf(host); {
	case addr == others:
		name, kind = "others", "others"
	case c.own[addr]:
		name, kind = "this server", "this-server"
	case service != "":
		name, kind = service, "service"
	case host != "":
		name, kind = queue.Organisation(host), "host"
	}
	key := kind + " " + name
	if c.groups[key] == nil {
		c.groups[key] = &group{name: name, kind: kind, addrs: map[netip.Addr]*Counts{}, names: map[netip.Addr]string{}, days: map[time.Time]*Counts{}}
	}
	return c.groups[key], host
}

// fill puts what was collected into a summary.
func (c *collection) fill(s *Summary) {
	s.Total, s.Days = c.total.numbers(), days(c.days)
	groups := make([]*group, 0, len(c.groups))
	for _, g := range c.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.counts.Messages, a.counts.Messages), cmp.Compare(a.name, b.name))
	})
	for i, g := range groups {
		if i < maxGroups {
			s.Sources = append(s.Sources, g.source())
			continue
		}
		if i == maxGroups {
			s.Sources = append(s.Sources, Source{Name: "others", Kind: "others", Addresses: []Address{}, Days: []Day{}})
		}
		rest := &s.Sources[maxGroups]
		rest.counts.Add(g.counts)
		rest.Numbers = rest.counts.numbers()
		rest.Count += len(g.addrs)
	}
}

func (g *group) source() Source {
	s := Source{Name: g.name, Kind: g.kind, Addresses: []Address{}, Count: len(g.addrs), Numbers: g.counts.numbers(), Days: days(g.days), counts: g.counts}
	addrs := make([]netip.Addr, 0, len(g.addrs))
	for a := range g.addrs {
		addrs = append(addrs, a)
	}
	slices.SortFunc(addrs, func(x, y netip.Addr) int {
		return cmp.Or(cmp.Compare(g.addrs[y].Messages, g.addrs[x].Messages), x.Compare(y))
	})
	for _, a := range addrs[:min(len(addrs), maxAddresses)] {
		if a != others {
			s.Addresses = append(s.Addresses, Address{a.String(), g.names[a]})
		}
	}
	return s
}

func days(m map[time.Time]*Counts) []Day {
	list := make([]Day, 0, len(m))
	for at, n := range m {
		list = append(list, Day{at.Format(time.DateOnly), n.numbers()})
	}
	slices.SortFunc(list, func(a, b Day) int { return cmp.Compare(a.Day, b.Day) })
	return list
}

// list adds the reports, and what they say of the policy.
func (s *Summary) list(ctx context.Context, tx *bolt.Tx, domain mail.Domain) error {
	reporters := map[[2]string]*Reporter{}
	prefix := domainKey(domain)
	cur := tx.Bucket(bucketReport).Cursor()
	for k, v := lastBefore(cur, prefix, s.To); k != nil && bytes.HasPrefix(k, prefix); k, v = cur.Prev() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if timeAt(k, len(prefix)).Before(s.From) {
			break
		}
		var r Report
		if err := unpacked(v, &r); err != nil {
			return err
		}
		l := r.line()
		if len(s.Reports) < maxListed {
			s.Reports = append(s.Reports, l)
		}
		if !r.Verified() {
			s.Unverified++
			continue
		}
		if s.Policy == nil {
			p := &r.Report.Policy
			s.Policy = &Policy{P: cmp.Or(string(p.Policy), "none"), SP: string(p.Subdomains), NP: string(p.NonExistent), DKIM: p.DKIM, SPF: p.SPF, Testing: p.Testing}
		}
		who := [2]string{r.Report.Org, string(r.Sender)}
		if reporters[who] == nil {
			reporters[who] = &Reporter{Org: who[0], Sender: who[1]}
		}
		reporters[who].Reports++
		reporters[who].Messages += l.Messages
	}
	for _, r := range reporters {
		s.Reporters = append(s.Reporters, *r)
	}
	slices.SortFunc(s.Reporters, func(a, b Reporter) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Org, b.Org), cmp.Compare(a.Sender, b.Sender))
	})
	return nil
}

// lastBefore goes to the last key of a domain that is not after a time.
func lastBefore(cur *bolt.Cursor, prefix []byte, to time.Time) (k, v []byte) {
	if k, _ := cur.Seek(timeKey(bytes.Clone(prefix), to.Add(time.Second))); k == nil {
		return cur.Last()
	}
	return cur.Prev()
}

func (r *Report) line() Line {
	l := Line{ID: r.ID, Org: r.Report.Org, Sender: string(r.Sender), Begin: r.Report.Begin, End: r.Report.End, Received: r.Received, Verified: r.Verified()}
	for i := range r.Report.Rows {
		l.Messages += r.Report.Rows[i].Count
		if r.Report.Rows[i].Aligned() {
			l.Aligned += r.Report.Rows[i].Count
		}
	}
	return l
}

// Report returns one DMARC report.
func (b *Book) Report(_ context.Context, reportID string) (*Report, error) {
	i, ok := parseID(reportID)
	if !ok {
		return nil, ErrNotFound
	}
	var r Report
	err := b.db.View(func(tx *bolt.Tx) error {
		at := tx.Bucket(bucketID).Get(i[:])
		if len(at) < 2 || at[1] != bucketReport[0] {
			return ErrNotFound
		}
		v := tx.Bucket(bucketReport).Get(at[2:])
		if v == nil {
			return ErrNotFound
		}
		return unpacked(v, &r)
	})
	if err != nil {
		return nil, err
	}
	return &r, nil
}
