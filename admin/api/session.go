package api

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/signin"
)

// Session says who is signed in.
type Session struct {
	SignedIn  bool            `json:"signedIn"`
	Next      string          `json:"next,omitempty" enum:"totp" doc:"What is missing: a code of the authenticator app, or a recovery code."`
	Account   *SessionAccount `json:"account,omitempty"`
	SudoUntil time.Time       `json:"sudoUntil,omitzero" doc:"Until when dangerous acts need no new proof."`
	Methods   SignInMethods   `json:"methods"`
	Setup     bool            `json:"setup" doc:"The first-run wizard is open."`
	Version   string          `json:"version"`
	Hostname  string          `json:"hostname"`
	Banner    string          `json:"banner,omitempty" doc:"To show on every page."`
}

// SessionAccount is who is signed in.
type SessionAccount struct {
	Address string     `json:"address"`
	Name    string     `json:"name,omitempty"`
	Role    admin.Role `json:"role" enum:"user,support,domain-admin,admin,owner"`
	Domains []string   `json:"domains,omitempty" doc:"Of a domain admin."`
}

// SignInMethods are how one can sign in, or prove again who one is.
type SignInMethods struct {
	Password bool `json:"password"`
	Passkey  bool `json:"passkey" doc:"Passkeys work at this address; of somebody signed in: they have one."`
	TOTP     bool `json:"totp" doc:"Of somebody signed in: they have an authenticator app."`
}

// signedIn is an answer that sets cookies.
type signedIn struct {
	SetCookie []string `header:"Set-Cookie" hidden:"true"`
	Body      Session
}

// gone is an answer that takes cookies away.
type gone struct {
	SetCookie []string `header:"Set-Cookie" hidden:"true"`
}

func (s *Server) sessionRoutes() {
	handle(s, operation{id: "get-session", method: "GET", path: "/session", summary: "Say who is signed in.", public: true},
		func(ctx context.Context, _ *none) (*body[Session], error) { return answer(s.session(ctx)) })
	s.passwordRoutes()
	s.passkeyRoutes()
	s.linkRoutes()
	handle(s, operation{id: "sign-out", method: "DELETE", path: "/session", summary: "Sign out."},
		func(ctx context.Context, _ *none) (*gone, error) {
			err := s.admin.SignOut(ctx)
			return &gone{[]string{cookie(sessionCookie, "", -1)}}, err
		})
	handle(s, operation{id: "reauth", method: "POST", path: "/session:reauth", summary: "Prove again who you are: by password, code or passkey."},
		func(ctx context.Context, in *struct{ Body Proof }) (*body[Session], error) {
			if err := s.admin.Reauth(ctx, clientOf(ctx).Client, admin.Proof(in.Body)); err != nil {
				return nil, err
			}
			return answer(s.session(s.again(ctx)))
		})
	handle(s, operation{id: "reauth-passkey-begin", method: "POST", path: "/session:reauth-begin", summary: "Begin to prove by a passkey who you are."},
		func(ctx context.Context, _ *none) (*body[Ceremony], error) {
			c, err := s.admin.ReauthBegin(ctx, clientOf(ctx).Client)
			return answer(ceremony(c), err)
		})
}

// Proof is one of a password, a code, and what a passkey has signed.
type Proof struct {
	Password   string          `json:"password,omitempty" maxLength:"1000"`
	Code       string          `json:"code,omitempty" maxLength:"100"`
	Ticket     string          `json:"ticket,omitempty" maxLength:"200"`
	Credential json.RawMessage `json:"credential,omitempty" doc:"AuthenticationResponseJSON of the browser."`
}

// Ceremony is what a browser needs to ask for a passkey.
type Ceremony struct {
	PublicKey json.RawMessage `json:"publicKey" doc:"Options for navigator.credentials, as JSON."`
	Ticket    string          `json:"ticket" doc:"To send back with the credential."`
}

func ceremony(c signin.Ceremony) Ceremony {
	return Ceremony{PublicKey: c.PublicKey, Ticket: c.Ticket}
}

