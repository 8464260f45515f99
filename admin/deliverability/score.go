package deliverability

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Finding is what a check of the server found, for the row of its ID.
type Finding struct {
	State    State
	Text     string // what was seen, in a sentence
	Evidence string // records, addresses, replies
	Fix      string
}

// Row is a part of the score.
type Row struct {
	ID, Title string
	Points    float64 // that it earns
	Of        float64 // that it can earn; they count only if State is known
	State     State
	Text      string
	Evidence  string
	Fix       string
}

// Report is the score with all that it is made of.
type Report struct {
	Score     float64 // sum of the Points of Rows
	Of        float64 // sum of Of of those that are known: 100 if all are
	Verdict   string  // a sentence
	Rows      []Row
	Providers []Health
}

// rows are those that findings fill, with the points of each. The missing ones
// are made of the book: 30 for acceptance, 4 for our own TLS, 5 for hygiene.
var rows = []Row{
	{ID: "identity.spf", Title: "SPF allows this server", Of: 6},
	{ID: "identity.dkim", Title: "DKIM signs, and its key is published", Of: 8},
	{ID: "identity.dmarc", Title: "DMARC is published and aligned", Of: 6},
	{ID: "identity.ptr", Title: "The addresses have the reverse name of this server", Of: 6},
	{ID: "identity.helo", Title: "The name of this server leads to its address", Of: 4},
	{ID: "lists.ip", Title: "The addresses are on no blocklist", Of: 10},
	{ID: "lists.domain", Title: "The domains are on no blocklist", Of: 5},
	{ID: "tls.mta-sts", Title: "Others are told to encrypt mail to us (MTA-STS or DANE)", Of: 3},
	{ID: "tls.report", Title: "Others are asked to report trouble with that (TLS-RPT)", Of: 3},
	{ID: "placement", Title: "Mail arrives in the inbox, as users say", Of: 10},
}

const (
	acceptancePoints = 30
	tlsPoints        = 4
	bouncePoints     = 3
	spikePoints      = 2
)

