package admin

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/delivery/quarantine"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/verdict"
	"github.com/mailstead/mailstead/mailbox"
)

// Quarantined is a message that waits for somebody to say whether it is wanted.
type Quarantined struct {
	ID       string        `json:"id"`
	Account  string        `json:"account" doc:"Address of the account whose mail it is."`
	To       string        `json:"to,omitempty" doc:"Address by which the account was reached."`
	Received time.Time     `json:"received"`
	From     string        `json:"from"`
	Subject  string        `json:"subject,omitempty" doc:"Left out for those who may not see what is in mail."`
	Preview  string        `json:"preview,omitempty" doc:"Beginning of the text; only for the account itself."`
	Size     int64         `json:"size"`
	Score    float64       `json:"score"`
	Reasons  []mail.Reason `json:"reasons" doc:"What the score is the sum of, the heaviest first."`
	Decided  string        `json:"decided,omitempty" doc:"What decided, if it was not the score."`
	Trace    string        `json:"trace,omitempty" doc:"ID of the story of the message."`
}

// QuarantineQuery narrows what is listed; empty fields do not.
type QuarantineQuery struct {
	Paging
	Account string // address
	Domain  string
}

// errNoQuarantine is for data without a running server.
func (a *Admin) errNoQuarantine() error {
	if a.opts.Quarantine != nil {
		return nil
	}
	return &directory.Problem{Kind: ErrUnavailable, Text: "only a running server looks into the quarantine; start it with `mailstead serve`"}
}

// Quarantine returns what waits for release, the newest first.
func (a *Admin) Quarantine(ctx context.Context, q QuarantineQuery) (Page[Quarantined], error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return Page[Quarantined]{}, err
	}
	of, err := a.quarantineOf(p, q)
	if err != nil {
		return Page[Quarantined]{}, err
	}
	return a.quarantinePage(ctx, of, q.Paging, p.May(ChangePeople), false)
}

// MyQuarantine returns what waits for one's own word, the newest first.
func (a *Admin) MyQuarantine(ctx context.Context, page Paging) (Page[Quarantined], error) {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return Page[Quarantined]{}, err
	}
	return a.quarantinePage(ctx, []mailbox.AccountID{mailbox.AccountID(p.Account)}, page, true, true)
}

// quarantineOf returns the accounts that a query is about; nil is all.
func (a *Admin) quarantineOf(p Principal, q QuarantineQuery) ([]mailbox.AccountID, error) {
	var domain mail.Domain
	var address string
	if q.Domain != "" {
		d, err := mail.ParseDomain(q.Domain)
		if err != nil {
			return nil, At("domain", invalid("%q is no domain name", q.Domain))
		}
		domain = d
	}
	if q.Account != "" {
		addr, err := mail.ParseAddress(q.Account)
		if err != nil {
			return nil, At("account", invalid("%q is no address", q.Account))
		}
		address = addr.Key()
	}
	if domain == "" && address == "" && p.allDomains() {
		return nil, nil
	}
	of := []mailbox.AccountID{}
	for _, acct := range a.opts.Directory.Accounts() {
		if p.sees(acct.Address.Domain) && (domain == "" || acct.Address.Domain == domain) && (address == "" || acct.Address.Key() == address) {
			of = append(of, mailbox.AccountID(acct.ID))
		}
	}
	return of, nil
}

// quarantinePage reads a page; subjects are left out without the right to see
// them, and the text is its owner's.
func (a *Admin) quarantinePage(ctx context.Context, of []mailbox.AccountID, page Paging, subjects, own bool) (Page[Quarantined], error) {
	if err := a.errNoQuarantine(); err != nil {
		return Page[Quarantined]{}, err
	}
	if err := a.opts.Traces.Flush(ctx); err != nil {
		return Page[Quarantined]{}, err
	}
	keys, err := a.opts.Quarantine.Keys(ctx, of)
	if err != nil {
		return Page[Quarantined]{}, err
	}
	after, err := page.after()
	if err != nil {
		return Page[Quarantined]{}, err
	}
	total := len(keys)
	list := Page[Quarantined]{Items: []Quarantined{}, Total: &total}
	from, found := slices.BinarySearchFunc(keys, after, func(k quarantine.Key, after string) int { return strings.Compare(quarantineSortKey(k), after) })
	if found {
		from++
	}
	keys = keys[from:]
	if n := page.limit(); len(keys) > n {
		list.Next = cursor(quarantineSortKey(keys[n-1]))
		keys = keys[:n]
	}
	for _, k := range keys {
		m, err := a.opts.Quarantine.Load(ctx, k.Account, k.UID)
		if errors.Is(err, mailbox.ErrNoMessage) || errors.Is(err, mailbox.ErrNoAccount) {
			continue // released meanwhile
		}
		if err != nil {
			return Page[Quarantined]{}, err
		}
		item := a.describeQuarantined(&m, subjects, own)
		if err := a.explainQuarantined(ctx, &item, m.Account); err != nil {
			return Page[Quarantined]{}, err
		}
		list.Items = append(list.Items, item)
	}
	return list, nil
}

