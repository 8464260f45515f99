package admin

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mail/trace"
	"github.com/mailstead/mailstead/mail/verdict"
)

// RuleScope says for whom a list or a policy is, in the words of people: all
// empty is the whole server.
type RuleScope struct {
	Domain  string `json:"domain,omitempty" maxLength:"253" doc:"For all accounts of this domain."`
	Account string `json:"account,omitempty" maxLength:"320" doc:"For this account."`
}

// ListEntry is somebody or something whose mail is always taken, or never.
type ListEntry struct {
	Kind    verdict.Verb `json:"kind" enum:"allow,block"`
	Entry   string       `json:"entry" minLength:"1" maxLength:"320" doc:"ana@example.org, @example.org for a domain, .example.org for a domain and all below it, or a network such as 192.0.2.0/24."`
	Note    string       `json:"note,omitempty" maxLength:"500"`
	Created time.Time    `json:"created,omitzero"`
}

func describeEntry(e verdict.Entry) ListEntry {
	return ListEntry{Kind: e.Verb, Entry: e.Subject, Note: e.Note, Created: e.Created}
}

// scope finds whom a rule is for, if the principal has the right r there; that
// of the server itself needs wide.
func (a *Admin) scope(ctx context.Context, s RuleScope, wide, r Right) (directory.RuleScope, error) {
	switch {
	case s.Domain != "" && s.Account != "":
		return directory.RuleScope{}, At("domain", invalid("name a domain or an account, not both"))
	case s.Account != "":
		acct, err := a.findAccount(ctx, r, s.Account)
		return directory.RuleScope{Account: acct.ID}, err
	case s.Domain != "":
		d, err := mail.ParseDomain(s.Domain)
		if err != nil {
			return directory.RuleScope{}, At("domain", invalid("%q is no domain name", s.Domain))
		}
		if _, err := authorizeDomain(ctx, r, d); err != nil {
			return directory.RuleScope{}, err
		}
		_, err = a.opts.Directory.Domain(d)
		return directory.RuleScope{Domain: d}, err
	}
	p, err := authorize(ctx, wide)
	if err == nil && !p.allDomains() {
		err = &directory.Problem{Kind: ErrForbidden, Text: "name a domain or an account of yours; only owners and admins look at the whole server"}
	}
	return directory.RuleScope{}, err
}

// List returns whose mail is always taken, or never.
func (a *Admin) List(ctx context.Context, s RuleScope) (Page[ListEntry], error) {
	scope, err := a.scope(ctx, s, SeePeople, SeePeople)
	if err != nil {
		return Page[ListEntry]{}, err
	}
	return a.list(scope), nil
}

func (a *Admin) list(s directory.RuleScope) Page[ListEntry] {
	items := []ListEntry{}
	for _, e := range a.opts.Directory.ListEntries(s) {
		items = append(items, describeEntry(e))
	}
	return whole(items)
}

// MyList returns the list of one's own account.
func (a *Admin) MyList(ctx context.Context) (Page[ListEntry], error) {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return Page[ListEntry]{}, err
	}
	return a.list(directory.RuleScope{Account: acct.ID}), nil
}

// PutListEntry adds an entry, or changes the one about the same.
func (a *Admin) PutListEntry(ctx context.Context, s RuleScope, e ListEntry) (ListEntry, error) {
	scope, err := a.scope(ctx, s, ChangeSystem, ChangePeople)
	if err != nil {
		return ListEntry{}, err
	}
	return a.putEntry(ctx, scope, e)
}

func (a *Admin) putEntry(ctx context.Context, s directory.RuleScope, e ListEntry) (ListEntry, error) {
	put, err := a.opts.Directory.PutListEntry(ctx, Actor(ctx), s, verdict.Entry{Verb: e.Kind, Subject: e.Entry, Note: strings.TrimSpace(e.Note)})
	return describeEntry(put), At("entry", err)
}

// PutMyListEntry does it in the list of one's own account.
func (a *Admin) PutMyListEntry(ctx context.Context, e ListEntry) (ListEntry, error) {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return ListEntry{}, err
	}
	return a.putEntry(ctx, directory.RuleScope{Account: acct.ID}, e)
}

// RemoveListEntry takes an entry out.
func (a *Admin) RemoveListEntry(ctx context.Context, s RuleScope, entry string) error {
	scope, err := a.scope(ctx, s, ChangeSystem, ChangePeople)
	if err != nil {
		return err
	}
	return a.opts.Directory.RemoveListEntry(ctx, Actor(ctx), scope, entry)
}

// RemoveMyListEntry takes an entry out of the list of one's own account.
func (a *Admin) RemoveMyListEntry(ctx context.Context, entry string) error {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return err
	}
	return a.opts.Directory.RemoveListEntry(ctx, Actor(ctx), directory.RuleScope{Account: acct.ID}, entry)
}

// SenderOf names a message whose sender is to be allowed.
type SenderOf struct {
	Trace string `json:"trace" minLength:"1" maxLength:"200" doc:"ID of the message, as its story or the quarantine has it."`
}

// AllowSender puts the author of a message on the list of a scope, or its
// reverse-path where nothing is known of an author: it was refused before.
func (a *Admin) AllowSender(ctx context.Context, s RuleScope, of SenderOf) (ListEntry, error) {
	scope, err := a.scope(ctx, s, ChangeSystem, ChangePeople)
	if err != nil {
		return ListEntry{}, err
	}
	p := PrincipalOf(ctx)
	return a.allowSender(ctx, scope, of, p.seesTrace)
}

// AllowMySender puts the author of a message to oneself on one's own list.
func (a *Admin) AllowMySender(ctx context.Context, of SenderOf) (ListEntry, error) {
	_, acct, err := a.authorizeMe(ctx)
	if err != nil {
		return ListEntry{}, err
	}
	return a.allowSender(ctx, directory.RuleScope{Account: acct.ID}, of, func(t *trace.Summary) bool { return a.reaches(ctx, t, acct.ID) })
}

// reaches reports whether a message was for an account.
func (a *Admin) reaches(ctx context.Context, t *trace.Summary, account uint32) bool {
	for _, to := range t.Recipients {
		if id, _, err := a.opts.Directory.Resolve(ctx, to); err == nil && id == account {
			return true
		}
	}
	return false
}

func (a *Admin) allowSender(ctx context.Context, s directory.RuleScope, of SenderOf, may func(*trace.Summary) bool) (ListEntry, error) {
	if err := a.opts.Traces.Flush(ctx); err != nil {
		return ListEntry{}, err
	}
	t, err := a.opts.Traces.Show(ctx, trace.ID(of.Trace))
	if err == nil && !may(&t.Summary) {
		err = trace.ErrNotFound
	}
	if errors.Is(err, trace.ErrNotFound) {
		return ListEntry{}, &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no trace " + of.Trace + " any more; add the address to the list by hand"}
	}
	if err != nil {
		return ListEntry{}, err
	}
	sender := senderOf(&t)
	if sender == "" {
		return ListEntry{}, At("trace", invalid("nothing is known of who sent this message"))
	}
	return a.putEntry(ctx, s, ListEntry{Kind: verdict.Allow, Entry: sender, Note: "sender of " + of.Trace})
}

// senderOf is the author that the checks saw, else the reverse-path.
func senderOf(t *trace.Trace) string {
	for _, e := range t.Events {
		if author := e.Fields["author"]; e.Kind == trace.Verdict && author != "" {
			return author
		}
	}
	if t.ReversePath.IsNull() {
		return ""
	}
	return t.ReversePath.String()
}
