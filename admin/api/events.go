package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

// Bounds of streams of events.
const (
	heartbeat     = 15 * time.Second
	eventTimeout  = 20 * time.Second // for one write
	maxStreams    = 500
	maxPersonal   = 20 // streams of one principal
	eventsPath    = "/events"
	eventStream   = "text/event-stream"
	reconnectTime = 3 * time.Second
)

// streams counts what is open, by who has it open.
type streams struct {
	mu   sync.Mutex
	open map[string]int
	all  int
}

func (s *streams) enter(who string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= maxStreams || s.open[who] >= maxPersonal {
		return false
	}
	if s.open == nil {
		s.open = map[string]int{}
	}
	s.open[who]++
	s.all++
	return true
}

func (s *streams) leave(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.open[who]--; s.open[who] == 0 {
		delete(s.open, who)
	}
}

func (s *Server) eventRoutes() {
	type query struct {
		Topics string `query:"topics" maxLength:"200" doc:"queue, traces, checks, jobs, setup, with commas; all that one may see if there are none."`
		Last   string `header:"Last-Event-ID" maxLength:"30" doc:"Events after this one are sent again, up to 1,000."`
	}
	o := operation{id: "get-events", method: "GET", path: eventsPath, public: true, summary: "Watch what happens, as server-sent events: trace.changed, queue.changed, check.changed, job.changed, import.changed, imports.changed (there are others, or many have changed), and missed when some were forgotten.",
		answers: eventStream}
	handle(s, o, func(ctx context.Context, in *query) (*huma.StreamResponse, error) {
		after, err := strconv.ParseUint(in.Last, 10, 64)
		if err != nil && in.Last != "" {
			return nil, admin.At("Last-Event-ID", &directory.Problem{Kind: directory.ErrInvalid, Text: "Last-Event-ID is a number"})
		}
		var topics []admin.Topic
		for t := range strings.SplitSeq(in.Topics, ",") {
			if t != "" {
				topics = append(topics, admin.Topic(t))
			}
		}
		return s.longAnswer(ctx, func() (func(huma.Context), error) {
			stream, err := s.admin.Events(ctx, topics, after)
			return func(c huma.Context) { s.stream(c, stream) }, err
		})
	})
}

// stream writes events until the client goes, the server stops or the session
// ends.
func (s *Server) stream(c huma.Context, stream *admin.Stream) {
	w := humaecho.Unwrap(c).Response()
	out := http.NewResponseController(w)
	write := func(text string) error {
		if err := extend(out); err != nil {
			return err
		}
		if _, err := w.Write([]byte(text)); err != nil {
			return err
		}
		return out.Flush()
	}
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it back
	w.WriteHeader(http.StatusOK)
	ctx, stop := stoppable(c.Context())
	defer stop()
	who, asked := admin.PrincipalOf(ctx), s.opts.Now()
	err := write(fmt.Sprintf("retry: %d\n\n", reconnectTime.Milliseconds()))
	for err == nil && ctx.Err() == nil {
		beat, cancel := context.WithTimeout(ctx, heartbeat)
		list, missed, werr := stream.Next(beat)
		cancel()
		if now := s.opts.Now(); werr != nil || now.Sub(asked) >= heartbeat { // also where it is never quiet
			if asked = now; !s.admin.Lives(ctx, who) {
				return
			}
		}
		switch {
		case werr != nil && ctx.Err() == nil:
			err = write(": still here\n\n")
		case werr == nil:
			err = write(eventText(list, missed))
		}
	}
}

// eventText writes events as lines (WHATWG HTML section 9.2).
func eventText(list []admin.Event, missed bool) string {
	var b strings.Builder
	if missed {
		b.WriteString("event: missed\ndata: {}\n\n")
	}
	for _, e := range list {
		data, err := json.Marshal(e.Data)
		if err != nil {
			continue // nothing that is published cannot be written
		}
		fmt.Fprintf(&b, "id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Name, data)
	}
	return b.String()
}

type stopKey struct{}

// stoppable ends with the server, before the grace for other requests begins.
func stoppable(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	server, ok := ctx.Value(stopKey{}).(context.Context)
	if !ok {
		return ctx, cancel
	}
	stop := context.AfterFunc(server, cancel)
	return ctx, func() { stop(); cancel() }
}
