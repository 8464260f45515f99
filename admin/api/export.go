package api

import (
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/mailstead/mailstead/admin"
)

const (
	exportPath = "/me/export"
	mboxType   = "application/mbox" // RFC 4155
)

func (s *Server) exportRoutes() {
	handleJob[none](s, operation{id: "start-my-export", method: "POST", path: exportPath, summary: "Begin to copy all your mail to one file. It is kept for a day."},
		func(ctx context.Context, _ *none) (admin.Job, error) {
			return s.admin.MyExport(ctx)
		})
	type query struct {
		Job string `path:"job" maxLength:"200"`
	}
	handle(s, operation{id: "get-my-export", method: "GET", path: exportPath + "/{job}", summary: "Download the file that a job has made of your mail.", answers: mboxType},
		func(ctx context.Context, in *query) (*huma.StreamResponse, error) {
			return s.longAnswer(ctx, func() (func(huma.Context), error) {
				f, size, name, err := s.admin.MyExportFile(ctx, in.Job)
				return func(c huma.Context) {
					defer f.Close()
					s.download(c, f, size, name)
				}, err
			})
		})
}

// download sends a file until the client goes, the server stops or the session
// ends: then the answer is shorter than it said, and the client knows.
func (s *Server) download(c huma.Context, f io.Reader, size int64, name string) {
	w := humaecho.Unwrap(c).Response()
	h := w.Header()
	h.Set("Content-Type", mboxType)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	w.WriteHeader(http.StatusOK)
	ctx, stop := stoppable(c.Context())
	defer stop()
	io.CopyBuffer(s.watched(ctx, w), onlyReader{f}, make([]byte, exportChunk)) //nolint:errcheck // the client knows
}

// onlyReader hides what else a reader can, so that chunks stay small.
type onlyReader struct{ io.Reader }
