package api

import (
	"context"
	"net/http"
	"time"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/dnsadvice"
	"github.com/mailstead/mailstead/admin/setup"
)

// SetupCode lets one browser into the first-run wizard.
type SetupCode struct {
	Code     string    `json:"code"`
	Expires  time.Time `json:"expires"`
	Hostname string    `json:"hostname"`
}

// SetupHandOver leads a browser to another address of this server, with what
// it may.
type SetupHandOver struct {
	URL     string    `json:"url" doc:"The code is in the fragment: it works once."`
	Expires time.Time `json:"expires"`
}

// SetupEntered is an answer that begins a setup session.
type SetupEntered struct {
	SetCookie []string `header:"Set-Cookie" hidden:"true"`
	Body      struct {
		Expires time.Time `json:"expires"`
	}
}

// StepPath names a step of the wizard.
type StepPath struct {
	Step setup.Step `path:"step" enum:"start,you,server,dns,certificate,mail"`
}

var errNoSetup = &directory.Problem{Kind: directory.ErrNotFound, Text: "there is no first run here"}

// errSetupOver is for who comes late: somebody made accounts meanwhile, or the
// first run was finished.
func errSetupOver() error {
	return &directory.Problem{Kind: setup.ErrClosed, Text: "the first run is over; sign in to change things"}
}

// inSetup lets the browser of the setup session in, as long as there is a
// first run, and the socket.
func (s *Server) inSetup(ctx context.Context) error {
	if s.opts.Setup == nil {
		return errNoSetup
	}
	if onSocket(ctx) {
		return nil
	}
	_, err := s.admin.SignIn().SetupSession(ctx, clientOf(ctx).cookies[setupCookie])
	if err == nil && !s.opts.Setup.Open(ctx) {
		err = errSetupOver()
	}
	return err
}

func (s *Server) setupRoutes() {
	handle(s, operation{id: "make-setup-code", method: "POST", path: "/setup:code", summary: "Make a code for the first run. Only the admin socket may."},
		func(ctx context.Context, _ *none) (*body[SetupCode], error) { return answer(s.setupCode(ctx)) })
	handle(s, operation{id: "redeem-setup-code", method: "POST", path: "/setup:redeem", summary: "Enter the first run with the code of the link.", public: true}, s.redeem)
	handle(s, operation{id: "get-setup", method: "GET", path: "/setup", summary: "Show how the first run stands.", public: true},
		func(ctx context.Context, _ *none) (*body[setup.View], error) {
			if err := s.inSetup(ctx); err != nil {
				return nil, err
			}
			return answer(s.opts.Setup.View(ctx))
		})
	type answers struct {
		StepPath
		Body setup.Input
	}
	handle(s, operation{id: "answer-setup", method: "PUT", path: "/setup/{step}", summary: "Answer a step of the first run.", public: true},
		func(ctx context.Context, in *answers) (*body[setup.View], error) {
			if err := s.inSetup(ctx); err != nil {
				return nil, err
			}
			return answer(s.opts.Setup.Answer(ctx, in.Step, in.Body))
		})
	handle(s, operation{id: "check-setup", method: "POST", path: "/setup/{step}:check", summary: "Look again at what a step is about.", public: true},
		func(ctx context.Context, in *StepPath) (*body[setup.View], error) {
			if err := s.inSetup(ctx); err != nil {
				return nil, err
			}
			return answer(s.opts.Setup.Check(ctx, in.Step))
		})
	s.setupEnds()
}

