package unpack

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zipped makes a zip file of names and contents in turn.
func zipped(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func isXML(name string) bool { return strings.HasSuffix(name, ".xml") }

func TestOpen(t *testing.T) {
	zeros := make([]byte, 4<<20)
	many := make([]string, 0, 2*(maxEntries+1))
	for i := range maxEntries + 1 {
		many = append(many, fmt.Sprint(i, ".xml"), "x")
	}
	gz := gzipped(t, []byte("inside"))
	for _, tt := range []struct {
		name   string
		file   []byte
		limits Limits
		want   string
		err    error
	}{
		{"plain", []byte("inside"), Limits{}, "inside", nil},
		{"plain at the limit", []byte("inside"), Limits{Size: 6}, "inside", nil},
		{"plain beyond the limit", []byte("inside"), Limits{Size: 5}, "", ErrTooLarge},
		{"gzip", gz, Limits{}, "inside", nil},
		{"gzip at the limit", gz, Limits{Size: 6}, "inside", nil},
		{"gzip beyond the limit", gz, Limits{Size: 5}, "", ErrTooLarge},
		{"gzip cut off", gz[:len(gz)-3], Limits{}, "", ErrBroken},
		{"gzip header alone", gz[:3], Limits{}, "", ErrBroken},
		{"gzip bomb by ratio", gzipped(t, zeros), Limits{}, "", ErrTooLarge},
		{"gzip in parts", append(bytes.Clone(gz), gz...), Limits{}, "insideinside", nil},
		{"gzip in parts beyond the limit", append(bytes.Clone(gz), gz...), Limits{Size: 11}, "", ErrTooLarge},
		{"zip", zipped(t, "a.xml", "inside"), Limits{}, "inside", nil},
		{"zip with something beside", zipped(t, "read.me", "hello", "a.xml", "inside"), Limits{}, "inside", nil},
		{"zip with another name", zipped(t, "report", "inside"), Limits{}, "inside", nil},
		{"zip with a folder", zipped(t, "dir/", "", "dir/a.xml", "inside"), Limits{}, "inside", nil},
		{"zip with a path out of it", zipped(t, "../../etc/a.xml", "inside"), Limits{}, "inside", nil},
		{"zip of nothing", zipped(t, "dir/", ""), Limits{}, "", ErrBroken},
		{"zip of too many", zipped(t, many...), Limits{}, "", ErrTooLarge},
		{"zip bomb by ratio", zipped(t, "a.xml", string(zeros)), Limits{}, "", ErrTooLarge},
		{"zip beyond the limit", zipped(t, "a.xml", "inside"), Limits{Size: 5}, "", ErrTooLarge},
		{"zip cut off", zipped(t, "a.xml", "inside")[:40], Limits{}, "", ErrBroken},
		{"nothing", nil, Limits{}, "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Open(tt.file, isXML, tt.limits)
			if string(got) != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Open = %.40q, %v; want %q, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

// A bomb costs no more than what is allowed to come out of it.
func TestBombStopsEarly(t *testing.T) {
	bomb := gzipped(t, make([]byte, 64<<20))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Open(bomb, isXML, Limits{})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrTooLarge) {
		t.Fatalf("the bomb was opened: %v", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 48<<20 {
		t.Errorf("the bomb took %d octets of memory", got)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("<feedback/>"))
	f.Add(gzipped(f, []byte("<feedback/>")))
	f.Add(zipped(f, "a.xml", "<feedback/>"))
	f.Add(zipped(f, "a", "", "b/", ""))
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := Open(file, isXML, Limits{Size: 1 << 20})
		if err != nil && !errors.Is(err, ErrBroken) && !errors.Is(err, ErrTooLarge) {
			t.Errorf("an error without a name: %v", err)
		}
		if len(got) > 1<<20 {
			t.Errorf("%d octets came out", len(got))
		}
	})
}
