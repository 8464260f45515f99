package backup

import (
	"context"
	"errors"
	"testing"

	"github.com/mailstead/mailstead/admin/backup/plan"
	"github.com/mailstead/mailstead/admin/backup/target"
	"github.com/mailstead/mailstead/mailbox"
)

// TestPrune: what is kept is whole after what is not was removed, and the
// target gets smaller.
func TestPrune(t *testing.T) {
	w := newWorld(t)
	w.set.Keep = plan.Retention{Last: 10}
	var runs []Run
	for n := range 4 {
		for i := range 6 {
			w.deliver(w.ana, text(100*n+i, 100_000), mailbox.Seen)
		}
		runs = append(runs, w.run())
	}
	w.must(w.boxes.DropAccount(t.Context(), w.ana))
	w.must(w.boxes.CreateAccount(t.Context(), w.ana))
	w.deliver(w.ana, text(999, 1000), 0)
	w.must(w.eng.Reclaim(t.Context()))
	before := w.stored()
	w.set.Keep = plan.Retention{Last: 1}
	last := w.run()
	list, err := w.service.List(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != last.ID {
		t.Errorf("List = %+v, %v", list, err)
	}
	if after := w.stored(); after > before/2 {
		t.Errorf("the target had %d octets, and has %d", before, after)
	}
	if _, res, err := w.restore(last.ID); err != nil || res.Messages != 1 {
		t.Errorf("restore: %+v, %v", res, err)
	}
	if _, _, err := w.restore(runs[0].ID); !errors.Is(err, ErrNoBackup) {
		t.Errorf("restore of what was removed: %v", err)
	}
}

// stored is how many octets are in packs.
func (w *world) stored() (n int64) {
	w.t.Helper()
	list, err := w.target().List(w.t.Context(), packFolder)
	w.must(err)
	for _, o := range list {
		n += o.Size
	}
	return n
}

// breaking is a target whose writes fail after so many.
type breaking struct {
	target.Target
	left int
}

var errBroken = errors.New("the line is cut")

func (b *breaking) Put(ctx context.Context, name string, content []byte) error {
	if b.left--; b.left < 0 {
		return errBroken
	}
	return b.Target.Put(ctx, name, content)
}

func (b *breaking) Delete(ctx context.Context, name string) error {
	if b.left--; b.left < 0 {
		return errBroken
	}
	return b.Target.Delete(ctx, name)
}

// TestPruneBroken breaks a removal off at every step: the backup that is kept
// can be restored each time.
func TestPruneBroken(t *testing.T) {
	w := newWorld(t)
	w.set.Keep = plan.Retention{Last: 10}
	for i := range 6 {
		w.deliver(w.ana, text(i, 100_000), 0)
	}
	first := w.run()
	for i := range 4 {
		w.deliver(w.ana, text(10+i, 30_000), 0)
	}
	second := w.run()
	k, err := w.service.Key(t.Context())
	w.must(err)
	for step := range 12 {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := openRepository(ctx, &breaking{w.target(), step}, k, w.service.opts.Now, w.service.opts.Logger)
		w.must(err)
		r.wait = 1
		if _, err := r.prune(ctx, []string{first.ID}); err != nil && !errors.Is(err, errBroken) {
			t.Fatalf("step %d: %v", step, err)
		}
		cancel()
		r.close()
		p, err := w.service.Verify(t.Context(), second.ID, nil, func(string, int64, int64) {})
		if err != nil || !p.OK {
			t.Fatalf("after a removal that broke off at step %d: %+v, %v", step, p, err)
		}
	}
}

// TestInterrupted: a run that broke off leaves no backup, and the next one
// finds what it has written.
func TestInterrupted(t *testing.T) {
	w := newWorld(t)
	for i := range 120 {
		w.deliver(w.ana, text(i, 240_000), 0)
	}
	k, err := w.service.Key(t.Context())
	w.must(err)
	w.must(initRepository(t.Context(), w.target(), k, w.service.opts.Now))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := openRepository(ctx, w.target(), k, w.service.opts.Now, w.service.opts.Logger)
	w.must(err)
	seen := int64(0)
	_, err = r.run(ctx, w.service.opts.Source, t.TempDir(), func(done, _ int64) {
		if seen = done; done > 24<<20 {
			cancel()
		}
	})
	r.close()
	if err == nil {
		t.Fatal("a run that was cancelled went well")
	}
	if ids, err := w.target().List(t.Context(), backupDir); err != nil || len(ids) != 0 {
		t.Errorf("there is a backup: %v, %v", ids, err)
	}
	stored := w.stored()
	if stored == 0 {
		t.Fatalf("nothing was written of %d octets", seen)
	}
	next := w.run()
	if slack := int64(1 << 20); next.Added+stored > w.stored()+slack || next.Added >= w.stored() {
		t.Errorf("%d octets were there, the next run added %d, and now there are %d", stored, next.Added, w.stored())
	}
}
