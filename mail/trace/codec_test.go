package trace

import (
	"reflect"
	"testing"
	"time"

	"github.com/mailstead/mailstead/mail"
)

func TestRowsRoundTrip(t *testing.T) {
	when := time.Date(2026, 11, 1, 12, 0, 0, 123_456_789, time.UTC)
	full := Summary{Start: when, Last: when.Add(time.Hour), Direction: "in", ReversePath: mail.Path{Local: "a\x00\xff", Domain: "x.example"},
		Recipients: []mail.Path{{Local: "postmaster"}, {Local: "b", Domain: "y.example"}}, MessageID: "<m@x>", SubjectHash: "00ff", RemoteIP: "2001:db8::1",
		RemoteName: "mx.x.example", Login: "ana", Size: 1 << 40, Outcome: "bounced", Status: "5.1.1", Reason: "no such user", Cause: "5.1.1 x", Junk: true, Quarantined: true}
	// A field that is left out here would be lost without a sound.
	v := reflect.ValueOf(full)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; name != "ID" && v.Field(i).IsZero() {
			t.Errorf("this test does not set Summary.%s", name)
		}
	}
	for _, s := range []Summary{{}, full} {
		if got, err := decodeSummary(appendSummary(nil, &s)); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("summary %+v came back as %+v, %v", s, got, err)
		}
	}
	events := []Event{{}, {Time: when, Kind: Check, Text: "spf=pass", Fields: map[string]string{"result": "pass", "": ""}}}
	if got, err := decodeEvents(appendEvents(nil, events)); err != nil || !reflect.DeepEqual(got, events) {
		t.Errorf("events %+v came back as %+v, %v", events, got, err)
	}
	newer := appendText(append(appendSummary(nil, &full), 200), "of a later version")
	if got, err := decodeSummary(newer); err != nil || !reflect.DeepEqual(got, full) {
		t.Errorf("a summary with an unknown field came back as %+v, %v", got, err)
	}
}

// FuzzRows reads rows that no version has written.
func FuzzRows(f *testing.F) {
	f.Add(appendSummary(nil, &Summary{Size: 7, ReversePath: mail.Path{Local: "a", Domain: "b"}}))
	f.Add(appendEvents(nil, []Event{{Kind: Done, Fields: map[string]string{"a": "b"}}}))
	f.Add([]byte(`{"size":7}`))
	f.Add([]byte{rowVersion, 0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, row []byte) {
		if s, err := decodeSummary(row); err == nil {
			if again, err := decodeSummary(appendSummary(nil, &s)); err != nil || !reflect.DeepEqual(again.Recipients, s.Recipients) {
				t.Errorf("%+v came back as %+v, %v", s, again, err)
			}
		}
		if events, err := decodeEvents(row); err == nil {
			if again, err := decodeEvents(appendEvents(nil, events)); err != nil || len(again) != len(events) {
				t.Errorf("%d events came back as %d, %v", len(events), len(again), err)
			}
		}
	})
}
