package admin

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/alerts"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/webhooks"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
)

// Teller makes events for webhooks of what happens here. A nil Teller tells
// nothing. Its methods may be called concurrently.
type Teller struct {
	Webhooks  *webhooks.Book
	Directory *directory.Directory
}

// MessageEvent is what a webhook is told of a message: never what it says.
type MessageEvent struct {
	Trace     string    `json:"trace"` // its story
	Direction string    `json:"direction,omitempty"`
	From      string    `json:"from"` // "": the null reverse-path
	To        []string  `json:"to"`   // that the event is about
	MessageID string    `json:"messageId,omitempty"`
	Size      int64     `json:"size,omitempty"`
	RemoteIP  string    `json:"remoteIp,omitempty"`
	Login     string    `json:"login,omitempty"`
	Junk      bool      `json:"junk,omitempty"`
	Status    string    `json:"status,omitempty"` // enhanced status code
	Reason    string    `json:"reason,omitempty"`
	Mailbox   string    `json:"mailbox,omitempty"`
	MX        string    `json:"mx,omitempty"`
	Reply     string    `json:"reply,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`
	Next      time.Time `json:"next,omitzero"`
	Report    bool      `json:"report,omitempty"` // a delivery report of ours
}

// AccountEvent is what a webhook is told of an account.
type AccountEvent struct {
	Address string `json:"address"`
	Action  string `json:"action"` // as in the audit log
	Actor   string `json:"actor"`
}

// Message tells of what was added to the trace of a message.
func (t *Teller) Message(w trace.Written) {
	if t == nil || t.Webhooks == nil {
		return
	}
	for i := range w.Said {
		t.outcome(&w, &w.Said[i])
	}
	for _, events := range w.Events {
		for i := range events {
			t.step(&w, &events[i])
		}
	}
}

// outcome tells how a session has ended.
func (t *Teller) outcome(w *trace.Written, said *trace.Summary) {
	about := MessageEvent{Status: said.Status, Reason: said.Reason, Junk: said.Junk}
	switch {
	case said.Outcome == "refused":
		t.emit(webhooks.MessageRefused, said.Last, w, nil, about)
	case said.Outcome == "accepted" && w.Direction == "in":
		t.emit(webhooks.MessageReceived, said.Last, w, nil, about)
		if said.Quarantined {
			t.emit(webhooks.MessageQuarantined, said.Last, w, nil, about)
		}
	}
}

// attempts are events by the result of an attempt to deliver.
var attempts = map[string]string{"delivered": webhooks.MessageDelivered, "deferred": webhooks.MessageDeferred, "bounced": webhooks.MessageBounced}

// step tells of one event of a trace, if it is one that others are told of.
func (t *Teller) step(w *trace.Written, e *trace.Event) {
	f := e.Fields
	about := MessageEvent{Status: f["status"], Mailbox: f["mailbox"], MX: f["mx"], Reply: f["reply"]}
	var to *mail.Path
	if p, err := mail.ParseAddress(f["rcpt_to"]); err == nil {
		to = &p
	}
	switch e.Kind {
	case trace.Filed:
		if to != nil {
			t.emit(webhooks.MessageFiled, e.Time, w, to, about)
		}
	case trace.Queued:
		about.Report = f["about"] != ""
		if about.Report || f["recipients"] != "" {
			t.emit(webhooks.MessageQueued, e.Time, w, nil, about)
		}
	case trace.Attempt:
		about.Attempt, _ = strconv.Atoi(f["attempt"])
		about.Next, _ = time.Parse(time.RFC3339, f["next"])
		if kind := attempts[f["result"]]; kind != "" && to != nil {
			t.emit(kind, e.Time, w, to, about)
		}
	}
}

// emit tells of a message. A webhook of some domains is told what an admin of
// those domains may see.
func (t *Teller) emit(kind string, at time.Time, w *trace.Written, to *mail.Path, about MessageEvent) {
	t.Webhooks.Emit(webhooks.Event{Type: kind, Time: at, Domains: traceDomains(&w.Summary), Data: func(h *webhooks.Hook) any {
		if !t.may(h) {
			return nil
		}
		p := hookPrincipal(h).partOf(&w.Summary, slices.Concat(w.Events...))
		s := p.summary(w.Summary)
		v := about
		v.Trace, v.Direction, v.From, v.MessageID, v.Size = string(s.ID), s.Direction, s.ReversePath.String(), s.MessageID, s.Size
		v.RemoteIP, v.Login, v.To, v.Reason, v.Reply = s.RemoteIP, s.Login, []string{}, p.text(about.Reason), p.text(about.Reply)
		if s.ReversePath.IsNull() {
			v.From = ""
		}
		if to != nil {
			if !p.sees(*to) {
				return nil
			}
			v.To = []string{to.String()}
			return v
		}
		for _, r := range s.Recipients {
			v.To = append(v.To, r.String())
		}
		if len(v.To) == 0 && h.Domains != nil {
			return nil
		}
		return v
	}})
}

