package api

import (
	"context"

	"github.com/mailstead/mailstead/admin"
)

// sessionCookie holds a browser's session. The prefix makes browsers take it
// only over TLS, for this host alone and all of its paths.
const sessionCookie = "__Host-session"

// Session says who is signed in.
type Session struct {
	SignedIn bool            `json:"signedIn"`
	Account  *SessionAccount `json:"account,omitempty"`
	Version  string          `json:"version"`
	Hostname string          `json:"hostname"`
}

// SessionAccount is who is signed in.
type SessionAccount struct {
	Address string     `json:"address"`
	Role    admin.Role `json:"role"`
	Domains []string   `json:"domains,omitempty" doc:"Of a domain admin."`
}

func (s *Server) sessionRoutes() {
	handle(s, operation{id: "get-session", method: "GET", path: "/session", summary: "Say who is signed in.", public: true},
		func(ctx context.Context, _ *none) (*body[Session], error) { return answer(s.session(ctx), nil) })
}

func (s *Server) session(ctx context.Context) Session {
	v := Session{Version: s.opts.Version, Hostname: s.admin.Hostname()}
	if p := admin.PrincipalOf(ctx); p.Kind != "" {
		v.SignedIn = true
		v.Account = &SessionAccount{Address: p.Address, Role: p.Role}
		for _, d := range p.Domains {
			v.Account.Domains = append(v.Account.Domains, string(d))
		}
	}
	return v
}
