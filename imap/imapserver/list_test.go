package imapserver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox"
)

// TestListPages lists more names than should wait for a client to read: each
// comes once, and what waits stays small.
func TestListPages(t *testing.T) {
	f := newFixture(t)
	var above string
	for i := range 3 {
		above += strings.Repeat(string(rune('a'+i)), 200) + "/"
	}
	const n = 1200
	for i := range n {
		if _, err := f.account.CreateMailbox(t.Context(), fmt.Sprintf("%s%04d", above, i), mailbox.NoRole); err != nil {
			t.Fatal(err)
		}
	}
	var answer strings.Builder
	s := &session{srv: f.srv, out: imapwire.NewEncoder(&answer, nil)}
	req := &listRequest{patterns: []pattern{newPattern("", "*")}}
	pages := 0
	for after, more := "", true; more; pages++ {
		err := f.account.View(t.Context(), func(v *mailbox.View) (err error) {
			after, more, err = s.writePage(v, req, after)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if waiting := s.out.Len(); waiting > listPage+2000 {
			t.Errorf("%d octets wait", waiting)
		}
		if err := s.out.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	want := 0
	for line := range strings.Lines(answer.String()) {
		if !strings.Contains(line, above) {
			continue // INBOX and its like, and those above
		}
		if !strings.HasSuffix(line, fmt.Sprintf("/%04d\"\r\n", want)) {
			t.Fatalf("name %d is %s", want, line)
		}
		want++
	}
	if want != n || pages < 3 {
		t.Errorf("%d of %d names in %d pages", want, n, pages)
	}
	c := f.login("INBOX")
	if lines := c.run(`a LIST "" *`); len(lines) != strings.Count(answer.String(), "\r\n")+1 {
		t.Errorf("LIST wrote %d lines", len(lines))
	}
}