// session describes who is signed in.
func (s *Server) session(ctx context.Context) (Session, error) {
	v := Session{Version: s.opts.Version, Hostname: s.admin.Hostname(), Banner: s.opts.Banner, Methods: SignInMethods{Password: true}}
	v.Setup = s.opts.Setup != nil && s.opts.Setup.Open(ctx)
	in, p := s.admin.SignIn(), admin.PrincipalOf(ctx)
	if in != nil {
		v.Methods.Passkey = in.PasskeysAt(clientOf(ctx).Host)
	}
	if p.Kind == "" || p.Kind == admin.KindSetup {
		return v, nil
	}
	v.SignedIn = true
	v.Account = &SessionAccount{Address: p.Address, Role: p.Role}
	for _, d := range p.Domains {
		v.Account.Domains = append(v.Account.Domains, string(d))
	}
	if p.Kind != admin.KindUser {
		return v, nil
	}
	me, err := s.admin.Me(ctx)
	v.Account.Name, v.SudoUntil = me.Name, p.SudoUntil()
	v.Methods = SignInMethods{Password: me.PasswordSet, Passkey: v.Methods.Passkey && me.Passkeys > 0, TOTP: me.TOTP}
	return v, err
}

// again reads the session once more, after it has changed.
func (s *Server) again(ctx context.Context) context.Context {
	from := clientOf(ctx)
	session, acct, err := s.admin.SignIn().Session(ctx, from.Client, from.cookies[sessionCookie])
	if err != nil {
		return ctx
	}
	return admin.WithPrincipal(ctx, admin.SignedIn(session, acct, s.admin.SignIn().Sudo(session)))
}

// begun answers a step of a sign-in: with a session, or with a ticket for the
// next step.
func (s *Server) begun(ctx context.Context, r signin.Result, remember bool, err error) (*signedIn, error) {
	if err != nil {
		return nil, err
	}
	if r.Ticket != "" {
		v, err := s.session(ctx)
		v.SignedIn, v.Account, v.Next = false, nil, "totp"
		ticket := r.Ticket
		if remember {
			ticket = "r." + ticket
		}
		return &signedIn{[]string{cookie(ticketCookie, ticket, ticketLife)}, v}, err
	}
	if p := admin.PrincipalOf(ctx); p.SessionID != "" && p.SessionID != r.Session.ID {
		if err := s.admin.SignOut(ctx); err != nil {
			return nil, err
		}
	}
	life := time.Duration(0)
	if remember {
		life = sessionLife
	}
	v, err := s.session(admin.WithPrincipal(ctx, admin.SignedIn(r.Session, r.Account, s.admin.SignIn().Sudo(r.Session))))
	return &signedIn{[]string{cookie(sessionCookie, r.Token, life), cookie(ticketCookie, "", -1)}, v}, err
}

// ticket returns the ticket of a sign-in that was begun, and whether the
// browser is to be remembered.
func ticket(ctx context.Context) (string, bool) {
	return strings.CutPrefix(clientOf(ctx).cookies[ticketCookie], "r.")
}

// codeBody is a code of an authenticator app, or a recovery code.
type codeBody struct {
	Code string `json:"code" minLength:"1" maxLength:"100"`
}

// credentials are what one signs in with.
type credentials struct {
	Address  string `json:"address" maxLength:"320"`
	Password string `json:"password" maxLength:"1000"`
	Remember bool   `json:"remember,omitempty" doc:"Stay signed in when the browser is closed."`
}

