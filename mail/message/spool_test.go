package message

import (
	"bytes"
	"io"
	"os"
	"testing"
	"testing/iotest"
)

func TestSpool(t *testing.T) {
	for _, size := range []int{0, 1, firstSize - 1, firstSize, firstSize + 1, chunkSize + firstSize, chunkSize + firstSize + 1, maxMemory - 1, maxMemory, maxMemory + 1, 3*maxMemory + 7} {
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
		for _, off := range []int{0, size / 3, size} {
			for _, end := range []int{off, (off + size) / 2, size} {
				var shown bytes.Buffer
				if err := s.Show(&shown, int64(off), int64(end)); err != nil || !bytes.Equal(shown.Bytes(), want[off:end]) {
					t.Errorf("%d octets: from %d to %d are %d, %v", size, off, end, shown.Len(), err)
				}
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

// TestSpoolFill checks that what is read and what is written come in order,
// however the reader deals it out, and that the tee sees it.
func TestSpoolFill(t *testing.T) {
	want := make([]byte, 2*maxMemory+77)
	for i := range want {
		want[i] = byte(i * i >> 7)
	}
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "end with data": iotest.DataErrReader,
	} {
		for _, size := range []int{0, 1, chunkSize, maxMemory - 3, maxMemory, maxMemory + 1, len(want) - 7} {
			s := NewSpool(t.TempDir())
			var seen bytes.Buffer
			if _, err := s.Write(want[:3]); err != nil {
				t.Fatal(err)
			}
			if err := s.Fill(wrap(bytes.NewReader(want[3:3+size])), &seen); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if _, err := s.Write(want[3+size : 3+size+4]); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(s.Reader())
			if err != nil || !bytes.Equal(got, want[:3+size+4]) || !bytes.Equal(seen.Bytes(), want[3:3+size]) {
				t.Errorf("%s, %d octets: the spool has %d, the tee saw %d, %v", name, size, len(got), seen.Len(), err)
			}
			s.Close()
		}
	}
	s := NewSpool(t.TempDir())
	defer s.Close()
	if err := s.Fill(iotest.ErrReader(io.ErrUnexpectedEOF), io.Discard); err != io.ErrUnexpectedEOF {
		t.Errorf("an error of the reader came back as %v", err)
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
