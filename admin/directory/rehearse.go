package directory

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// ErrRehearsed means that a change was only rehearsed: everything about it was
// checked, and nothing is different.
var ErrRehearsed = errors.New("directory: rehearsed, nothing has changed")

// Rehearsal is what changes would have been written to the audit log.
type Rehearsal struct{ Entries []AuditEntry }

type rehearsalKey struct{}

// Rehearse makes changes with this context fail with [ErrRehearsed] at the very
// end, and notes in r what they would have done.
func Rehearse(ctx context.Context, r *Rehearsal) context.Context {
	return context.WithValue(ctx, rehearsalKey{}, r)
}

// RehearsalOf returns the rehearsal of a context, nil if it is none.
func RehearsalOf(ctx context.Context) *Rehearsal {
	r, _ := ctx.Value(rehearsalKey{}).(*Rehearsal)
	return r
}

// end lets a change that is only rehearsed fail.
func (c *change) end(ctx context.Context) error {
	r := RehearsalOf(ctx)
	if r == nil {
		return nil
	}
	r.Entries = append(r.Entries, c.entries...)
	return ErrRehearsed
}

// Changes returns what the rehearsed changes make different, field by field.
func (r *Rehearsal) Changes() []FieldChange {
	changes := []FieldChange{}
	for i := range r.Entries {
		changes = append(changes, r.Entries[i].Changes()...)
	}
	return changes
}

// Changes returns what a change made different, field by field.
func (e *AuditEntry) Changes() []FieldChange {
	before, after := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if json.Unmarshal(e.Before, &before) != nil || json.Unmarshal(e.After, &after) != nil {
		return []FieldChange{e.wholeChange()}
	}
	var changes []FieldChange
	both := maps.Clone(before)
	maps.Copy(both, after)
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if !bytes.Equal(before[name], after[name]) {
			changes = append(changes, fieldChange(e.Object+" "+camelCase(name), before[name], after[name]))
		}
	}
	return changes
}

// wholeChange is a thing that comes, goes or becomes another.
func (e *AuditEntry) wholeChange() FieldChange {
	c := fieldChange(e.Object, e.Before, e.After)
	switch {
	case e.Before == nil && e.After != nil:
		c.Text = e.Action + ": " + e.Object + " is new"
	case e.After == nil && e.Before != nil:
		c.Text = e.Action + ": " + e.Object + " is gone"
	case e.Before == nil:
		c.Text = e.Action + ": " + e.Object
	}
	return c
}

// camelCase writes the name of a field of a row as the API does.
func camelCase(name string) string {
	parts := strings.Split(name, "_")
	for i := 1; i < len(parts); i++ {
		if parts[i] != "" {
			parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
		}
	}
	return strings.Join(parts, "")
}