// RowIDs are the IDs of findings that Score knows.
func RowIDs() []string {
	var ids []string
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

// Score puts findings, by the ID of their row, and what the book knows
// together.
func (b *Book) Score(findings map[string]Finding) Report {
	r := Report{Providers: b.Providers()}
	for _, row := range rows {
		f, ok := findings[row.ID]
		if row.ID == "placement" && !ok {
			f, ok = b.placement(), true
		}
		if !ok || f.State == "" {
			f = Finding{State: Unknown, Text: "This was not looked at yet."}
		}
		row.State, row.Text, row.Evidence, row.Fix = f.State, f.Text, f.Evidence, f.Fix
		row.Points = points(row.State, row.Of)
		r.Rows = append(r.Rows, row)
	}
	r.Rows = append(r.Rows, acceptance(r.Providers)...)
	r.Rows = append(r.Rows, ownTLS(r.Providers), b.bounces(r.Providers), b.spikes())
	order := []string{"identity", "acceptance", "lists", "tls", "placement", "hygiene"}
	slices.SortStableFunc(r.Rows, func(a, b Row) int { return slices.Index(order, a.group()) - slices.Index(order, b.group()) })
	for _, row := range r.Rows {
		if row.State != Unknown {
			r.Score += row.Points
			r.Of += row.Of
		}
	}
	r.Score, r.Of = round(r.Score), round(r.Of)
	r.Verdict = verdict(&r)
	return r
}

func (r *Row) group() string {
	group, _, _ := strings.Cut(r.ID, ".")
	return group
}

// points are all for ok, half for warn.
func points(s State, of float64) float64 {
	switch s {
	case OK:
		return of
	case Warn:
		return round(of / 2)
	}
	return 0
}

// round keeps one decimal.
func round(v float64) float64 { return math.Round(v*10) / 10 }

// acceptance has a row for each operator with enough mail; they share the
// points evenly.
func acceptance(providers []Health) []Row {
	var known []Health
	for _, h := range providers {
		if h.State != Unknown {
			known = append(known, h)
		}
	}
	if len(known) == 0 {
		return []Row{{ID: "acceptance", Title: "Others accept our mail", Of: acceptancePoints, State: Unknown,
			Text: fmt.Sprintf("Not enough mail to say: no provider got %d messages in 30 days.", Enough)}}
	}
	var list []Row
	left := float64(acceptancePoints)
	for i, h := range known {
		of := round(left / float64(len(known)-i)) // so that the parts add up
		left -= of
		row := Row{ID: "acceptance." + h.ID, Title: h.Name + " accepts our mail", Of: of, State: h.State, Text: h.Text, Fix: h.Fix}
		row.Points = round(of * acceptanceShare(&h))
		if len(h.LastReplies) > 0 {
			row.Evidence = h.LastReplies[0].Text
		}
		list = append(list, row)
	}
	return list
}

// acceptanceShare is the part of the points that an operator earns us: none
// where half is refused, and half of it where much is slowed down.
func acceptanceShare(h *Health) float64 {
	share := max(0, 2*h.AcceptedShare-1)
	if h.State == Warn && h.AcceptedShare >= goodShare {
		share /= 2
	}
	return share
}

// ownTLS is about the encryption of what we send.
func ownTLS(providers []Health) Row {
	row := Row{ID: "tls.sending", Title: "Our mail is sent encrypted", Of: tlsPoints, State: Unknown, Text: "Not enough mail to say."}
	accepted, encrypted := 0, 0
	for _, h := range providers {
		accepted, encrypted = accepted+h.Accepted, encrypted+h.TLS
	}
	if accepted < Enough {
		return row
	}
	row.State = Fail
	switch share := float64(encrypted) / float64(accepted); {
	case share >= goodShare:
		row.State = OK
	case share >= poorShare:
		row.State = Warn
	}
	row.Text = fmt.Sprintf("%d of %d were.", encrypted, accepted)
	row.Points = points(row.State, row.Of)
	return row
}

// bounces is about addresses that do not exist: much of that looks like bought
// lists.
func (b *Book) bounces(providers []Health) Row {
	row := Row{ID: "hygiene.bounces", Title: "Our users write to addresses that exist", Of: bouncePoints, State: Unknown, Text: "Not enough mail to say."}
	all, unknown := 0, 0
	for _, h := range providers {
		all, unknown = all+h.decided()+h.Unknown, unknown+h.Unknown
	}
	if all < Enough {
		return row
	}
	row.State = Fail
	switch share := float64(unknown) / float64(all); {
	case share <= 0.02:
		row.State = OK
	case share <= 0.05:
		row.State = Warn
	}
	row.Text = fmt.Sprintf("%d of %d recipients did not exist, or took no mail.", unknown, all)
	if row.State != OK {
		row.Fix = "Look at who sends to so many old addresses: a mailing list should drop them at the first bounce."
	}
	row.Points = points(row.State, row.Of)
	return row
}

// spikes is about days on which much more is sent than usual.
func (b *Book) spikes() Row {
	row := Row{ID: "hygiene.spikes", Title: "The amount of mail is steady", Of: spikePoints, State: Unknown, Text: "Not enough mail to say."}
	today := b.opts.Now().UTC().Truncate(day)
	var total, days, most int
	var when time.Time
	b.mu.Lock()
	for d, operators := range b.byDay {
		if d.Before(today.Add(-window)) {
			continue
		}
		sent := 0
		for _, c := range operators {
			sent += c.Sent
		}
		days, total = days+1, total+sent
		if sent > most || sent == most && d.After(when) {
			most, when = sent, d
		}
	}
	b.mu.Unlock()
	if days < 7 || total < 7*Enough {
		return row
	}
	usual := float64(total-most) / float64(days-1)
	row.State = OK
	switch {
	case float64(most) > 10*max(usual, 10):
		row.State = Fail
	case float64(most) > 5*max(usual, 10):
		row.State = Warn
	}
	row.Text = fmt.Sprintf("At most %d recipients on one day (%s), %.0f on others.", most, when.Format("2 January"), usual)
	if row.State != OK {
		row.Fix = "Providers distrust sudden amounts. If it was no mailing of yours, look at who sent it: a password may be stolen."
	}
	row.Points = points(row.State, row.Of)
	return row
}

// leastKnown is the part of 100 below which a verdict would be a guess.
const leastKnown = 40

func verdict(r *Report) string {
	if r.Of < leastKnown {
		return "Not enough is known yet to say how well mail of this server arrives."
	}
	word := "poor"
	switch share := r.Score / r.Of; {
	case share >= 0.9:
		word = "good"
	case share >= 0.7:
		word = "fair"
	}
	worst := -1
	for i, row := range r.Rows {
		if row.State == Unknown || row.Of-row.Points <= 0 {
			continue
		}
		if worst < 0 || row.Of-row.Points > r.Rows[worst].Of-r.Rows[worst].Points {
			worst = i
		}
	}
	text := "Mail of this server arrives: " + word + "."
	if worst >= 0 {
		text += " Most would help: " + r.Rows[worst].Title + "."
	}
	return text
}
