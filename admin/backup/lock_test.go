package backup

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/admin/backup/target/sftp"
	"github.com/mailstead/mailstead/admin/backup/target/sftp/sftptest"
)

// TestLocked: a second writer is refused, and one that is gone is forgotten.
func TestLocked(t *testing.T) {
	w := newWorld(t)
	k, err := w.service.Key(t.Context())
	w.must(err)
	w.must(initRepository(t.Context(), w.target(), k, w.service.opts.Now))
	r, err := openRepository(t.Context(), w.target(), k, w.service.opts.Now, w.service.opts.Logger)
	w.must(err)
	defer r.close()
	err = r.locked(t.Context(), "test", func(ctx context.Context) error {
		return r.locked(ctx, "second", func(context.Context) error { return nil })
	})
	if !errors.Is(err, ErrLocked) {
		t.Errorf("second writer: %v", err)
	}
	_, err = r.putObject(t.Context(), lockDir+"/gone", lock{Host: "h", Renewed: w.service.opts.Now().Add(-lockStale)})
	w.must(err)
	if err := r.locked(t.Context(), "test", func(context.Context) error { return nil }); err != nil {
		t.Errorf("after a writer that is gone: %v", err)
	}
	list, err := w.target().List(t.Context(), lockDir)
	if err != nil || slices.ContainsFunc(list, func(target.Object) bool { return true }) {
		t.Errorf("locks that are left: %v, %v", list, err)
	}
}

// answerLost is a target that takes a lock, while whoever writes it is cancelled
// and does not hear of it; as an SFTP connection, it ends with that.
type answerLost struct {
	target.Target
	cancel context.CancelCauseFunc
	cut    bool
}

func (a *answerLost) Put(ctx context.Context, name string, content []byte) error {
	if err := a.Target.Put(ctx, name, content); err != nil {
		return err
	}
	a.cancel(ErrCancelled)
	if a.cut {
		return errors.Join(ctx.Err(), a.Close())
	}
	return ctx.Err()
}

// TestCancelledLock: a lock that was stored although its writer was cancelled is
// removed, and that of another stays.
func TestCancelledLock(t *testing.T) {
	srv := sftptest.Start(t)
	places := map[string]func(t *testing.T) func(context.Context) (target.Target, error){
		"folder": func(t *testing.T) func(context.Context) (target.Target, error) {
			dir := filepath.Join(t.TempDir(), "place")
			return func(ctx context.Context) (target.Target, error) { return OpenTarget(ctx, dir, Login{}) }
		},
		"SFTP": func(t *testing.T) func(context.Context) (target.Target, error) {
			o := sftp.Options{Addr: srv.Addr, User: "u", Folder: filepath.Join(t.TempDir(), "place"), Password: srv.Password, HostKey: func(string) error { return nil }}
			return func(ctx context.Context) (target.Target, error) { return sftp.Open(ctx, o) }
		},
	}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			w, open := newWorld(t), place(t)
			k, err := w.service.Key(t.Context())
			w.must(err)
			tg, err := open(t.Context())
			w.must(err)
			defer tg.Close()
			w.must(initRepository(t.Context(), tg, k, w.service.opts.Now))
			again, err := open(t.Context())
			w.must(err)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			r, err := openRepository(ctx, &answerLost{again, cancel, name == "SFTP"}, k, w.service.opts.Now, w.service.opts.Logger)
			w.must(err)
			defer r.close()
			r.reopen = open
			other, err := openRepository(t.Context(), tg, k, w.service.opts.Now, w.service.opts.Logger)
			w.must(err)
			defer other.close()
			_, err = other.putObject(t.Context(), lockDir+"/other", lock{Host: "h", Process: 7, Renewed: w.service.opts.Now()})
			w.must(err)
			err = r.locked(ctx, "backup", func(context.Context) error { t.Error("it works without a lock"); return nil })
			if !errors.Is(err, context.Canceled) {
				t.Errorf("locked = %v", err)
			}
			list, err := tg.List(t.Context(), lockDir)
			if err != nil || len(list) != 1 || list[0].Name != lockDir+"/other" {
				t.Errorf("locks that are left: %v, %v; want that of the other", list, err)
			}
		})
	}
}
