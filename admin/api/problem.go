package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/labstack/echo/v4"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/admin/setup"
	"github.com/mailstead/mailstead/admin/signin"
	"github.com/mailstead/mailstead/mail/disk"
)

const problemType = "application/problem+json"

// Problem is a problem detail (RFC 9457 section 3) with extension members.
type Problem struct {
	Type    string       `json:"type"`
	Title   string       `json:"title"`
	Status  int          `json:"status"`
	Detail  string       `json:"detail" doc:"A sentence that says what to do."`
	Code    string       `json:"code" doc:"What happened, for programs. It stays the same in all versions."`
	Errors  []FieldError `json:"errors,omitempty"`
	TraceID string       `json:"traceId" doc:"Finds the failure in the log of the server."`

	header http.Header
}

// FieldError says what is wrong with one part of the request.
type FieldError struct {
	Location string `json:"location" doc:"Where it is, as in body.address."`
	Message  string `json:"message"`
}

func (p *Problem) Error() string { return p.Detail }

// GetStatus is for huma.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders is for huma.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType is for huma.
func (p *Problem) ContentType(string) string { return problemType }

// problem makes a Problem.
func problem(status int, code, detail string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code, TraceID: rand.Text()[:12]}
}

// codes are the kinds of failure that a client can tell apart.
func codes() []struct {
	code   string
	status int
	kind   error
} {
	return []struct {
		code   string
		status int
		kind   error
	}{
		{"not-found", http.StatusNotFound, directory.ErrNotFound},
		{"exists", http.StatusConflict, directory.ErrExists},
		{"in-use", http.StatusConflict, directory.ErrInUse},
		{"conflict", http.StatusConflict, directory.ErrConflict},
		{"invalid", http.StatusUnprocessableEntity, directory.ErrInvalid},
		{"unavailable", http.StatusServiceUnavailable, admin.ErrUnavailable},
		{"no-room", http.StatusInsufficientStorage, admin.ErrNoRoom},
		{"no-room", http.StatusInsufficientStorage, disk.ErrFull},
		{"signed-out", http.StatusUnauthorized, admin.ErrSignedOut},
		{"forbidden", http.StatusForbidden, admin.ErrForbidden},
		{"reauth-required", http.StatusForbidden, admin.ErrReauth},
		{"reauth-required", http.StatusForbidden, signin.ErrReauth},
		{"signed-out", http.StatusUnauthorized, directory.ErrSignedOut},
		{"key", http.StatusUnauthorized, directory.ErrKey},
		{"sign-in-failed", http.StatusUnauthorized, signin.ErrFailed},
		{"wrong-code", http.StatusUnauthorized, signin.ErrCode},
		{"ticket", http.StatusUnauthorized, signin.ErrTicket},
		{"passkey", http.StatusUnprocessableEntity, signin.ErrPasskey},
		{"rate-limited", http.StatusTooManyRequests, signin.ErrLater},
		{"link", http.StatusGone, directory.ErrLink},
		{"setup-over", http.StatusConflict, setup.ErrClosed},
		{"setup-code", http.StatusUnauthorized, directory.ErrSetupCode},
	}
}

// codeOf is the code of a status for which there is nothing more exact.
func codeOf(status int) string {
	switch status {
	case http.StatusNotFound:
		return "not-found"
	case http.StatusMethodNotAllowed:
		return "method"
	case http.StatusRequestEntityTooLarge:
		return "too-large"
	case http.StatusUnsupportedMediaType:
		return "media-type"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusTooManyRequests:
		return "rate-limited"
	case http.StatusInsufficientStorage:
		return "no-room"
	}
	if status >= http.StatusInternalServerError {
		return "internal"
	}
	return "invalid"
}

// describe makes an answer of an error. What nobody has classified is told to
// the operator on the socket; others find it in the log.
func (s *Server) describe(ctx context.Context, method string, err error) huma.StatusError {
	var preview *previewed
	if errors.As(err, &preview) {
		return preview
	}
	return s.problem(ctx, method, err)
}

func (s *Server) problem(ctx context.Context, method string, err error) *Problem {
	var known *Problem
	if errors.As(err, &known) {
		return known
	}
	for _, c := range codes() {
		if errors.Is(err, c.kind) {
			p := problem(c.status, c.code, err.Error())
			p.Errors = fields(method, err)
			if c.kind == signin.ErrLater {
				p.header = http.Header{"Retry-After": {strconv.Itoa(int(signin.RetryAfter(err)/time.Second) + 1)}}
			}
			return p
		}
	}
	var he *echo.HTTPError
	if errors.As(err, &he) {
		text, ok := he.Message.(string)
		if !ok {
			text = http.StatusText(he.Code)
		}
		return problem(he.Code, codeOf(he.Code), text)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return problem(http.StatusServiceUnavailable, "unavailable", "the server is stopping, or it took too long; try again")
	}
	p := problem(http.StatusInternalServerError, "internal", err.Error())
	s.log.Error("admin API", "trace_id", p.TraceID, "err", err)
	if !onSocket(ctx) {
		p.Detail = "the server failed; its log has more under " + p.TraceID
	}
	return p
}

// fields names the field that an error is about.
func fields(method string, err error) []FieldError {
	var fe *admin.FieldError
	if !errors.As(err, &fe) {
		return nil
	}
	location := "body"
	if method == http.MethodGet || method == http.MethodDelete {
		location = "query"
	}
	if fe.Field == "Last-Event-ID" {
		location = "header"
	}
	if fe.Field != "" {
		location += "." + fe.Field
	}
	return []FieldError{{location, err.Error()}}
}

// translate makes a Problem of what huma found wrong with a request. The
// values are left out: they may be passwords.
func translate(_ huma.Context, _ string, v any) (any, error) {
	e, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := problem(e.Status, codeOf(e.Status), e.Detail)
	var texts []string
	for _, d := range e.Errors {
		if d == nil {
			continue
		}
		f := missing(FieldError{d.Location, d.Message})
		p.Errors = append(p.Errors, f)
		texts = append(texts, strings.TrimPrefix(f.Location+": ", ": ")+f.Message)
	}
	if len(texts) > 0 {
		p.Detail = "the request is not what is expected here: " + strings.Join(texts, "; ")
	}
	return p, nil
}

// missing names the field that is not there: huma names only where it should
// be.
func missing(f FieldError) FieldError {
	before, after, _ := strings.Cut(validation.MsgExpectedRequiredProperty, "%s")
	name, ok := strings.CutPrefix(f.Message, before)
	if name, end := strings.CutSuffix(name, after); ok && end {
		return FieldError{f.Location + "." + name, "is missing"}
	}
	return f
}

// fail answers with a problem what did not come as far as an operation.
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	p := s.problem(c.Request().Context(), c.Request().Method, err)
	for k, v := range p.header {
		c.Response().Header()[k] = v
	}
	body, jerr := json.Marshal(p)
	if jerr != nil { // a struct of texts
		body = []byte("{}")
	}
	if werr := c.Blob(p.Status, problemType, append(body, '\n')); werr != nil {
		s.log.Debug("admin API", "err", werr)
	}
}

// err makes the client's error of a problem.
func (p *Problem) err() error {
	for _, c := range codes() {
		if c.code == p.Code {
			return &directory.Problem{Kind: c.kind, Text: p.Detail}
		}
	}
	return errors.New(p.Detail)
}
