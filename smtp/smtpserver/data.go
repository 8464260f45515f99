package smtpserver

import (
	"bufio"
	"io"
	"sync"

	"github.com/mailstead/mailstead/mail"
)

// wideBuffers are for peers that send much.
var wideBuffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, wideBuffer) }}

// more waits until something is buffered. A peer that filled the buffer at one
// go gets a wide one, so that large messages take few reads, and a connection
// that is idle or slow a small one.
func (f *filter) more() error {
	if f.br.Buffered() > 0 {
		return nil
	}
	if f.filled && f.narrow == nil && f.service.takeWide() {
		f.wide.Store(true)
		f.narrow = f.br
		f.br = wideBuffers.Get().(*bufio.Reader)
		f.br.Reset(f.Conn)
	}
	if _, err := f.br.Peek(1); err != nil {
		f.readFailed(err)
		f.over = true
		return io.ErrUnexpectedEOF
	}
	f.filled = f.br.Buffered() == readBuffer
	return nil
}

// narrowed gives a wide buffer back once it is empty.
func (f *filter) narrowed() {
	if f.narrow == nil || f.br.Buffered() > 0 {
		return
	}
	f.br.Reset(nil)
	wideBuffers.Put(f.br)
	f.br, f.narrow = f.narrow, nil
	f.br.Reset(f.Conn)
	f.giveWide()
}

// takeWide counts a wide buffer, unless there are too many: peers that stop in
// the middle of a message keep theirs.
func (s *service) takeWide() bool {
	if s.wide.Add(1) > maxWide {
		s.wide.Add(-1)
		return false
	}
	return true
}

// giveWide ends the count of this connection's, if it has one.
func (f *filter) giveWide() {
	if f.wide.CompareAndSwap(true, false) {
		f.service.wide.Add(-1)
	}
}

// dataReader reads the message of a DATA command from the filter, without the
// dots that the client doubled (RFC 5321 section 4.5.2), up to the end of data.
// It goes round go-smtp, which looks at each octet by itself; go-smtp is then
// given a message that is empty.
type dataReader struct{ f *filter }

func (r dataReader) Read(p []byte) (n int, err error) {
	f := r.f
	if f.mode != data {
		return 0, io.EOF
	}
	for n == 0 && f.mode == data && len(p) > 0 {
		if err := f.more(); err != nil {
			return 0, err
		}
		b, _ := f.br.Peek(f.br.Buffered())
		used, got, end := f.scan.text(p, b)
		if err := f.took(used, end); err != nil {
			return 0, err
		}
		n = got
	}
	if f.mode != data {
		err = io.EOF
	}
	return n, err
}

// dropData reads what is left of a message that the Session does not want, and
// then tells go-smtp that it is over.
func (f *filter) dropData() error {
	if err := f.more(); err != nil {
		return err
	}
	b, _ := f.br.Peek(f.br.Buffered())
	used, end := f.scan.data(b)
	return f.took(used, end)
}

// took counts octets of the message as read; end says that they were the last.
func (f *filter) took(n int, end bool) error {
	if f.scan.bare {
		f.bare.Store(true)
	}
	f.br.Discard(n)
	f.size += int64(n)
	if end {
		f.mode, f.out = commands, []byte(".\r\n")
	} else if f.size > f.maxSize*dataOverrun+readBuffer {
		return f.end(552, mail.StatusTooLarge, "the message is much larger than this server takes")
	}
	return nil
}
