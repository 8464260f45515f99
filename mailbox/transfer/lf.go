package transfer

import (
	"bytes"
	"io"
)

// lf is a writer that ends lines in LF, which may end in CRLF. All other octets
// stay, a CR alone included; end writes one that is still held back.
type lf struct {
	w     io.Writer
	cr    bool  // the octet before is a CR
	n     int64 // written
	lines int64 // LFs among them
}

func (l *lf) reset(w io.Writer) { *l = lf{w: w} }

func (l *lf) Write(p []byte) (n int, err error) {
	n = len(p)
	for len(p) > 0 {
		if l.cr && p[0] != '\n' {
			if err := l.put([]byte{'\r'}); err != nil {
				return 0, err
			}
		}
		i := bytes.IndexByte(p, '\r')
		l.cr = i >= 0
		if i < 0 {
			return n, l.put(p)
		}
		if err := l.put(p[:i]); err != nil {
			return 0, err
		}
		p = p[i+1:]
	}
	return n, nil
}

func (l *lf) end() error {
	if !l.cr {
		return nil
	}
	l.cr = false
	return l.put([]byte{'\r'})
}

func (l *lf) put(p []byte) error {
	n, err := l.w.Write(p)
	l.n += int64(n)
	l.lines += int64(bytes.Count(p[:n], []byte{'\n'}))
	return err
}
