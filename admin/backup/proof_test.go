package backup

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/directory"
	"github.com/mailstead/mailstead/mailbox"
)

// TestProofLogsIn: a proof tries a login whatever accounts there are, in its copy
// alone.
func TestProofLogsIn(t *testing.T) {
	yes := true
	suspend := func(w *world, id mailbox.AccountID) {
		_, err := w.dir.SetAccount(w.t.Context(), "test", uint32(id), directory.AccountChange{Suspended: &yes})
		w.must(err)
	}
	for _, tt := range []struct {
		name, want string
		before     func(w *world)
	}{
		{"as it is", "ana@example.org could log in", func(*world) {}},
		{"all app passwords taken", "ana@example.org could log in", func(w *world) {
			for i := 0; ; i++ {
				_, _, err := w.dir.AddAppPassword(w.t.Context(), "test", uint32(w.ana), directory.NewAppPassword{Label: fmt.Sprint(i)})
				if err != nil {
					return // that was the last
				}
			}
		}},
		{"suspended", "ana@example.org could log in", func(w *world) { suspend(w, w.ana) }},
		{"another suspended", "bo@example.org could log in", func(w *world) {
			w.account("bo@example.org")
			suspend(w, w.ana)
		}},
		{"another whose domain is off", "bo@example.org could log in", func(w *world) {
			_, err := w.dir.AddDomain(w.t.Context(), "test", directory.NewDomain{Name: "a.example.org"})
			w.must(err)
			w.account("al@a.example.org")
			w.account("bo@example.org")
			_, err = w.dir.SetDomain(w.t.Context(), "test", "a.example.org", directory.DomainChange{Disabled: &yes})
			w.must(err)
			suspend(w, w.ana)
		}},
		{"domain off", "ana@example.org could log in", func(w *world) {
			_, err := w.dir.SetDomain(w.t.Context(), "test", "example.org", directory.DomainChange{Disabled: &yes})
			w.must(err)
		}},
		{"no account", "there is no account to log in with", func(w *world) {
			w.must(w.dir.RemoveAccount(w.t.Context(), "test", uint32(w.ana)))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			tt.before(w)
			passwords := len(w.dir.AppPasswords(uint32(w.ana)))
			was, _ := w.dir.Account(uint32(w.ana))
			w.run()
			p, ok := w.service.LastProof(t.Context())
			if last := p.Steps[len(p.Steps)-1]; !ok || last.Name != "login" || last.Text != tt.want {
				t.Errorf("the proof ends with %+v, want %q", last, tt.want)
			}
			if now, _ := w.dir.Account(uint32(w.ana)); now.Suspended != was.Suspended || len(w.dir.AppPasswords(uint32(w.ana))) != passwords {
				t.Errorf("the live account was %+v and is %+v, with %d app passwords of %d", was, now, len(w.dir.AppPasswords(uint32(w.ana))), passwords)
			}
		})
	}
}

// TestProofWithoutLogin: a login that could not be tried is no proof of one.
func TestProofWithoutLogin(t *testing.T) {
	w := newWorld(t)
	w.must(w.dir.Close()) // nothing can be written to it
	if text, err := tryLogin(t.Context(), w.dir); err == nil || !strings.Contains(err.Error(), "no login to the restored server could be tried: ana@example.org: ") {
		t.Errorf("tryLogin = %q, %v", text, err)
	}
}
