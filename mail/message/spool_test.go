package message

import (
	"bytes"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

func TestSpool(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, maxMemory, maxMemory + 1, 3*maxMemory + 7} {
		dir := t.TempDir()
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i * i >> 7)
		}
		s := NewSpool(dir)
		if n, err := io.Copy(struct{ io.Writer }{s}, bytes.NewReader(want)); n != int64(size) || err != nil {
			t.Fatalf("%d octets: wrote %d, %v", size, n, err)
		}
		if s.Size() != int64(size) || (s.file != nil) != (size > maxMemory) {
			t.Errorf("%d octets: size %d, file %v", size, s.Size(), s.file)
		}
		for range 2 {
			if err := iotest.TestReader(s.Reader(), want); err != nil {
				t.Errorf("%d octets: %v", size, err)
			}
		}
		if n, err := s.ReadAt(make([]byte, 1), int64(size)); n != 0 || err != io.EOF {
			t.Errorf("%d octets: read %d, %v at the end", size, n, err)
		}
		if _, err := s.ReadAt(make([]byte, 1), -1); err == nil {
			t.Errorf("%d octets: an offset below 0 is taken", size)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("%d octets: %v lies in the folder, %v", size, left, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if _, err := s.Write([]byte("x")); err == nil {
			t.Error("a closed spool takes more")
		}
	}
}

// TestSpoolFault checks that a spool that could not be written stays so.
func TestSpoolFault(t *testing.T) {
	s := NewSpool(t.TempDir() + "/missing")
	defer s.Close()
	if _, err := s.Write(make([]byte, maxMemory)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Write([]byte("x")); err == nil {
			t.Error("no error without a folder")
		}
	}
	if s.Size() != maxMemory {
		t.Errorf("size %d", s.Size())
	}
}
