package api

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/mailbox/transfer"
)

const tarType = "application/x-tar"

func (s *Server) exportMailRoutes() {
	handle(s, operation{id: "export-account", method: "GET", path: "/accounts/{address}/mail", answers: tarType,
		summary: "Take out all mail of an account, as a tar with a folder for each mailbox. It is complete if its last entry says so; docs/migration.md has the format."},
		func(ctx context.Context, in *AccountPath) (*huma.StreamResponse, error) {
			who := limitKey(ctx)
			if !s.streams.enter(who) {
				return nil, problem(http.StatusTooManyRequests, "rate-limited", "too many pages and downloads are open; close some")
			}
			e, err := s.admin.OpenMailExport(ctx, in.Address)
			if err != nil {
				s.streams.leave(who)
				return nil, err
			}
			return &huma.StreamResponse{Body: func(c huma.Context) {
				defer s.streams.leave(who)
				s.sendMail(c, e)
			}}, nil
		})
}

// sendMail sends an export. What goes wrong meanwhile is told in its last
// entry; without that it was cut off.
func (s *Server) sendMail(c huma.Context, e *admin.MailExport) {
	w := humaecho.Unwrap(c).Response()
	h := w.Header()
	h.Set("Content-Type", tarType)
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": e.Address + ".tar"}))
	w.WriteHeader(http.StatusOK)
	ctx, stop := stoppable(c.Context())
	defer stop()
	buffered := bufio.NewWriterSize(&watchedWriter{s: s, ctx: ctx, w: w, out: http.NewResponseController(w), who: admin.PrincipalOf(ctx), asked: s.opts.Now()}, exportChunk)
	t := transfer.NewTarWriter(buffered)
	if err := e.Write(ctx, t); err != nil {
		s.opts.Logger.WarnContext(ctx, "export of an account", "account", e.Address, "err", err)
		t.Fail(errorText(err)) //nolint:errcheck // whoever reads may be gone
	}
	buffered.Flush() //nolint:errcheck // the same
}

// errorText is what whoever has the rights of an operator may know.
func errorText(err error) string {
	if errors.Is(err, context.Canceled) {
		return "the server stops, or the session has ended"
	}
	return err.Error()
}

// watchedWriter writes until the client does not read any more, the server
// stops or the session ends.
type watchedWriter struct {
	s     *Server
	ctx   context.Context
	w     io.Writer
	out   *http.ResponseController
	who   admin.Principal
	asked time.Time
}

func (w *watchedWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if now := w.s.opts.Now(); now.Sub(w.asked) >= heartbeat {
		if w.asked = now; !w.s.admin.Lives(w.ctx, w.who) {
			return 0, context.Canceled
		}
	}
	if err := w.out.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, err
	}
	return w.w.Write(p)
}

// ExportMail is GET /accounts/{address}/mail.
func (c *Client) ExportMail(ctx context.Context, address string, w transfer.Writer) error {
	body, err := c.open(ctx, request{method: http.MethodGet, path: "/accounts/" + url.PathEscape(address) + "/mail"})
	if err != nil {
		return err
	}
	return errors.Join(transfer.ReadTar(ctx, bufio.NewReaderSize(body, exportChunk), w), body.Close())
}
