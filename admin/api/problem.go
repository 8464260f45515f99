package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

const problemType = "application/problem+json"

// problem is a problem detail (RFC 9457 section 3) with an extension member.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code,omitempty"`
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
		{"invalid", http.StatusUnprocessableEntity, directory.ErrInvalid},
		{"unavailable", http.StatusServiceUnavailable, admin.ErrUnavailable},
	}
}

// describe makes a problem of an error. Whoever reads it is the operator, so
// that causes are not held back.
func describe(err error) problem {
	p := problem{Type: "about:blank", Status: http.StatusInternalServerError, Detail: err.Error()}
	for _, c := range codes() {
		if errors.Is(err, c.kind) {
			p.Status, p.Code = c.status, c.code
			break
		}
	}
	var he *echo.HTTPError
	switch {
	case errors.As(err, &he):
		p.Status = he.Code
		if text, ok := he.Message.(string); ok {
			p.Detail = text
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p.Status, p.Detail = http.StatusServiceUnavailable, "the server is stopping, or it took too long; try again"
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// err makes the client's error of a problem.
func (p *problem) err() error {
	for _, c := range codes() {
		if c.code == p.Code {
			return &directory.Problem{Kind: c.kind, Text: p.Detail}
		}
	}
	return errors.New(p.Detail)
}
