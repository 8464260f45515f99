package submission

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/mailstead/mailstead/mail"
)

// Quota is what one account may send in a day. 0 is no limit. A login that was
// stolen does little harm with it.
type Quota struct {
	RecipientsPerDay int
}

// limiter counts what accounts send, in memory: a restart forgives.
type limiter struct {
	mu       sync.Mutex
	accounts map[uint32]*rate.Limiter
}

// take counts n recipients of account at now, or says how long to wait. The
// day's allowance can be used at once and grows back evenly.
func (l *limiter) take(account uint32, q Quota, n int, now time.Time) error {
	if q.RecipientsPerDay <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.accounts == nil {
		l.accounts = map[uint32]*rate.Limiter{}
	}
	every := rate.Limit(float64(q.RecipientsPerDay) / (24 * time.Hour).Seconds())
	lim := l.accounts[account]
	if lim == nil || lim.Burst() != q.RecipientsPerDay {
		lim = rate.NewLimiter(every, q.RecipientsPerDay)
		l.accounts[account] = lim
	}
	r := lim.ReserveN(now, n)
	if !r.OK() {
		return &mail.Error{Status: mail.Status{Class: 5, Subject: 7, Detail: 1}, Code: 550,
			Text: "one message may not have more recipients than you may write to in a day; ask your administrator"}
	}
	if wait := r.DelayFrom(now); wait > 0 {
		r.CancelAt(now)
		return &mail.Error{Status: mail.Status{Class: 4, Subject: 7, Detail: 1}, Code: 450,
			Text: "you have written to as many people as this server allows in a day; try again in " + wait.Round(time.Minute).String()}
	}
	return nil
}
