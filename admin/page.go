package admin

import (
	"encoding/base64"
	"errors"

	"github.com/mailstead/mailstead/admin/directory"
)

// Bounds of lists.
const (
	pageDefault = 50
	pageMost    = 500
	countMost   = 2000 // rows that are looked at to count those that match
)

// Paging says which part of a list is wanted.
type Paging struct {
	Limit  int    // 50 if 0, at most 500
	Cursor string // the Next of the page before; "" is the first page
}

func (p Paging) limit() int {
	if p.Limit <= 0 {
		return pageDefault
	}
	return min(p.Limit, pageMost)
}

// after returns the key that the page begins behind.
func (p Paging) after() (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil {
		return "", At("cursor", invalid("the cursor is not one of this list; begin without"))
	}
	return string(b), nil
}

// Page is a part of a list.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty" doc:"Cursor of the next page; absent on the last."`
	Total *int   `json:"total,omitempty" doc:"Number of items on all pages, where it is known."`
}

func cursor(key string) string { return base64.RawURLEncoding.EncodeToString([]byte(key)) }

// paginate takes a page out of rows, and describes only those. It looks at no
// row before the page and, without a match, at none behind it but one. match
// says which rows are in the list; nil: all.
func paginate[R, T any](rows directory.Rows[R], match func(*R) bool, p Paging, describe func(R) T) (Page[T], error) {
	after, err := p.after()
	if err != nil {
		return Page[T]{}, err
	}
	page := Page[T]{Items: []T{}, Total: total(rows, match)}
	last := ""
	for key, r := range rows.After(after) {
		if match != nil && !match(&r) {
			continue
		}
		if len(page.Items) == p.limit() {
			page.Next = cursor(last)
			break
		}
		page.Items = append(page.Items, describe(r))
		last = key
	}
	return page, nil
}

// total is how many rows match; nil if too many would have to be looked at for
// each page.
func total[R any](rows directory.Rows[R], match func(*R) bool) *int {
	n := rows.Len()
	if match == nil {
		return &n
	}
	if n > countMost {
		return nil
	}
	n = 0
	for _, r := range rows.After("") {
		if match(&r) {
			n++
		}
	}
	return &n
}

// whole is a short list as one page.
func whole[T any](items []T) Page[T] {
	if items == nil {
		items = []T{}
	}
	n := len(items)
	return Page[T]{Items: items, Total: &n}
}

// All gets every page of a list.
func All[T any](get func(Paging) (Page[T], error)) ([]T, error) {
	all := []T{}
	p := Paging{Limit: pageMost}
	for {
		page, err := get(p)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		p.Cursor = page.Next
	}
}

// FieldError says which field of the input an error is about, by its JSON
// name.
type FieldError struct {
	Field string
	Err   error
}

func (e *FieldError) Error() string { return e.Err.Error() }
func (e *FieldError) Unwrap() error { return e.Err }

// At names the field that is not valid; other errors stay as they are.
func At(field string, err error) error {
	var known *FieldError
	if err == nil || !errors.Is(err, directory.ErrInvalid) || errors.As(err, &known) {
		return err
	}
	return &FieldError{Field: field, Err: err}
}
