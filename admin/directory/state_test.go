package directory

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
)

func TestState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "system.db")
	d, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	var got []string
	if found, err := d.State(ctx, "a", &got); found || err != nil {
		t.Errorf("before: %v, %v", found, err)
	}
	if err := d.PutState(ctx, "a", []string{"x", "y"}); err != nil {
		t.Fatal(err)
	}
	if err := d.PutState(ctx, "b", strings.Repeat("x", maxState)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if entries, err := d.Audit(ctx, 0); len(entries) != 0 || err != nil {
		t.Errorf("audit: %v, %v", entries, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if d, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if found, err := d.State(ctx, "a", &got); !found || err != nil || len(got) != 2 {
		t.Errorf("after: %v, %v, %v", found, got, err)
	}
	if err := d.PutState(ctx, "a", nil); err != nil {
		t.Fatal(err)
	}
	if found, err := d.State(ctx, "a", &got); found || err != nil {
		t.Errorf("forgotten: %v, %v", found, err)
	}
}
