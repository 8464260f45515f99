package certs

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// filePair is a certificate in files of the administrator.
type filePair struct {
	certFile, keyFile string

	mu    sync.Mutex
	pair  *tls.Certificate
	stamp [2]time.Time
	err   error
}

// get returns the certificate, read again if a file has changed. While the new
// files do not fit together the old certificate is shown.
func (f *filePair) get() (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	stamp, err := f.stat()
	if err == nil && stamp == f.stamp {
		return f.pair, f.err
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(f.certFile, f.keyFile); err == nil {
			f.pair, f.stamp, f.err = &pair, stamp, nil
			return f.pair, nil
		}
	}
	f.err = fmt.Errorf("certificate files: %w", err)
	if f.pair != nil {
		return f.pair, f.err
	}
	return nil, f.err
}

func (f *filePair) stat() (stamp [2]time.Time, err error) {
	for i, name := range []string{f.certFile, f.keyFile} {
		s, err := os.Stat(name)
		if err != nil {
			return stamp, err
		}
		stamp[i] = s.ModTime()
	}
	return stamp, nil
}
