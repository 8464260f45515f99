// Package targettest checks that a target.Target does what it has to.
package targettest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/mailstead/mailstead/admin/backup/target"
)

// Run checks a target that is empty.
func Run(t *testing.T, tg target.Target) {
	t.Helper()
	ctx := t.Context()
	if _, err := tg.Get(ctx, "packs/aa/none"); !errors.Is(err, target.ErrNotFound) {
		t.Errorf("Get of nothing: %v", err)
	}
	if list, err := tg.List(ctx, "packs"); err != nil || len(list) != 0 {
		t.Errorf("List of nothing: %v, %v", list, err)
	}
	if err := tg.Delete(ctx, "packs/aa/none"); err != nil {
		t.Errorf("Delete of nothing: %v", err)
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	for name, content := range map[string][]byte{"packs/aa/one": large, "packs/bb/two": []byte("2"), "packs2/no": []byte("x"), "head.json": []byte("{}")} {
		if err := tg.Put(ctx, name, []byte("older")); err != nil {
			t.Fatal(err)
		}
		if err := tg.Put(ctx, name, content); err != nil {
			t.Fatalf("Put over another: %v", err)
		}
		if got, err := tg.Get(ctx, name); err != nil || !bytes.Equal(got, content) {
			t.Errorf("Get %s: %d octets, %v; want %d", name, len(got), err, len(content))
		}
	}
	list, err := tg.List(ctx, "packs")
	slices.SortFunc(list, func(a, b target.Object) int { return int(b.Size - a.Size) })
	if want := []target.Object{{Name: "packs/aa/one", Size: int64(len(large))}, {Name: "packs/bb/two", Size: 1}}; err != nil || !slices.Equal(list, want) {
		t.Errorf("List: %v, %v; want %v", list, err, want)
	}
	if err := tg.Delete(ctx, "packs/aa/one"); err != nil {
		t.Error(err)
	}
	if _, err := tg.Get(ctx, "packs/aa/one"); !errors.Is(err, target.ErrNotFound) {
		t.Errorf("Get of what was deleted: %v", err)
	}
	for _, name := range []string{"../x", "/x", "packs//x", ""} {
		if err := tg.Put(ctx, name, nil); err == nil {
			t.Errorf("Put %q is allowed", name)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := tg.Put(ended, "packs/cc/three", []byte("3")); err == nil {
		t.Error("Put after the end of its context")
	}
}
