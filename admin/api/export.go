package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/mailstead/mailstead/admin"
)

const (
	exportPath  = "/me/export"
	mboxType    = "application/mbox" // RFC 4155
	exportChunk = 64 << 10           // octets that a client has eventTimeout to read
)

// startedJob says which job has begun.
type startedJob struct {
	Job string `json:"job" doc:"Its ID, for /jobs/{id}."`
}

func (s *Server) exportRoutes() {
	handle(s, operation{id: "start-my-export", method: "POST", path: exportPath, summary: "Begin to copy all your mail to one file. It is kept for a day.", status: http.StatusAccepted},
		func(ctx context.Context, _ *none) (*body[startedJob], error) {
			j, err := s.admin.MyExport(ctx)
			return answer(startedJob{j.ID}, err)
		})
	type query struct {
		Job string `path:"job" maxLength:"200"`
	}
	handle(s, operation{id: "get-my-export", method: "GET", path: exportPath + "/{job}", summary: "Download the file that a job has made of your mail.", answers: mboxType},
		func(ctx context.Context, in *query) (*huma.StreamResponse, error) {
			f, size, name, err := s.admin.MyExportFile(ctx, in.Job)
			if err != nil {
				return nil, err
			}
			who := limitKey(ctx)
			if !s.streams.enter(who) {
				return nil, errors.Join(problem(http.StatusTooManyRequests, "rate-limited", "too many pages and downloads are open; close some"), f.Close())
			}
			return &huma.StreamResponse{Body: func(c huma.Context) {
				defer s.streams.leave(who)
				defer f.Close()
				s.download(c, f, size, name)
			}}, nil
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
	out := http.NewResponseController(w)
	who, asked := admin.PrincipalOf(ctx), s.opts.Now()
	for ctx.Err() == nil {
		if err := out.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return
		}
		if _, err := io.CopyN(w, f, exportChunk); err != nil {
			return // io.EOF is the end
		}
		if now := s.opts.Now(); now.Sub(asked) >= heartbeat {
			if asked = now; !s.admin.Lives(ctx, who) {
				return
			}
		}
	}
}
