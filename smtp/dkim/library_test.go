package dkim

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/mailstead/mailstead/mail/dns/dnstest"
)

// theirs verifies with another implementation.
func theirs(z *dnstest.Zones, msg []byte) (results []string) {
	header, body := split(msg)
	whole := append(bytes.Clone(header), body...)
	checked, err := dkim.VerifyWithOptions(bytes.NewReader(whole), &dkim.VerifyOptions{MaxVerifications: maxSignatures,
		LookupTXT: func(name string) ([]string, error) {
			texts, _, err := z.TXT(context.Background(), name)
			return texts, err
		}})
	if err != nil && len(checked) == 0 {
		return []string{err.Error()}
	}
	for _, v := range checked {
		results = append(results, fmt.Sprint(v.Err))
	}
	return results
}

// FuzzAgainstAnother: what we let pass, another implementation lets pass too,
// but for what it refuses on principle (l=).
func FuzzAgainstAnother(f *testing.F) {
	files, err := filepath.Glob("testdata/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatal("no messages", err)
	}
	for _, file := range files {
		f.Add(message(f, strings.TrimSuffix(filepath.Base(file), ".eml")))
	}
	z := zones(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		if !bytes.Contains(msg, []byte("\r\n\r\n")) || len(msg) > 64<<10 {
			return
		}
		ours := verify(t.Context(), z, msg)
		for i, r := range ours {
			if !r.Pass() || strings.Contains(r.Comment, "l=") {
				continue
			}
			if other := theirs(z, msg); i >= len(other) || other[i] != "<nil>" {
				t.Errorf("signature %d passes, for another implementation it does not: %v\n%q", i, other, msg)
			}
		}
	})
}
