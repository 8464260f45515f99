package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mail"
)

// Refusals, for errors.Is. Their texts are sentences.
var (
	// ErrSignedOut means that nobody is signed in.
	ErrSignedOut = errors.New("admin: signed out")
	// ErrForbidden means that the role or key does not have the right.
	ErrForbidden = errors.New("admin: forbidden")
	// ErrReauth means that the person has to show again who they are, because
	// what they want is dangerous in the hands of somebody at their desk.
	ErrReauth = errors.New("admin: sign in again")
)

// Role is what an account is.
type Role = directory.Role

// Right is something that a role may do. The names are also the scopes that
// an API key can be narrowed to.
type Right string

const (
	OwnAccount    Right = "me"             // one's own account
	SeeFlow       Right = "flow:read"      // overview, checks, metrics, queue, traces
	ActOnQueue    Right = "queue:write"    // retry, hold, release, cancel, reroute
	SeeDomains    Right = "domains:read"   // domains, their records and public keys
	ChangeDomains Right = "domains:write"  // their settings and keys
	AddDomains    Right = "domains:add"    // add and remove them
	SeePeople     Right = "people:read"    // accounts, aliases, devices
	ChangePeople  Right = "people:write"   // the same
	SeeSignIns    Right = "sign-ins:read"  // sign-ins and bans
	LiftBans      Right = "sign-ins:write" // end bans
	ChangeSystem  Right = "system"         // settings, certificates, keys, logs
	SeeAudit      Right = "audit:read"     // who changed what
	GiveRoles     Right = "roles:write"    // make admins and owners, and undo changes of security
	SeeMetrics    Right = "metrics"        // /metrics
	UseWebhooks   Right = "webhooks"       // see and make webhooks
)

// rightsOf are what a role may do; nothing else.
func rightsOf(r Role) []Right {
	switch r {
	case directory.RoleOwner:
		return []Right{OwnAccount, SeeFlow, ActOnQueue, SeeDomains, ChangeDomains, AddDomains, SeePeople, ChangePeople, SeeSignIns, LiftBans, ChangeSystem, SeeAudit, GiveRoles, SeeMetrics, UseWebhooks}
	case directory.RoleAdmin:
		return []Right{OwnAccount, SeeFlow, ActOnQueue, SeeDomains, ChangeDomains, AddDomains, SeePeople, ChangePeople, SeeSignIns, LiftBans, ChangeSystem, SeeAudit, SeeMetrics, UseWebhooks}
	case directory.RoleDomainAdmin:
		return []Right{OwnAccount, SeeFlow, SeeDomains, SeePeople, ChangePeople, SeeSignIns, SeeAudit, UseWebhooks}
	case directory.RoleSupport:
		return []Right{OwnAccount, SeeFlow, SeeDomains, SeePeople, SeeSignIns}
	case directory.RoleUser:
		return []Right{OwnAccount}
	}
	return nil
}

// Kind says how a principal came in.
type Kind string

const (
	KindUser   Kind = "user"   // signed in with a browser
	KindKey    Kind = "key"    // an API key
	KindSocket Kind = "socket" // the local admin socket, or the data itself
	KindSetup  Kind = "setup"  // the browser of the first-run wizard
	KindSystem Kind = "system" // the server on its own behalf
)

// Principal is who asks. The zero value is nobody.
type Principal struct {
	Kind    Kind
	Account uint32        // of a user; 0 for the others
	Address string        // of a user
	Role    Role          // of the account, or of the key
	Domains []mail.Domain // of a domain admin
	Scopes  []Right       // nil: all rights of the role

	SessionID string
	Sudo      bool // has shown who they are in the last minutes
	session   directory.Session
	KeyID     string // of an API key

	Name string // for the audit log; the address if empty
}

// May reports whether the role, and the scopes if there are any, have a right.
func (p Principal) May(r Right) bool {
	return slices.Contains(rightsOf(p.Role), r) && (p.Scopes == nil || slices.Contains(p.Scopes, r))
}

// allDomains reports whether the principal is not bound to some domains.
func (p Principal) allDomains() bool { return p.Role != directory.RoleDomainAdmin }

