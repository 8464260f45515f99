package movein

import (
	"bytes"
	"context"
	"iter"
	"testing"

	"github.com/mailstead/mailstead/mail/message"
	"github.com/mailstead/mailstead/mailbox"
)

// cutOff is a source whose run is cancelled after some messages.
type cutOff struct {
	Source
	after  int
	cancel context.CancelFunc
}

func (c *cutOff) Messages(ctx context.Context, f *Folder, known *Known) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		n := 0
		for item, err := range c.Source.Messages(ctx, f, known) {
			if n++; n > c.after+1 {
				c.cancel()
			}
			if !yield(item, err) {
				return
			}
		}
	}
}

func indexOf(text []byte) *message.Index {
	ix, err := message.Parse(bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	return ix
}

func TestCleanName(t *testing.T) {
	long := string(bytes.Repeat([]byte("ä"), 400))
	for _, tt := range []struct{ in, want string }{
		{"Work/Old", "Work/Old"}, {"inbox", "INBOX"}, {"a//b", "a/_/b"}, {"a\x00b\xff", "a_b_"}, {"", "_"}, {"x\u2028y", "x_y"},
	} {
		if got := cleanName(tt.in); got != tt.want {
			t.Errorf("cleanName(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
	for _, in := range []string{long, long + "/" + long, string(bytes.Repeat([]byte("a/"), 400)), string(bytes.Repeat([]byte(long+"/"), 10))} {
		if _, err := mailbox.CleanName(cleanName(in)); err != nil {
			t.Errorf("cleanName of %d octets: %v", len(in), err)
		}
	}
}

func TestRoles(t *testing.T) {
	for name, want := range map[string]mailbox.Role{"Sent Items": mailbox.RoleSent, "ENTWÜRFE": mailbox.RoleDrafts, "Junk E-mail": mailbox.RoleJunk, "Work": mailbox.NoRole, "Papierkorb": mailbox.RoleTrash} {
		if got := roleByName(name); got != want {
			t.Errorf("roleByName(%q) = %v, want %v", name, got, want)
		}
	}
}
