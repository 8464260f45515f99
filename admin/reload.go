package admin

import (
	"context"

	"github.com/mailstead/mailstead/admin/directory"
)

// Reloaded says what came of reading the configuration file again.
type Reloaded struct {
	Changed []string `json:"changed" doc:"Fields that have changed and count now, as in tls.cert_file."`
	Restart []string `json:"restart" doc:"Fields that have changed and count after a restart."`
}

// Reload reads the configuration file again, without ending a session.
func (a *Admin) Reload(ctx context.Context) (Reloaded, error) {
	if _, err := authorize(ctx, ChangeSystem); err != nil {
		return Reloaded{}, err
	}
	if a.opts.Reload == nil {
		return Reloaded{}, &directory.Problem{Kind: ErrUnavailable, Text: "only a running server reads its configuration again"}
	}
	res, err := a.opts.Reload(ctx)
	if err != nil {
		return Reloaded{}, &directory.Problem{Kind: directory.ErrInvalid, Text: err.Error()}
	}
	return res, a.opts.Directory.Record(ctx, Actor(ctx), "system.reload", "configuration", res)
}
