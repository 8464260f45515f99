package message

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"sync"
)

// A Spool keeps up to maxMemory in memory, in chunks: a small first one, which
// is all that a message takes as long as nothing came, and others.
const (
	firstSize = 8 << 10
	chunkSize = 32 << 10
	maxMemory = 256 << 10
)

// Chunks are shared by all spools, for there is one a message.
var (
	firsts = sync.Pool{New: func() any { return new([firstSize]byte) }}
	chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}
)

// Spool keeps the octets of one message between its arrival and its delivery:
// in memory, and beyond 256 KiB, or where its [Intake] has no memory left, in a
// file that has no name and is gone when the process is. A Spool is written by
// one goroutine and then read by any number; it must be closed.
type Spool struct {
	dir    string
	intake *Intake // nil: memory is not shared
	size   int64
	first  *[firstSize]byte
	mem    []*[chunkSize]byte // what follows the first, or one buffer beside the file
	file   *os.File           // holds all of it once there was no memory
	fault  error              // of the file; nothing more is taken after it
}

// NewSpool returns an empty Spool that makes its file, if it needs one, in
// dir; empty means the system's folder for such files.
func NewSpool(dir string) *Spool { return &Spool{dir: dir} }

// Write appends p.
func (s *Spool) Write(p []byte) (int, error) {
	if s.fault != nil {
		return 0, s.fault
	}
	rest := p
	for len(rest) > 0 && s.file == nil {
		room, err := s.room()
		if err != nil {
			return len(p) - len(rest), err
		}
		if s.file == nil {
			n := copy(room, rest)
			rest = rest[n:]
			s.size += int64(n)
		}
	}
	if len(rest) > 0 {
		n, err := 0, s.intake.onDisk(int64(len(rest)))
		if err == nil {
			n, err = s.file.Write(rest)
		}
		s.size += int64(n)
		if err != nil {
			s.fault = fmt.Errorf("spool message: %w", err)
		}
		return len(p) - len(rest) + n, s.fault
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
	if s.fault == nil && s.file == nil && s.size == s.memory() && !s.grow() {
		s.fault = s.toFile()
	}
	switch {
	case s.fault != nil:
		return nil, s.fault
	case s.file != nil && len(s.mem) > 0:
		return s.mem[0][:], nil
	case s.file != nil:
		return s.first[:], nil
	case s.size < firstSize:
		return s.first[s.size:], nil
	}
	last := s.mem[len(s.mem)-1][(s.size-firstSize)%chunkSize:]
	return last[:min(int64(len(last)), maxMemory-s.size)], nil
}

// memory is how much the spool has room for in memory.
func (s *Spool) memory() int64 {
	if s.first == nil {
		return 0
	}
	return min(maxMemory, firstSize+int64(len(s.mem))*chunkSize)
}

// grow takes a further chunk, if that is allowed. The first always is.
func (s *Spool) grow() bool {
	switch {
	case s.first == nil:
		s.first = firsts.Get().(*[firstSize]byte)
		return true
	case s.memory() == maxMemory || !s.intake.take(chunkSize):
		return false
	}
	s.mem = append(s.mem, chunks.Get().(*[chunkSize]byte))
	return true
}

// toFile moves what is in memory to a new file.
func (s *Spool) toFile() error {
	if err := s.intake.onDisk(s.size); err != nil {
		return fmt.Errorf("spool message: %w", err)
	}
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
	s.keep(1)
	s.file = f
	return nil
}

// keep gives back all chunks but the first n.
func (s *Spool) keep(n int) {
	n = min(n, len(s.mem))
	for _, c := range s.mem[n:] {
		chunks.Put(c)
	}
	s.intake.give(int64(len(s.mem)-n) * chunkSize)
	s.mem = s.mem[:n]
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
		k := copy(p[n:], s.piece(off))
		n += k
		off += int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// piece returns what lies in memory from off to the end of its chunk.
func (s *Spool) piece(off int64) []byte {
	if off < firstSize {
		return s.first[off:min(firstSize, s.size)]
	}
	at := (off - firstSize) % chunkSize
	return s.mem[(off-firstSize)/chunkSize][at:min(chunkSize, at+s.size-off)]
}

// Show writes what was spooled from off up to end to w.
func (s *Spool) Show(w io.Writer, off, end int64) error {
	if s.file != nil {
		buf := chunks.Get().(*[chunkSize]byte)
		defer chunks.Put(buf)
		_, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{io.NewSectionReader(s, off, end-off)}, buf[:])
		return err
	}
	for off < end {
		piece := s.piece(off)
		n, err := w.Write(piece[:min(int64(len(piece)), end-off)])
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// Reader returns a reader of the whole, from its beginning.
func (s *Spool) Reader() io.Reader { return s.From(0) }

// From returns a reader of what was spooled, from off on.
func (s *Spool) From(off int64) io.Reader { return io.NewSectionReader(s, off, s.size-off) }

// header returns the header, and whether that is all of it or what fits in
// limit.
func (s *Spool) header(limit int64) (header []byte, whole bool, err error) {
	if s.file == nil && s.size > 0 { // nearly always it is in the first chunk
		first := s.piece(0)
		if end := HeaderEnd(first); end < len(first) {
			return bytes.Clone(first[:end]), true, nil
		}
	}
	header, _, err = SplitHeader(io.LimitReader(s.Reader(), limit))
	return header, int64(len(header)) < limit || s.size <= limit, err
}

// Close gives memory and file back. A second Close does nothing.
func (s *Spool) Close() error {
	s.keep(0)
	if s.first != nil {
		firsts.Put(s.first)
	}
	s.first, s.size, s.fault = nil, 0, os.ErrClosed
	if s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	return f.Close()
}
