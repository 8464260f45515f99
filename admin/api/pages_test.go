package api

import (
	"compress/gzip"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/labstack/echo/v4"
)

// TestPagesAreCompressed asks for built files as browsers do: what gets smaller is sent so, to those that take it.
func TestPagesAreCompressed(t *testing.T) {
	script, font := strings.Repeat("let a = 1;\n", 500), make([]byte, 4096)
	rand.Read(font)
	assets, err := readAssets(fstest.MapFS{
		"assets/a.js":    {Data: []byte(script)},
		"assets/f.woff2": {Data: font},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, accept, encoding, body string
	}{
		{"/assets/a.js", "gzip, deflate, br", "gzip", script},
		{"/assets/a.js", "", "", script},
		{"/assets/f.woff2", "gzip", "", string(font)},
	} {
		t.Run(tt.name+" "+tt.accept, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodGet, tt.name, nil)
			req.Header.Set("Accept-Encoding", tt.accept)
			rec := httptest.NewRecorder()
			if err := assets[tt.name].send(echo.New().NewContext(req, rec)); err != nil {
				t.Fatal(err)
			}
			if got := rec.Header().Get("Content-Encoding"); got != tt.encoding {
				t.Errorf("Content-Encoding %q, want %q", got, tt.encoding)
			}
			var body io.Reader = rec.Body
			if tt.encoding != "" {
				if body, err = gzip.NewReader(rec.Body); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := io.ReadAll(body); err != nil || string(got) != tt.body {
				t.Errorf("%d bytes, %v; want %d", len(got), err, len(tt.body))
			}
		})
	}
}