func (s *Server) setupEnds() {
	type toSurvey struct {
		Domain string `json:"domain" minLength:"1" maxLength:"255"`
	}
	handle(s, operation{id: "survey-domain", method: "POST", path: "/setup:survey", summary: "Say what the DNS has of a domain, before anything is made.", public: true},
		func(ctx context.Context, in *struct{ Body toSurvey }) (*body[dnsadvice.Survey], error) {
			if err := s.inSetup(ctx); err != nil {
				return nil, err
			}
			return answer(s.opts.Setup.Survey(ctx, in.Body.Domain))
		})
	handle(s, operation{id: "hand-over-setup", method: "POST", path: "/setup:handover", summary: "Make a link by which this browser goes on under the name of the server.", public: true},
		func(ctx context.Context, _ *none) (*body[SetupHandOver], error) {
			if err := s.inSetup(ctx); err != nil {
				return nil, err
			}
			return answer(s.handOver(ctx))
		})
	handle(s, operation{id: "finish-setup", method: "POST", path: "/setup:finish", summary: "End the first run, and sign the owner in.", public: true},
		func(ctx context.Context, _ *none) (*signedIn, error) {
			if err := s.inSetup(ctx); err != nil {
				return nil, err
			}
			owner, err := s.opts.Setup.Finish(ctx)
			if err != nil {
				return nil, err
			}
			if onSocket(ctx) { // there is no browser to sign in
				v, err := s.session(ctx)
				return &signedIn{nil, v}, err
			}
			r, err := s.admin.SignIn().FinishSetup(ctx, clientOf(ctx).Client, clientOf(ctx).cookies[setupCookie], owner)
			out, err := s.begun(ctx, r, false, err)
			if err == nil {
				out.SetCookie = append(out.SetCookie, cookie(setupCookie, "", -1))
			}
			return out, err
		})
}

func (s *Server) setupCode(ctx context.Context) (SetupCode, error) {
	if !onSocket(ctx) {
		return SetupCode{}, &directory.Problem{Kind: admin.ErrForbidden, Text: "run `mailstead setup` on the server"}
	}
	if s.opts.Setup == nil || !s.opts.Setup.Open(ctx) {
		return SetupCode{}, &directory.Problem{Kind: directory.ErrNotFound, Text: "this server is set up already; sign in at its console"}
	}
	code, expires, err := s.admin.SignIn().SetupCode(ctx)
	return SetupCode{code, expires, s.admin.Hostname()}, err
}

// handOver is for a server that has its name and a certificate: a link to
// where browsers warn would help nobody.
func (s *Server) handOver(ctx context.Context) (SetupHandOver, error) {
	v, err := s.opts.Setup.View(ctx)
	if err != nil {
		return SetupHandOver{}, err
	}
	if v.Home == "" || !v.Certificate.Trusted {
		return SetupHandOver{}, &directory.Problem{Kind: directory.ErrInvalid, Text: "there is no certificate that others trust yet; go on here"}
	}
	code, expires, err := s.admin.SignIn().HandOver(ctx)
	return SetupHandOver{v.Home + "/setup/#" + code, expires}, err
}

func (s *Server) redeem(ctx context.Context, in *struct{ Body codeBody }) (*SetupEntered, error) {
	if s.opts.Setup == nil || s.admin.SignIn() == nil {
		return nil, errNoSetup
	}
	if !s.opts.Setup.Open(ctx) {
		return nil, errSetupOver()
	}
	token, expires, err := s.admin.SignIn().Redeem(ctx, clientOf(ctx).Client, in.Body.Code)
	if err != nil {
		return nil, err
	}
	out := &SetupEntered{SetCookie: []string{cookie(setupCookie, token, directory.SetupSessionFor)}}
	out.Body.Expires = expires
	return out, nil
}

// SetupCode is POST /setup:code.
func (c *Client) SetupCode(ctx context.Context) (SetupCode, error) {
	return call[SetupCode](ctx, c, request{method: http.MethodPost, path: "/setup:code"})
}

// Setup is GET /setup.
func (c *Client) Setup(ctx context.Context) (setup.View, error) {
	return get[setup.View](ctx, c, "/setup")
}

// AnswerSetup is PUT /setup/{step}.
func (c *Client) AnswerSetup(ctx context.Context, step setup.Step, in setup.Input) (setup.View, error) {
	return call[setup.View](ctx, c, request{method: http.MethodPut, path: "/setup/" + string(step), body: in})
}

// CheckSetup is POST /setup/{step}:check.
func (c *Client) CheckSetup(ctx context.Context, step setup.Step) (setup.View, error) {
	return call[setup.View](ctx, c, request{method: http.MethodPost, path: "/setup/" + string(step) + ":check"})
}

// FinishSetup is POST /setup:finish.
func (c *Client) FinishSetup(ctx context.Context) error {
	_, err := c.raw(ctx, request{method: http.MethodPost, path: "/setup:finish"})
	return err
}
