package message

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// A Spool keeps up to maxMemory in memory, in chunks, so that a small message
// takes a small one.
const (
	chunkSize = 32 << 10
	maxMemory = 256 << 10
)

// chunks are shared by all spools, for there is one a message.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// Spool keeps the octets of one message between its arrival and its delivery:
// in memory, and beyond 256 KiB in a file that has no name and is gone when
// the process is. A Spool is written by one goroutine and then read by any
// number; it must be closed.
type Spool struct {
	dir   string
	size  int64
	mem   []*[chunkSize]byte // the text, or one buffer beside the file
	file  *os.File           // holds all of it once the memory was full
	fault error              // of the file; nothing more is taken after it
}

// NewSpool returns an empty Spool that makes its file, if it needs one, in
// dir; empty means the system's folder for such files.
func NewSpool(dir string) *Spool { return &Spool{dir: dir} }

// Write appends p.
func (s *Spool) Write(p []byte) (int, error) {
	if s.fault != nil {
		return 0, s.fault
	}
	if s.file == nil && s.size+int64(len(p)) > maxMemory {
		if err := s.toFile(); err != nil {
			s.fault = err
			return 0, err
		}
	}
	if s.file != nil {
		n, err := s.file.Write(p)
		s.size += int64(n)
		if err != nil {
			s.fault = fmt.Errorf("spool message: %w", err)
		}
		return n, s.fault
	}
	for rest := p; len(rest) > 0; {
		room, err := s.room()
		if err != nil {
			return len(p) - len(rest), err
		}
		n := copy(room, rest)
		rest = rest[n:]
		s.size += int64(n)
	}
	return len(p), nil
}

// Fill appends r to its end, and shows tee what it appends. What is read goes
// where it stays, so that nothing is copied. An error of r or tee is returned
// as it is.
func (s *Spool) Fill(r io.Reader, tee io.Writer) error {
	for {
		p, err := s.room()
		if err != nil {
			return err
		}
		n, end := r.Read(p)
		if _, err := tee.Write(p[:n]); err != nil {
			return err
		}
		if s.file != nil {
			_, err = s.Write(p[:n])
		} else {
			s.size += int64(n)
		}
		switch {
		case err != nil:
			return err
		case end == io.EOF:
			return nil
		case end != nil:
			return end
		}
	}
}

// room returns memory for what comes next: of the spool itself, or a buffer
// beside its file.
func (s *Spool) room() ([]byte, error) {
	if s.fault == nil && s.file == nil && s.size >= maxMemory {
		s.fault = s.toFile()
	}
	if s.fault != nil {
		return nil, s.fault
	}
	if s.file != nil {
		if s.mem == nil {
			s.mem = append(s.mem, chunks.Get().(*[chunkSize]byte))
		}
		return s.mem[0][:], nil
	}
	if s.size == int64(len(s.mem))*chunkSize {
		s.mem = append(s.mem, chunks.Get().(*[chunkSize]byte))
	}
	return s.mem[len(s.mem)-1][s.size%chunkSize:], nil
}

// toFile moves what is in memory to a new file.
func (s *Spool) toFile() error {
	f, err := os.CreateTemp(s.dir, "spool-")
	if err != nil {
		return fmt.Errorf("spool message: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return fmt.Errorf("spool message: %w", err)
	}
	if _, err := io.Copy(f, struct{ io.Reader }{s.Reader()}); err != nil {
		f.Close()
		return fmt.Errorf("spool message: %w", err)
	}
	s.release()
	s.file = f
	return nil
}

func (s *Spool) release() {
	for _, c := range s.mem {
		chunks.Put(c)
	}
	s.mem = nil
}

// Size is the number of octets written.
func (s *Spool) Size() int64 { return s.size }

// ReadAt reads what was written.
func (s *Spool) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("spool: offset %d", off)
	}
	if s.file != nil {
		return s.file.ReadAt(p, off)
	}
	for n < len(p) && off < s.size {
		at := off % chunkSize
		end := min(chunkSize, at+s.size-off)
		k := copy(p[n:], s.mem[off/chunkSize][at:end])
		n += k
		off += int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Reader returns a reader of the whole, from its beginning.
func (s *Spool) Reader() io.Reader { return io.NewSectionReader(s, 0, s.size) }

// Close gives memory and file back. A second Close does nothing.
func (s *Spool) Close() error {
	s.release()
	s.size = 0
	s.fault = os.ErrClosed
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}
