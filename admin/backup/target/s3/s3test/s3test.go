// Package s3test is an S3 server for tests.
package s3test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// Server is an S3 server in memory, without TLS, that takes any key.
type Server struct {
	Addr   string
	Bucket string
	// Broken makes it cut uploads off.
	Broken atomic.Bool
}

// Start starts a server with a bucket, which ends with the test.
func Start(t *testing.T) *Server {
	t.Helper()
	s := &Server{Bucket: "mail"}
	backend := s3mem.New()
	if err := backend.CreateBucket(s.Bucket); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(backend).Server()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.Broken.Load() && r.Method == http.MethodPut {
			panic(http.ErrAbortHandler) // the connection ends in the middle
		}
		fake.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	s.Addr = strings.TrimPrefix(srv.URL, "http://")
	return s
}
