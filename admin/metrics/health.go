package metrics

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// readyTimeout bounds what a probe waits for.
const readyTimeout = 5 * time.Second

// Healthz answers GET /healthz: a process that answers lives.
func Healthz() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answerProbe(w, http.StatusOK, "ok") })
}

// Probe says whether a part of the server can be used.
type Probe struct {
	Name string // shown to whoever asks, so it must tell no secret
	Run  func(ctx context.Context) error
}

// Readyz answers GET /readyz: 200 when every probe succeeds, else 503 with the
// names of those that do not. Why they do not is for the log.
func Readyz(failed func(name string, err error), probes ...Probe) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		var not []string
		for _, p := range probes {
			if err := p.Run(ctx); err != nil {
				not = append(not, p.Name)
				failed(p.Name, err)
			}
		}
		if len(not) > 0 {
			answerProbe(w, http.StatusServiceUnavailable, "not ready: "+strings.Join(not, ", "))
			return
		}
		answerProbe(w, http.StatusOK, "ready")
	})
}

func answerProbe(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	w.Write([]byte(text + "\n")) // the client has gone if this fails
}
