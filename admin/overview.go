package admin

import (
	"context"
	"math"
	"time"

	"github.com/mailstead/mailstead/admin/checks"
)

// Overview says how the server is, at a glance.
func (a *Admin) Overview(ctx context.Context) (Overview, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return Overview{}, err
	}
	v := Overview{Version: a.opts.Version, ToFix: []checks.Result{}, State: "unknown", Sentence: "Nobody has looked yet."}
	if a.checks != nil {
		r, err := a.Checks(ctx)
		if err != nil {
			return Overview{}, err
		}
		v.Sentence, v.State, v.ToFix, v.Checks = r.Sentence, r.State, append(v.ToFix, r.ToFix...), r.Counts
	}
	if !p.allDomains() {
		return v, nil
	}
	v.Disk, v.Certificate = a.diskUse(ctx), a.firstCertificate()
	v.Last24h, err = a.lastDay(ctx)
	return v, err
}

// lastDay returns the numbers of the last 24 hours, nil if nobody counts.
func (a *Admin) lastDay(ctx context.Context) (*DayNumbers, error) {
	if a.opts.Series == nil {
		return nil, nil
	}
	now := a.opts.Now()
	sums, err := a.opts.Series.Totals(ctx, []string{"mail.in", "mail.out", "mail.refused", "mail.delivered", "mail.bounced", "delivery.p95"}, now.AddDate(0, 0, -1), now)
	if err != nil {
		return nil, err
	}
	count := func(v float64) int64 {
		if math.IsNaN(v) {
			return 0
		}
		return int64(v)
	}
	d := &DayNumbers{In: count(sums[0]), Out: count(sums[1]), Refused: count(sums[2]), Accepted: count(sums[3]), P95DeliverySeconds: known(sums[5])}
	if done := d.Accepted + count(sums[4]); done > 0 {
		share := float64(d.Accepted) / float64(done)
		d.AcceptedShare = &share
	}
	if d.Queue, _, err = a.opts.Queue.Size(ctx); err != nil {
		return nil, err
	}
	s, err := a.series(ctx, SeriesQuery{Names: []string{"mail.in", "mail.out", "mail.refused"}})
	d.Series = &s
	return d, err
}

// firstCertificate is the one that ends first, nil if there is none.
func (a *Admin) firstCertificate() *CertificateEnd {
	if a.opts.Certificates == nil {
		return nil
	}
	var first *CertificateEnd
	for _, s := range a.opts.Certificates.Status() {
		if !s.NotAfter.IsZero() && (first == nil || s.NotAfter.Before(first.NotAfter)) {
			first = &CertificateEnd{Name: s.Name, NotAfter: s.NotAfter}
		}
	}
	return first
}

// Overview is how the server is, at a glance.
type Overview struct {
	Sentence    string          `json:"sentence"`
	State       checks.State    `json:"state" enum:"ok,warn,fail,unknown"`
	ToFix       []checks.Result `json:"toFix"`
	Checks      checks.Counts   `json:"checks"`
	Last24h     *DayNumbers     `json:"last24h,omitempty" doc:"Of the whole server; absent for domain admins."`
	Disk        *DiskUse        `json:"disk,omitempty"`
	Certificate *CertificateEnd `json:"certificate,omitempty"`
	Version     string          `json:"version"`
}

// DayNumbers are those of the last 24 hours.
type DayNumbers struct {
	In                 int64    `json:"in"`
	Out                int64    `json:"out"`
	Refused            int64    `json:"refused"`
	Accepted           int64    `json:"accepted" doc:"By others, of what we sent."`
	AcceptedShare      *float64 `json:"acceptedShare,omitempty" doc:"From 0 to 1; absent if nothing was sent."`
	Queue              int      `json:"queue"`
	P95DeliverySeconds *float64 `json:"p95DeliverySeconds,omitempty"`
	Series             *Series  `json:"series,omitempty" doc:"mail.in, mail.out and mail.refused."`
}

// CertificateEnd is the certificate that ends first.
type CertificateEnd struct {
	Name     string    `json:"name"`
	NotAfter time.Time `json:"notAfter"`
}
