package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/mailstead/mailstead/admin"
)

// passwordChange is another password for one's account.
type passwordChange struct {
	Current  string `json:"current" maxLength:"1000"`
	Password string `json:"password" minLength:"1" maxLength:"1000"`
}

func (s *Server) meRoutes() {
	handle(s, operation{id: "get-me", method: "GET", path: "/me", summary: "Show your account.", etag: true},
		func(ctx context.Context, _ *none) (*body[admin.Me], error) { return answer(s.admin.Me(ctx)) })
	handle(s, operation{id: "change-me", method: "PATCH", path: "/me", summary: "Change your account.", etag: true},
		func(ctx context.Context, in *struct {
			IfMatch
			Body admin.MeChange
		}) (*body[admin.Me], error) {
			return changeIf(s, in.IfMatch,
				func() (admin.Me, error) { return s.admin.Me(ctx) },
				func() (admin.Me, error) { return s.admin.SetMe(ctx, in.Body) })
		})
	handle(s, operation{id: "set-my-password", method: "POST", path: "/me:password", summary: "Set another password; all your other sessions end.", status: http.StatusNoContent},
		func(ctx context.Context, in *struct{ Body passwordChange }) (*none, error) {
			return nil, s.admin.SetMyPassword(ctx, clientOf(ctx).Client, in.Body.Current, in.Body.Password)
		})
	s.myPasskeyRoutes()
	s.myCodeRoutes()
	s.mySessionRoutes()
	handle(s, operation{id: "list-my-refusals", method: "GET", path: "/me/refusals", summary: "List messages to you that were refused or filed to Junk, newest first."},
		func(ctx context.Context, in *Paging) (*body[admin.Page[admin.TraceSummary]], error) {
			return answer(s.admin.MyRefusals(ctx, in.page()))
		})
	handle(s, operation{id: "get-my-client-setup", method: "GET", path: "/me/client-setup", summary: "Say what to type into a mail program."},
		func(ctx context.Context, _ *none) (*body[admin.ClientSetup], error) {
			return answer(s.admin.MyClientSetup(ctx))
		})
}

// IDPath names a thing by its ID.
type IDPath struct {
	ID string `path:"id" maxLength:"200"`
}

// newPasskey is what the browser has made.
type newPasskey struct {
	Ticket     string          `json:"ticket" maxLength:"200"`
	Credential json.RawMessage `json:"credential" doc:"RegistrationResponseJSON of the browser."`
	Label      string          `json:"label" maxLength:"100"`
}

// labelBody is another label.
type labelBody struct {
	Label string `json:"label" minLength:"1" maxLength:"100"`
}

func (s *Server) myPasskeyRoutes() {
	handle(s, operation{id: "list-my-passkeys", method: "GET", path: "/me/passkeys", summary: "List your passkeys."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.Passkey]], error) {
			return answer(s.admin.MyPasskeys(ctx))
		})
	handle(s, operation{id: "add-passkey-begin", method: "POST", path: "/me/passkeys:begin", summary: "Begin to make a passkey."},
		func(ctx context.Context, _ *none) (*body[Ceremony], error) {
			c, err := s.admin.AddPasskeyBegin(ctx, clientOf(ctx).Client)
			return answer(ceremony(c), err)
		})
	handle(s, operation{id: "add-passkey-finish", method: "POST", path: "/me/passkeys:finish", summary: "Add the passkey that the browser has made.", status: http.StatusCreated},
		func(ctx context.Context, in *struct{ Body newPasskey }) (*body[admin.Passkey], error) {
			return answer(s.admin.AddPasskey(ctx, clientOf(ctx).Client, in.Body.Ticket, in.Body.Credential, in.Body.Label))
		})
	type rename struct {
		IDPath
		Body labelBody
	}
	handle(s, operation{id: "rename-passkey", method: "PATCH", path: "/me/passkeys/{id}", summary: "Give a passkey another label."},
		func(ctx context.Context, in *rename) (*body[admin.Passkey], error) {
			return answer(s.admin.RenamePasskey(ctx, in.ID, in.Body.Label))
		})
	handle(s, operation{id: "remove-passkey", method: "DELETE", path: "/me/passkeys/{id}", summary: "Remove a passkey."},
		func(ctx context.Context, in *IDPath) (*none, error) { return nil, s.admin.RemovePasskey(ctx, in.ID) })
}

// TOTPSetup is what an authenticator app needs.
type TOTPSetup struct {
	Secret string `json:"secret" doc:"To type into the app."`
	URI    string `json:"uri"`
	QRSVG  string `json:"qrSvg" doc:"The URI as a QR code."`
}

// RecoveryCodes are shown once.
type RecoveryCodes struct {
	RecoveryCodes []string `json:"recoveryCodes" doc:"Each works once. They are shown only now."`
}

func (s *Server) myCodeRoutes() {
	handle(s, operation{id: "totp-begin", method: "POST", path: "/me/totp:begin", summary: "Make a secret for an authenticator app."},
		func(ctx context.Context, _ *none) (*body[TOTPSetup], error) {
			t, err := s.admin.TOTPBegin(ctx)
			return answer(TOTPSetup{t.Secret, t.URI, t.QR}, err)
		})
	handle(s, operation{id: "totp-confirm", method: "POST", path: "/me/totp:confirm", summary: "Ask for codes at sign-in from now on."},
		func(ctx context.Context, in *struct{ Body codeBody }) (*body[RecoveryCodes], error) {
			codes, err := s.admin.TOTPConfirm(ctx, in.Body.Code)
			return answer(RecoveryCodes{codes}, err)
		})
	handle(s, operation{id: "totp-remove", method: "DELETE", path: "/me/totp", summary: "Ask for codes no more."},
		func(ctx context.Context, _ *none) (*none, error) { return nil, s.admin.TOTPRemove(ctx) })
	handle(s, operation{id: "new-recovery-codes", method: "POST", path: "/me/recovery-codes", summary: "Make recovery codes; those made before are dead."},
		func(ctx context.Context, _ *none) (*body[RecoveryCodes], error) {
			codes, err := s.admin.NewRecoveryCodes(ctx)
			return answer(RecoveryCodes{codes}, err)
		})
}

func (s *Server) mySessionRoutes() {
	handle(s, operation{id: "list-my-sessions", method: "GET", path: "/me/sessions", summary: "List the browsers in which you are signed in."},
		func(ctx context.Context, _ *none) (*body[admin.Page[admin.WebSession]], error) {
			return answer(s.admin.MySessions(ctx))
		})
	handle(s, operation{id: "end-my-session", method: "DELETE", path: "/me/sessions/{id}", summary: "Sign a browser out."},
		func(ctx context.Context, in *IDPath) (*none, error) { return nil, s.admin.EndMySession(ctx, in.ID) })
	handle(s, operation{id: "end-my-other-sessions", method: "DELETE", path: "/me/sessions", summary: "Sign all other browsers out."},
		func(ctx context.Context, _ *none) (*none, error) { return nil, s.admin.EndMyOtherSessions(ctx) })
}
