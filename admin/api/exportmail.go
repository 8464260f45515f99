package api

import (
	"bufio"
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"

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
			return s.longAnswer(ctx, func() (func(huma.Context), error) {
				e, err := s.admin.OpenMailExport(ctx, in.Address)
				return func(c huma.Context) { s.sendMail(c, e) }, err
			})
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
	buffered := bufio.NewWriterSize(s.watched(ctx, w), exportChunk)
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

// ExportMail is GET /accounts/{address}/mail.
func (c *Client) ExportMail(ctx context.Context, address string, w transfer.Writer) error {
	body, err := c.open(ctx, request{method: http.MethodGet, path: "/accounts/" + url.PathEscape(address) + "/mail"})
	if err != nil {
		return err
	}
	return errors.Join(transfer.ReadTar(ctx, bufio.NewReaderSize(body, exportChunk), w), body.Close())
}
