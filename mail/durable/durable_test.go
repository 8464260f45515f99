package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestWriteFile: a file is replaced as a whole, and one that could not be
// finished leaves the old one. What power cuts leave is tried with the whole
// server, in cmd/mailstead.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name+".new", []byte("left over, and longer"), 0o400); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"old", "new"} {
		if err := WriteFile(name, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := Create(name, func(unfinished string) error {
		return errors.Join(os.WriteFile(unfinished, []byte("half"), 0o600), io.ErrUnexpectedEOF)
	}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Create = %v", err)
	}
	if got, err := os.ReadFile(name); err != nil || string(got) != "new" {
		t.Errorf("the file has %q, %v", got, err)
	}
	if s, err := os.Stat(name); err != nil || s.Mode() != 0o640 {
		t.Errorf("mode %v, %v", s.Mode(), err)
	}
	if err := WriteFile(filepath.Join(dir, "nowhere", "file"), nil, 0o600); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := MkdirAll(filepath.Join(dir, "a", "b"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := os.Stat(filepath.Join(dir, "a", "b")); err != nil || s.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", s.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(filepath.Join(dir, "file", "c"), 0o700); err == nil {
		t.Error("a folder in a file")
	}
	if err := MkdirAll(filepath.Join(dir, "file"), 0o700); err == nil {
		t.Error("a folder in place of a file")
	}
}