// quarantineSortKey sorts as Key.Compare does.
func quarantineSortKey(k quarantine.Key) string {
	b := binary.BigEndian.AppendUint64(nil, ^uint64(k.Received.UnixNano()))
	b = binary.BigEndian.AppendUint32(b, uint32(k.Account))
	return string(binary.BigEndian.AppendUint32(b, ^uint32(k.UID)))
}

func (a *Admin) describeQuarantined(m *quarantine.Message, subjects, own bool) Quarantined {
	q := Quarantined{ID: quarantineID(m.Account, m.UID), Received: m.Received, From: authorText(m.From), Size: m.Size,
		Score: m.Score, Reasons: m.Reasons, Trace: string(m.Trace)}
	if q.Reasons == nil {
		q.Reasons = []mail.Reason{}
	}
	if acct, err := a.opts.Directory.Account(uint32(m.Account)); err == nil {
		q.Account = acct.Address.String()
	}
	if !m.To.IsNull() {
		q.To = m.To.String()
	}
	if subjects {
		q.Subject = m.Subject
	}
	if own {
		q.Preview = m.Preview
	}
	return q
}

// authorText is the first author as people read it.
func authorText(from []message.Address) string {
	for _, a := range from {
		if a.Host == "" { // begin or end of a group
			continue
		}
		text := a.Mailbox + "@" + a.Host
		if d, err := mail.ParseDomain(a.Host); err == nil {
			text = mail.Path{Local: a.Mailbox, Domain: d}.Display()
		}
		if a.Name != "" {
			text = a.Name + " <" + text + ">"
		}
		return text
	}
	return ""
}

func quarantineID(id mailbox.AccountID, uid mailbox.UID) string {
	return strconv.FormatUint(uint64(id), 10) + "-" + strconv.FormatUint(uint64(uid), 10)
}

func parseQuarantineID(s string) (mailbox.AccountID, mailbox.UID, error) {
	account, uid, _ := strings.Cut(s, "-")
	id, err := strconv.ParseUint(account, 10, 32)
	n, err2 := strconv.ParseUint(uid, 10, 32)
	if err != nil || err2 != nil || n == 0 {
		return 0, 0, noQuarantined(s)
	}
	return mailbox.AccountID(id), mailbox.UID(n), nil
}

func noQuarantined(id string) error {
	return &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no message " + id + " in quarantine; it may have been released"}
}

// QuarantinedMessage returns one message with the sentences of its reasons.
func (a *Admin) QuarantinedMessage(ctx context.Context, id string) (Quarantined, error) {
	p, err := authorize(ctx, SeeFlow)
	if err != nil {
		return Quarantined{}, err
	}
	return a.quarantined(ctx, id, func(acct directory.Account) bool { return p.sees(acct.Address.Domain) }, p.May(ChangePeople), false)
}

// MyQuarantinedMessage is the same for one's own mail.
func (a *Admin) MyQuarantinedMessage(ctx context.Context, id string) (Quarantined, error) {
	p, _, err := a.authorizeMe(ctx)
	if err != nil {
		return Quarantined{}, err
	}
	return a.quarantined(ctx, id, func(acct directory.Account) bool { return acct.ID == p.Account }, true, true)
}

func (a *Admin) quarantined(ctx context.Context, id string, may func(directory.Account) bool, subjects, own bool) (Quarantined, error) {
	account, uid, err := parseQuarantineID(id)
	if err != nil {
		return Quarantined{}, err
	}
	if err := a.errNoQuarantine(); err != nil {
		return Quarantined{}, err
	}
	if err := a.opts.Traces.Flush(ctx); err != nil {
		return Quarantined{}, err
	}
	acct, err := a.opts.Directory.Account(uint32(account))
	if err != nil || !may(acct) {
		return Quarantined{}, noQuarantined(id)
	}
	m, err := a.opts.Quarantine.Load(ctx, account, uid)
	if errors.Is(err, mailbox.ErrNoMessage) || errors.Is(err, mailbox.ErrNoAccount) {
		return Quarantined{}, noQuarantined(id)
	}
	if err != nil {
		return Quarantined{}, err
	}
	q := a.describeQuarantined(&m, subjects, own)
	return q, a.explainQuarantined(ctx, &q, m.Account)
}

// explainQuarantined takes from the trace why a message is where it is, if there
// still is one.
func (a *Admin) explainQuarantined(ctx context.Context, q *Quarantined, id mailbox.AccountID) error {
	if q.Trace == "" {
		return nil
	}
	t, err := a.opts.Traces.Show(ctx, trace.ID(q.Trace))
	if errors.Is(err, trace.ErrNotFound) {
		q.Trace = ""
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range t.Events {
		if e.Kind == trace.Verdict && e.Fields["account"] == strconv.FormatUint(uint64(id), 10) {
			var reasons []mail.Reason
			if json.Unmarshal([]byte(e.Fields[trace.Reasons]), &reasons) == nil && len(reasons) > 0 {
				q.Reasons = reasons
			}
			if by := e.Fields["by"]; by != string(verdict.ByScore) {
				q.Decided = e.Fields["reason"]
			}
		}
	}
	return nil
}
