package s3

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mailstead/mailstead/admin/backup/target/s3/s3test"
	"github.com/mailstead/mailstead/admin/backup/target/targettest"
)

// server is an S3 server with a bucket; while broken is set it cuts uploads off.
func server(t *testing.T) (o Options, broken *atomic.Bool) {
	t.Helper()
	s := s3test.Start(t)
	return Options{Endpoint: s.Addr, Bucket: s.Bucket, Prefix: "a/b", Region: "eu-1", KeyID: "id", Secret: "secret", Plain: true}, &s.Broken
}

func TestBucket(t *testing.T) {
	o, _ := server(t)
	b, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	targettest.Run(t, b)
}

func TestNoBucket(t *testing.T) {
	o, _ := server(t)
	o.Bucket = "other"
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "there is no bucket other") {
		t.Errorf("Open = %v", err)
	}
}

// TestCutOff: an upload that breaks off leaves the object as it was.
func TestCutOff(t *testing.T) {
	o, broken := server(t)
	b, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "packs/aa/one", []byte("old")); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	if err := b.Put(t.Context(), "packs/aa/one", []byte("new")); err == nil {
		t.Error("Put over a broken connection went well")
	}
	broken.Store(false)
	if got, err := b.Get(t.Context(), "packs/aa/one"); err != nil || string(got) != "old" {
		t.Errorf("Get = %q, %v", got, err)
	}
}
