package message

import (
	"slices"
	"strings"
)

// FieldEdit is a change of one field of a header.
type FieldEdit struct {
	Name string
	Nth  int    // of the fields with the name, from 1; below 0 from the last, 0 is all
	Raw  []byte // what stands there instead, with its line end; nil: nothing
}

// EditFields returns header with the edits done; all of them count fields in
// header as it is, and of several for one field the last holds. What is for a
// field that is not there does nothing. Without an edit that does anything the
// result is header itself.
func EditFields(header []byte, edits []FieldEdit) []byte {
	if len(edits) == 0 {
		return header
	}
	count := map[string]int{}
	for f := range Fields(header) {
		count[strings.ToLower(f.Name)]++
	}
	var edited []byte
	from := 0
	at := map[string]int{}
	for f := range Fields(header) {
		name := strings.ToLower(f.Name)
		at[name]++
		e := editOf(edits, name, at[name], count[name])
		if e == nil {
			continue
		}
		edited = append(append(edited, header[from:f.Offset]...), e.Raw...)
		from = f.Offset + len(f.Raw)
	}
	if from == 0 {
		return header
	}
	return append(edited, header[from:]...)
}

// editOf finds the edit for the field with a name that is the nth of count.
func editOf(edits []FieldEdit, name string, nth, count int) *FieldEdit {
	for i := range slices.Backward(edits) {
		e := &edits[i]
		if strings.EqualFold(e.Name, name) && (e.Nth == 0 || e.Nth == nth || e.Nth == nth-count-1) {
			return e
		}
	}
	return nil
}