func (s *Server) passwordRoutes() {
	handle(s, operation{id: "sign-in", method: "POST", path: "/session", summary: "Sign in by address and password.", public: true, signIn: true},
		func(ctx context.Context, in *struct{ Body credentials }) (*signedIn, error) {
			r, err := s.admin.SignIn().Password(ctx, clientOf(ctx).Client, in.Body.Address, in.Body.Password)
			return s.begun(ctx, r, in.Body.Remember, err)
		})
	for _, verb := range []struct {
		name, summary string
		finish        func(*signin.Service, context.Context, signin.Client, string, string) (signin.Result, error)
	}{
		{"totp", "Go on with a code of the authenticator app.", (*signin.Service).TOTP},
		{"recovery", "Go on with a recovery code.", (*signin.Service).Recovery},
	} {
		handle(s, operation{id: "sign-in-" + verb.name, method: "POST", path: "/session:" + verb.name, summary: verb.summary, public: true, signIn: true},
			func(ctx context.Context, in *struct{ Body codeBody }) (*signedIn, error) {
				ticket, remember := ticket(ctx)
				r, err := verb.finish(s.admin.SignIn(), ctx, clientOf(ctx).Client, ticket, in.Body.Code)
				return s.begun(ctx, r, remember, err)
			})
	}
}

// passkeyOwner is whose passkey is asked for.
type passkeyOwner struct {
	Address string `json:"address,omitempty" maxLength:"320" doc:"Without one the browser offers all passkeys it knows for this server."`
}

// passkeyProof is what a passkey has signed.
type passkeyProof struct {
	Ticket     string          `json:"ticket" maxLength:"200"`
	Credential json.RawMessage `json:"credential" doc:"AuthenticationResponseJSON of the browser."`
	Remember   bool            `json:"remember,omitempty"`
}

func (s *Server) passkeyRoutes() {
	handle(s, operation{id: "sign-in-passkey-begin", method: "POST", path: "/session:passkey-begin", summary: "Begin to sign in by a passkey.", public: true, signIn: true},
		func(ctx context.Context, in *struct{ Body passkeyOwner }) (*body[Ceremony], error) {
			c, err := s.admin.SignIn().PasskeyBegin(ctx, clientOf(ctx).Client, in.Body.Address)
			return answer(ceremony(c), err)
		})
	handle(s, operation{id: "sign-in-passkey-finish", method: "POST", path: "/session:passkey-finish", summary: "Sign in by a passkey.", public: true, signIn: true},
		func(ctx context.Context, in *struct{ Body passkeyProof }) (*signedIn, error) {
			r, err := s.admin.SignIn().PasskeyFinish(ctx, clientOf(ctx).Client, in.Body.Ticket, in.Body.Credential)
			return s.begun(ctx, r, in.Body.Remember, err)
		})
}

// Link is what an invitation or a reset is for.
type Link struct {
	Address string    `json:"address"`
	Name    string    `json:"name,omitempty"`
	Purpose string    `json:"purpose" enum:"invite,reset"`
	Expires time.Time `json:"expires"`
}

// linkRoutes are for the links that people get. The token is a part of the
// path, which is not logged; the link itself has it in the fragment, which is
// not sent.
func (s *Server) linkRoutes() {
	type token struct {
		Token string `path:"token" maxLength:"200"`
	}
	handle(s, operation{id: "look-at-invite", method: "POST", path: "/invites/{token}:look", summary: "Say what the token of a link is for.", public: true, signIn: true},
		func(ctx context.Context, in *token) (*body[Link], error) {
			l, err := s.admin.SignIn().Look(ctx, in.Token)
			if err != nil {
				return nil, err
			}
			return answer(Link{Address: l.Account.Address.String(), Name: l.Account.Name, Purpose: string(l.Purpose), Expires: l.Expires}, nil)
		})
	type accept struct {
		Token string `path:"token" maxLength:"200"`
		Body  passwordBody
	}
	handle(s, operation{id: "accept-invite", method: "POST", path: "/invites/{token}:accept", summary: "Set the password that a link is for, and sign in.", public: true, signIn: true},
		func(ctx context.Context, in *accept) (*signedIn, error) {
			r, err := s.admin.SignIn().Accept(ctx, clientOf(ctx).Client, in.Token, in.Body.Password)
			return s.begun(ctx, r, false, admin.At("password", err))
		})
}