// hookPrincipal is who may see what a webhook is told.
func hookPrincipal(h *webhooks.Hook) Principal {
	if h.Domains == nil {
		return Principal{Kind: KindSystem, Role: directory.RoleOwner}
	}
	return Principal{Kind: KindSystem, Role: directory.RoleDomainAdmin, Domains: h.Domains}
}

// may reports whether who made a webhook may see still what it is told: one of
// a domain admin ends with their role.
func (t *Teller) may(h *webhooks.Hook) bool {
	if h.Wide {
		return true
	}
	maker, ok := t.maker(h.Creator)
	return ok && maker.May(UseWebhooks) && !slices.ContainsFunc(h.Domains, func(d mail.Domain) bool { return !maker.sees(d) })
}

// maker is who has made a webhook, as they are now: a person, or a key.
func (t *Teller) maker(creator string) (Principal, bool) {
	if rest, ok := strings.CutPrefix(creator, "key "); ok {
		id, _, _ := strings.Cut(rest, " ")
		k, err := t.Directory.APIKey(id)
		return Principal{Kind: KindKey, Role: k.Role, Domains: k.Domains}, err == nil
	}
	addr, err := mail.ParseAddress(creator)
	if err != nil {
		return Principal{}, false
	}
	a, err := t.Directory.AccountByAddress(addr)
	return Principal{Kind: KindUser, Role: a.Role, Domains: a.Domains}, err == nil && !a.Suspended
}

// Account tells of a change of an account, which is one of the audit log.
func (t *Teller) Account(e directory.AuditEntry) {
	action, ok := strings.CutPrefix(e.Action, "account.")
	if t == nil || !ok || changesNothing(action) {
		return
	}
	kind := map[string]string{"add": webhooks.AccountAdded, "remove": webhooks.AccountRemoved}[action]
	if kind == "" {
		kind = webhooks.AccountChanged
	}
	addr, err := mail.ParseAddress(e.Object)
	if err != nil {
		return
	}
	t.Webhooks.Emit(webhooks.Event{Type: kind, Time: e.Time, Domains: []mail.Domain{addr.Domain}, Data: func(h *webhooks.Hook) any {
		if !t.may(h) {
			return nil
		}
		return AccountEvent{e.Object, e.Action, e.Actor}
	}})
}

// changesNothing reports whether something in the audit log of an account is no
// change of it: a link by which somebody can set a password, until it is used,
// and mail that was taken out.
func changesNothing(action string) bool {
	switch action {
	case string(directory.Invite), string(directory.Reset), "export":
		return true
	}
	return false
}

// check tells of a check that has another state than before.
func (t *Teller) check(c CheckChange) {
	if t == nil {
		return
	}
	var of []mail.Domain
	if d, ok := strings.CutPrefix(c.ID, "dns."); ok {
		of = []mail.Domain{mail.Domain(d)}
	}
	t.Webhooks.Emit(webhooks.Event{Type: webhooks.CheckChanged, Time: c.At, Domains: of, Data: func(h *webhooks.Hook) any {
		if !t.may(h) {
			return nil
		}
		return c
	}})
}

// alert tells of an alert that people are told of.
func (t *Teller) alert(c alerts.Change) {
	if t == nil {
		return
	}
	kind := webhooks.AlertFired
	if c.Event == alerts.ResolvedNow {
		kind = webhooks.AlertResolved
	}
	var of []mail.Domain
	if c.Alert.Domain != "" {
		of = []mail.Domain{mail.Domain(c.Alert.Domain)}
	}
	t.Webhooks.Emit(webhooks.Event{Type: kind, Time: c.Alert.Told, Domains: of, Data: func(h *webhooks.Hook) any {
		if !t.may(h) {
			return nil
		}
		return c
	}})
}
