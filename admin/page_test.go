package admin

import (
	"fmt"
	"testing"

	"github.com/mailstead/mailstead/admin/directory"
)

// A page describes its own rows, looks at one more, and goes on where it was.
func TestPaginateWork(t *testing.T) {
	const n, limit = 60, 7
	a := open(t, t.TempDir(), Options{})
	ctx := AsOwner(t.Context(), "tester")
	must[Domain](t)(a.AddDomain(ctx, NewDomain{Name: "example.org"}))
	for i := range n {
		must[Alias](t)(a.AddAlias(ctx, fmt.Sprintf("a%03d@example.org", i), []string{"x@far.example"}))
	}
	matched, described := 0, 0
	describe := func(al directory.Alias) string { described++; return al.Address.Local }
	rows := a.opts.Directory.AliasRows(nil)
	var seen []string
	p := Paging{Limit: limit}
	for {
		described = 0
		page, err := paginate(rows, nil, p, describe)
		if err != nil {
			t.Fatal(err)
		}
		if described != len(page.Items) || *page.Total != n {
			t.Errorf("described %d rows for %d of %d", described, len(page.Items), *page.Total)
		}
		seen = append(seen, page.Items...)
		if page.Next == "" {
			break
		}
		p.Cursor = page.Next
	}
	if len(seen) != n || seen[0] != "a000" || seen[n-1] != "a059" {
		t.Errorf("all pages: %q", seen)
	}
	// A search looks at rows from the cursor until the page is full.
	total := func() int {
		page, err := paginate(rows, func(al *directory.Alias) bool { matched++; return al.Address.Local[3] < '5' }, Paging{Limit: limit, Cursor: p.Cursor}, describe)
		if err != nil || page.Total == nil {
			t.Fatal(page, err)
		}
		return *page.Total
	}
	if got := total(); got != n/2 {
		t.Errorf("%d match", got)
	}
	if most := n + 2*limit; matched > most {
		t.Errorf("looked at %d rows, want at most %d", matched, most)
	}
}
