package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"

	"github.com/mailstead/mailstead/admin"
	"github.com/mailstead/mailstead/admin/directory"
)

// etag names a state of a thing: what its JSON is.
func etag(v any) string {
	if s, ok := v.(interface{ State() any }); ok {
		v = s.State()
	}
	b, err := json.Marshal(v)
	if err != nil { // only values that were sent before
		return ""
	}
	sum := sha256.Sum256(b)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:15]) + `"`
}

// tag gives answers about one thing an ETag.
func tag(c huma.Context, status string, v any) (any, error) {
	if op := c.Operation(); status == "200" && op != nil && op.Metadata["etag"] != nil {
		humaecho.Unwrap(c).Response().Header().Set("Etag", etag(v))
	}
	return v, nil
}

// IfMatch is in the input of changes that can be bound to a state.
type IfMatch struct {
	IfMatch string `header:"If-Match" maxLength:"500" doc:"The ETag of what was read: if it has changed since the answer is 412."`
}

// changeIf makes a change if the thing is as whoever asks has seen it. Changes
// with a condition come one after the other.
func changeIf[T any](s *Server, m IfMatch, get, change func() (T, error)) (*body[T], error) {
	if m.IfMatch == "" || m.IfMatch == "*" {
		return answer(change())
	}
	s.changes.Lock()
	defer s.changes.Unlock()
	now, err := get()
	if err != nil {
		return nil, err
	}
	if !strings.Contains(m.IfMatch, etag(now)) {
		return nil, problem(http.StatusPreconditionFailed, "etag-mismatch", "this was changed meanwhile; read it again and repeat what you want to change")
	}
	return answer(change())
}

// DryRun is in the input of changes that can be looked at before.
type DryRun struct {
	DryRun bool `query:"dryRun" doc:"Only say what would change: the answer is 200 with a Preview."`
}

func (d *DryRun) dry() bool { return d.DryRun }

// rehearsing makes changes with this context fail at the end, if dry is set.
func rehearsing(ctx context.Context, dry bool) context.Context {
	if !dry {
		return ctx
	}
	return directory.Rehearse(ctx, &directory.Rehearsal{})
}

// previewed is the answer to a change that was only to be looked at.
type previewed struct{ admin.Preview }

func (*previewed) Error() string  { return "only a preview" }
func (*previewed) GetStatus() int { return http.StatusOK }

// rehearse does something without doing it.
func rehearse(ctx context.Context, do func(context.Context) error) error {
	var r directory.Rehearsal
	if err := do(directory.Rehearse(ctx, &r)); err != nil && !errors.Is(err, directory.ErrRehearsed) {
		return err
	}
	return &previewed{admin.PreviewOf(&r)}
}