// domains are those that the principal is bound to; nil is all.
func (p Principal) domains() []mail.Domain {
	if p.allDomains() {
		return nil
	}
	return append([]mail.Domain{}, p.Domains...)
}

// sees reports whether a domain is one of the principal's.
func (p Principal) sees(d mail.Domain) bool { return p.allDomains() || slices.Contains(p.Domains, d) }

// mayChange reports whether the principal may change an account of a role: no
// role changes those that may do more than itself.
func (p Principal) mayChange(r Role) bool {
	switch {
	case p.Scopes != nil: // a narrow key must not get at the rights of people
	case p.Role == directory.RoleOwner:
		return true
	case p.Role == directory.RoleAdmin:
		return r != directory.RoleOwner
	}
	return r == directory.RoleUser || r == ""
}

// trusted reports whether the principal never has to sign in again: who is on
// the socket has the data folder anyway, and keys have their own limits.
func (p Principal) trusted() bool { return p.Sudo || p.Kind != KindUser }

// SudoUntil is until when the principal need not show again who they are.
func (p Principal) SudoUntil() time.Time {
	if !p.Sudo {
		return time.Time{}
	}
	return p.session.Sudo
}

// owner is whose something is that a principal begins: that of a person, in
// whichever browser, of one key, or of those who have the data folder.
func (p Principal) owner() string {
	switch p.Kind {
	case KindUser:
		return fmt.Sprint("account ", p.Account)
	case KindKey:
		return "key " + p.KeyID
	}
	return string(p.Kind)
}

// actor is the principal in the audit log.
func (p Principal) actor() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Address
}

// Lives reports whether a principal is still who it was when it came in, for
// what outlasts a request. It does not count as use.
func (a *Admin) Lives(ctx context.Context, p Principal) bool {
	switch p.Kind {
	case KindUser:
		acct, err := a.opts.Directory.Account(p.Account)
		return err == nil && acct.Role == p.Role && slices.Equal(acct.Domains, p.Domains) && a.opts.SignIn.Lives(ctx, p.session) == nil
	case KindKey:
		k, err := a.opts.Directory.APIKey(p.KeyID)
		return err == nil && a.makerMay(k) && (k.Expires.IsZero() || k.Expires.After(a.opts.Now()))
	}
	return true
}

type principalKey struct{}

// WithPrincipal says who asks in a context.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalOf returns who asks; the zero value if nobody was named.
func PrincipalOf(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}

// AsOwner is for those who have the data folder in their hands: the local
// socket, and the command line while no server runs. actor is written to the
// audit log.
func AsOwner(ctx context.Context, actor string) context.Context {
	return WithPrincipal(ctx, Principal{Kind: KindSocket, Role: directory.RoleOwner, Name: actor})
}

// Actor returns who makes changes, for the audit log.
func Actor(ctx context.Context) string {
	if actor := PrincipalOf(ctx).actor(); actor != "" {
		return actor
	}
	return "system"
}

// authorize returns who asks if they have a right. Each method of Admin begins
// with it, or with one of its likes: what is not allowed is refused.
func authorize(ctx context.Context, r Right) (Principal, error) {
	p := PrincipalOf(ctx)
	if p.Kind == "" {
		return p, &directory.Problem{Kind: ErrSignedOut, Text: "sign in first"}
	}
	if !p.May(r) || r != OwnAccount && !p.allDomains() && len(p.Domains) == 0 {
		return p, &directory.Problem{Kind: ErrForbidden, Text: "your role (" + string(p.Role) + ") does not allow this"}
	}
	return p, nil
}

// authorizeSudo is authorize for what is dangerous.
func authorizeSudo(ctx context.Context, r Right) (Principal, error) {
	p, err := authorize(ctx, r)
	if err == nil && !p.trusted() {
		err = &directory.Problem{Kind: ErrReauth, Text: "show again that it is you: with your password, a code or a passkey"}
	}
	return p, err
}

// authorizeDomain is authorize for something of a domain. Somebody of other
// domains is told that there is no such domain.
func authorizeDomain(ctx context.Context, r Right, d mail.Domain) (Principal, error) {
	p, err := authorize(ctx, r)
	if err == nil && !p.sees(d) {
		err = directory.NoDomain(d)
	}
	return p, err
}
