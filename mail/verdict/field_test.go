package verdict

import (
	"reflect"
	"strings"
	"testing"

	"github.com/mailstead/mailstead/mail"
)

func TestFieldRoundTrip(t *testing.T) {
	for _, f := range []Field{
		{},
		{Place: Quarantine, Score: 11.5, Reasons: []mail.Reason{{Name: "words", Score: 5}, {Name: "link.address", Score: 2.5}, {Name: "dmarc.pass", Score: -1}}},
		{Place: Junk, Score: -0.5, List: Allow},
	} {
		field := string(f.Format())
		value, ok := strings.CutPrefix(strings.ReplaceAll(strings.TrimSuffix(field, "\r\n"), "\r\n", ""), FieldName+": ")
		got, parsed := ParseField(value)
		if !ok || !parsed || !reflect.DeepEqual(got, f) {
			t.Errorf("%q came back as %+v, %v", field, got, parsed)
		}
	}
}

// FuzzParseField reads fields of strangers: an import brings some.
func FuzzParseField(f *testing.F) {
	for _, v := range []string{"", ";", "Quarantine ; score=x; reasons=,=,a=b,=3", "inbox; reasons=a=1=2", "junk; score=6.3; list=allow;\r\n\treasons=words=+3.1,\r\n\tx=-1.0"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, ok := ParseField(value)
		for _, r := range got.Reasons {
			if r.Name == "" {
				t.Errorf("%q has a reason without a name", value)
			}
		}
		if !ok && !reflect.DeepEqual(got, Field{}) {
			t.Errorf("%q: %+v of what is no field", value, got)
		}
	})
}
