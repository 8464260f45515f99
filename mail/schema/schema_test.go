package schema

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFolder(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  Folder
		says  string
	}{
		{"empty", nil, Folder{Schema: Current}, ""},
		{"from before there were numbers", map[string]string{"system.db": "x"}, Folder{Schema: First}, ""},
		{"with a number", map[string]string{"system.db": "x", fileName: `{"schema":7,"program":"v9.1"}`}, Folder{7, "v9.1"}, ""},
		{"not readable", map[string]string{fileName: "seven"}, Folder{}, "not readable"},
		{"no number", map[string]string{fileName: "{}"}, Folder{}, "not readable"},
		{"large", map[string]string{fileName: strings.Repeat(" ", maxFile+1)}, Folder{}, "larger than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got, err := Read(dir)
			if got != tt.want || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("Read = %+v, %v; want %+v, %q", got, err, tt.want, tt.says)
			}
		})
	}
}

// Data that is newer is refused, with both numbers, who wrote it, and what to
// do.
func TestNewer(t *testing.T) {
	dir := t.TempDir()
	if err := Write(dir, "v1.0"); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir); err != nil || got != (Folder{Current, "v1.0"}) {
		t.Errorf("written and read: %+v, %v", got, err)
	}
	content := fmt.Sprintf(`{"schema":%d,"program":"v9.1"}`, Current+1)
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	err := CheckFolder(dir)
	if newer := new(Newer); !errors.As(err, &newer) || newer.Found != Current+1 {
		t.Fatalf("CheckFolder = %v", err)
	}
	for _, word := range []string{dir, fmt.Sprint("schema ", Current+1), fmt.Sprint("up to ", Current), "v9.1", "upgrade back", "backup"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if err := Check("x", Current); err != nil {
		t.Error(err)
	}
	if older := new(Older); !errors.As(Check("x", Current-1), &older) {
		t.Error("older data is not told")
	}
}

func TestRows(t *testing.T) {
	for _, tt := range []struct {
		row  string
		want int
		ok   bool
	}{{"", First, true}, {"1", 1, true}, {"12", 12, true}, {"0", 0, false}, {"x", 0, false}} {
		got, err := OfRow([]byte(tt.row))
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("OfRow(%q) = %d, %v", tt.row, got, err)
		}
	}
	if n, err := OfRow(Row(42)); n != 42 || err != nil {
		t.Errorf("42 is read as %d, %v", n, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"schema":1,"program":"v1"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := Parse(b); err == nil && got.Schema < First {
			t.Fatalf("%+v", got)
		}
	})
}
