package imapwire

import "time"

// Layouts of RFC 9051 section 9: date and date-time.
const (
	DateLayout     = "2-Jan-2006"
	DateTimeLayout = "_2-Jan-2006 15:04:05 -0700"
)

// Date takes a day, quoted or not. The result is its beginning in UTC.
func (d *Decoder) Date() time.Time {
	return d.time(DateLayout, "a date such as 1-Feb-2026", d.AString())
}

// DateTime takes a quoted date-time.
func (d *Decoder) DateTime() time.Time {
	return d.time(DateTimeLayout, `a date such as " 1-Feb-2026 10:00:00 +0000"`, d.String())
}

func (d *Decoder) time(layout, what, s string) time.Time {
	if d.err != nil {
		return time.Time{}
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		d.Fail("Expected " + what)
	}
	return t
}
