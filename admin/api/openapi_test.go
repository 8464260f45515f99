package api

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/mailstead/mailstead/admin"
)

var update = flag.Bool("update", false, "rewrite openapi.json")

// TestOpenAPI compares the document that is committed with the operations.
func TestOpenAPI(t *testing.T) {
	got, err := handler(t, Options{Admin: admin.New(admin.Options{})}).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("openapi.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("openapi.json is not what the operations are; look at the difference after `go test ./admin/api -run TestOpenAPI -update`")
	}
}
