package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/mailstead/mailstead/admin"
)

// Bounds of answers that are kept for a repeated request. They are in memory:
// some have secrets that are shown once.
const (
	keepAnswers  = 24 * time.Hour
	maxAnswers   = 200      // of one principal: nobody pushes out those of others
	maxAll       = 16 << 20 // octets of all; then whoever keeps most loses the oldest
	maxKept      = 64 << 10 // of one answer
	maxKeyLength = 200
)

// kept is the answer to a request with an Idempotency-Key.
type kept struct {
	request [sha256.Size]byte
	at      time.Time
	done    chan struct{} // closed with the answer
	status  int           // 0: there is none to repeat
	header  http.Header
	body    []byte
}

// answers are those that can be repeated, by who asked.
type answers struct {
	mu   sync.Mutex
	now  func() time.Time
	by   map[string]*ownAnswers
	size int // octets of all bodies
}

// ownAnswers are those of one principal, by their key.
type ownAnswers struct {
	by   map[string]*kept
	age  []string // keys, the oldest first
	size int      // octets of bodies
}

func newAnswers(now func() time.Time) *answers {
	return &answers{now: now, by: map[string]*ownAnswers{}}
}

// begin returns the answer that a principal has under a key, and whether it is
// yet to be made by who called.
func (a *answers) begin(who, key string, request [sha256.Size]byte) (*kept, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.expire()
	own := a.by[who]
	if own == nil {
		own = &ownAnswers{by: map[string]*kept{}}
		a.by[who] = own
	}
	if k := own.by[key]; k != nil {
		if k.answered() != unusable {
			return k, false
		}
		a.drop(who, key)
	}
	for len(own.age) >= maxAnswers {
		a.drop(who, own.age[0])
	}
	k := &kept{request: request, at: a.now(), done: make(chan struct{})}
	own.by[key], own.age = k, append(own.age, key)
	a.by[who] = own // dropping the last has taken it away
	return k, true
}

// end gives an answer to those who wait for it, and to those who come later.
func (a *answers) end(who, key string, k *kept) {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(k.done)
	own := a.by[who]
	if own == nil || own.by[key] != k {
		return // was dropped meanwhile
	}
	own.size += len(k.body)
	a.size += len(k.body)
	for a.size > maxAll {
		most := ""
		for other, o := range a.by {
			if most == "" || o.size > a.by[most].size {
				most = other
			}
		}
		a.drop(most, a.by[most].age[0])
	}
}

// expire drops what is old.
func (a *answers) expire() {
	now := a.now()
	for who, own := range a.by {
		for len(own.age) > 0 && now.Sub(own.by[own.age[0]].at) > keepAnswers {
			a.drop(who, own.age[0])
		}
	}
}

// drop forgets an answer; whoever waits for it still gets it.
func (a *answers) drop(who, key string) {
	own := a.by[who]
	if k := own.by[key]; k.answered() != pending {
		own.size -= len(k.body)
		a.size -= len(k.body)
	}
	delete(own.by, key)
	own.age = slices.DeleteFunc(own.age, func(k string) bool { return k == key })
	if len(own.age) == 0 {
		delete(a.by, who)
	}
}

// States of a kept answer.
const (
	pending = iota
	usable
	unusable
)

func (k *kept) answered() int {
	select {
	case <-k.done:
		if k.status == 0 {
			return unusable
		}
		return usable
	default:
		return pending
	}
}

// once gives a POST that is repeated under the same Idempotency-Key the same
// answer (draft-ietf-httpapi-idempotency-key-header).
func (s *Server) once(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		key := r.Header.Get("Idempotency-Key")
		if r.Method != http.MethodPost || key == "" || admin.PrincipalOf(r.Context()).Kind == "" {
			return next(c) // whoever shares the network of a stranger must not get their answers
		}
		if len(key) > maxKeyLength {
			return problem(http.StatusUnprocessableEntity, "invalid", "an Idempotency-Key has at most 200 octets")
		}
		sum, err := readRequest(r)
		if err != nil {
			return err
		}
		who := limitKey(r.Context())
		k, mine := s.answers.begin(who, key, sum)
		if !mine {
			return repeat(r.Context(), c, k, sum)
		}
		defer s.answers.end(who, key, k)
		tee := &teeWriter{ResponseWriter: c.Response().Writer}
		c.Response().Writer = tee
		if err := next(c); err != nil {
			s.fail(err, c)
		}
		if status := c.Response().Status; lasts(status) && !tee.over {
			k.status, k.header, k.body = status, c.Response().Header().Clone(), tee.buf.Bytes()
		}
		return nil
	}
}

// lasts reports whether an answer is one to the request itself, and not to who
// made it or when: after a new proof, or a wait, the same request is another.
func lasts(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return false
	}
	return status < http.StatusInternalServerError
}

// readRequest reads the body and puts it back; the sum stands for the request.
func readRequest(r *http.Request) ([sha256.Size]byte, error) {
	body, err := io.ReadAll(r.Body) // is bounded by BodyLimit
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return sha256.Sum256(append([]byte(r.URL.RequestURI()+"\x00"), body...)), nil
}

// repeat sends an answer once more.
func repeat(ctx context.Context, c echo.Context, k *kept, sum [sha256.Size]byte) error {
	if k.request != sum {
		return problem(http.StatusUnprocessableEntity, "idempotency-key", "this Idempotency-Key was used for another request; use a new one")
	}
	select {
	case <-k.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if k.status == 0 {
		return problem(http.StatusConflict, "idempotency-key", "the first request with this Idempotency-Key failed; try again")
	}
	h := c.Response().Header()
	for name, values := range k.header {
		if name != "Ratelimit" && name != "Ratelimit-Policy" {
			h[name] = values
		}
	}
	h.Set("Idempotency-Replayed", "true")
	c.Response().WriteHeader(k.status)
	_, err := c.Response().Write(k.body)
	return err
}

// teeWriter keeps what is written, up to a limit.
type teeWriter struct {
	http.ResponseWriter
	buf  bytes.Buffer
	over bool
}

func (t *teeWriter) Write(b []byte) (int, error) {
	if t.over = t.over || t.buf.Len()+len(b) > maxKept; !t.over {
		t.buf.Write(b)
	}
	return t.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (t *teeWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }
