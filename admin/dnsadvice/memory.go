package dnsadvice

import (
	"slices"
	"strings"
	"time"
)

// maxHistory bounds the changes that are kept of a domain.
const maxHistory = 100

// Memory is what a watch keeps of a domain between two checks.
type Memory struct {
	Seen    map[string]Seen `json:"seen"`    // by record ID
	History []Change        `json:"history"` // newest first
	Last    *Report         `json:"last,omitempty"`
}

// Seen is how a record stood.
type Seen struct {
	State State     `json:"state"`
	Since time.Time `json:"since"`
	Have  []string  `json:"have,omitempty"` // by the last check that knew
	Known bool      `json:"known"`          // Have is what was there
}

// Note compares a new report with what was seen before: it sets Since and
// History in it, and remembers it. A record that nobody could tell about has
// not changed.
func (m *Memory) Note(r *Report) {
	if m.Seen == nil {
		m.Seen = map[string]Seen{}
	}
	kept := map[string]bool{}
	for i := range r.Groups {
		for j := range r.Groups[i].Records {
			rec := &r.Groups[i].Records[j]
			kept[rec.ID] = true
			m.note(rec, r.CheckedAt)
		}
	}
	for id := range m.Seen {
		if !kept[id] { // is not wanted any more, such as an old key
			delete(m.Seen, id)
		}
	}
	m.History = m.History[:min(len(m.History), maxHistory)]
	r.History = slices.Clone(m.History)
	if r.History == nil {
		r.History = []Change{}
	}
	last := *r
	last.History = nil
	m.Last = &last
}

func (m *Memory) note(rec *Record, at time.Time) {
	was, known := m.Seen[rec.ID]
	now := Seen{State: rec.State, Since: was.Since, Have: was.Have, Known: was.Known}
	if !known || was.State != rec.State {
		now.Since = at
	}
	if rec.State != Unknown {
		have := slices.Sorted(slices.Values(rec.Have))
		if was.Known && !slices.Equal(was.Have, have) {
			m.History = slices.Insert(m.History, 0, Change{At: at, Record: rec.ID, Text: changed(rec, was.Have, have)})
		}
		now.Have, now.Known = have, true
	}
	m.Seen[rec.ID] = now
	rec.Since = now.Since
}

// changed says what happened to a record.
func changed(rec *Record, before, after []string) string {
	what := rec.Type + " of " + rec.Name
	switch {
	case len(before) == 0:
		return what + " appeared: " + quoteList(after)
	case len(after) == 0:
		return what + " is gone; it was " + quoteList(before)
	}
	return strings.Join([]string{what, "changed from", quoteList(before), "to", quoteList(after)}, " ")
}

// Recall is the last report with the history, nil if there is none.
func (m *Memory) Recall() *Report {
	if m.Last == nil {
		return nil
	}
	r := *m.Last
	r.History = slices.Clone(m.History)
	if r.History == nil {
		r.History = []Change{}
	}
	return &r
}
