package admin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/admin/movein"
)

// TestUnfinished: an import that does not account for all messages has failed,
// and says what to do next.
func TestUnfinished(t *testing.T) {
	for _, tt := range []struct {
		name string
		rep  movein.Report
		want []string
	}{
		{"all is well", movein.Report{Problems: []movein.Problem{{Name: "INBOX, UID 9", Error: "it is empty"}}}, nil},
		{"wrong", movein.Report{Wrong: []movein.Problem{{Name: "INBOX, UID 9"}}}, []string{"1 messages are not here as the source gave them"}},
		{"incomplete", movein.Report{Incomplete: []movein.Problem{{Name: "Work", Error: "it has more"}, {Name: "Old"}}}, []string{"2 of the folders", "Work: it has more", "Run the import again"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := unfinished(&tt.rep)
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("error %v", err)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in %q", w, err)
				}
			}
		})
	}
}

// TestImportAsksForToken: an import whose token nobody gives does not begin,
// and leaves nothing; a list asks once for what its lines have in common.
func TestImportAsksForToken(t *testing.T) {
	ctx := AsOwner(t.Context(), "tester")
	data := t.TempDir()
	a := open(t, data, Options{ImportDir: filepath.Join(data, "imports")})
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "a.test"}))
	for _, address := range []string{"ana@a.test", "bo@a.test"} {
		must[Account](t)(a.AddAccount(ctx, NewAccount{Address: address}))
	}
	asked := filepath.Join(data, "asked")
	command := "echo x >>" + asked + "; echo no such app >&2; exit 3"
	place := IMAPPlace{Host: "imap.test", User: "ana", TokenCommand: command}
	_, err := a.StartImport(ctx, NewImport{Kind: ImportIMAP, Account: "ana@a.test", Source: &place})
	if err == nil || !strings.Contains(err.Error(), "no token: the program fails (exit status 3): no such app") {
		t.Errorf("error %v", err)
	}
	got := must[ImportListResult](t)(a.StartImports(ctx, ImportList{Text: "ana@a.test\nbo@a.test\n", Source: &ListSource{Host: "imap.test", TokenCommand: command}}))
	if got.Failed != 2 || !strings.Contains(got.Rows[1].Error, "no such app") {
		t.Errorf("list: %+v", got)
	}
	if b, err := os.ReadFile(asked); err != nil || string(b) != "x\nx\n" {
		t.Errorf("asked %q, %v: want once for the import and once for the list", b, err)
	}
	if list := must[Page[Import]](t)(a.Imports(ctx)); len(list.Items) != 0 {
		t.Errorf("imports: %+v", list.Items)
	}
}
