package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mailstead/mailstead/admin"
)

// exportChunk is how many octets a client has eventTimeout to read.
const exportChunk = 64 << 10

// longAnswer is an answer that takes as long as its client reads: a page that
// stays open, a download. A caller has a number of them at a time. open says
// what sends it, or why it cannot be.
func (s *Server) longAnswer(ctx context.Context, open func() (send func(huma.Context), err error)) (*huma.StreamResponse, error) {
	who := limitKey(ctx)
	if !s.streams.enter(who) {
		return nil, problem(http.StatusTooManyRequests, "rate-limited", "too many pages and downloads are open; close some")
	}
	send, err := open()
	if err != nil {
		s.streams.leave(who)
		return nil, err
	}
	return &huma.StreamResponse{Body: func(c huma.Context) {
		defer s.streams.leave(who)
		send(c)
	}}, nil
}

// extend gives a client more time to read.
func extend(out *http.ResponseController) error {
	if err := out.SetWriteDeadline(time.Now().Add(eventTimeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
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

func (s *Server) watched(ctx context.Context, w http.ResponseWriter) *watchedWriter {
	return &watchedWriter{s: s, ctx: ctx, w: w, out: http.NewResponseController(w), who: admin.PrincipalOf(ctx), asked: s.opts.Now()}
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
	if err := extend(w.out); err != nil {
		return 0, err
	}
	return w.w.Write(p)
}
