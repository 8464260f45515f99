package queue

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// errRow means that a row was not written by this program, or by a newer
// version of it.
var errRow = errors.New("queue: row cannot be read; was it written by a newer version?")

// encoder appends fields to a row: unsigned varints, strings with their
// length before them.
type encoder struct{ b []byte }

func (e *encoder) uint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

func (e *encoder) string(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) bool(v bool) {
	if v {
		e.uint(1)
	} else {
		e.uint(0)
	}
}

// time keeps nanoseconds, as the index by time does. The zero time is 0.
func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.uint(0)
		return
	}
	e.uint(uint64(max(t.UnixNano(), 1)))
}

func (e *encoder) path(p mail.Path) {
	e.string(p.Local)
	e.string(string(p.Domain))
}

func (e *encoder) status(s mail.Status) {
	e.uint(uint64(s.Class))
	e.uint(uint64(s.Subject))
	e.uint(uint64(s.Detail))
}

func (e *encoder) recipient(r mail.Recipient) {
	e.path(r.Path)
	e.uint(uint64(r.Notify))
	e.string(r.ORcpt)
}

func (e *encoder) envelope(v *mail.Envelope) {
	e.path(v.ReversePath)
	e.uint(uint64(v.Body))
	e.bool(v.UTF8)
	e.bool(v.RequireTLS)
	e.uint(uint64(max(v.Size, 0)))
	e.uint(uint64(v.Ret))
	e.string(v.EnvID)
}

// decoder reads what an encoder wrote. After the first error everything is
// zero, and err stays.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() { d.b, d.err = nil, errRow }

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// small is uint for a value that must not be beyond most.
func (d *decoder) small(most uint64) uint64 {
	v := d.uint()
	if v > most {
		d.fail()
		return 0
	}
	return v
}

func (d *decoder) string() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail()
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *decoder) bool() bool { return d.small(1) == 1 }

func (d *decoder) time() time.Time {
	ns := d.small(1<<63 - 1)
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(ns)).UTC()
}

func (d *decoder) path() mail.Path {
	return mail.Path{Local: d.string(), Domain: mail.Domain(d.string())}
}

func (d *decoder) status() mail.Status {
	return mail.Status{Class: uint8(d.small(9)), Subject: uint16(d.small(999)), Detail: uint16(d.small(999))}
}

func (d *decoder) recipient() mail.Recipient {
	return mail.Recipient{Path: d.path(), Notify: mail.Notify(d.small(15)), ORcpt: d.string()}
}

func (d *decoder) envelope() mail.Envelope {
	return mail.Envelope{
		ReversePath: d.path(),
		Body:        mail.BodyType(d.small(uint64(mail.BodyBinaryMIME))),
		UTF8:        d.bool(),
		RequireTLS:  d.bool(),
		Size:        int64(d.small(1<<63 - 1)),
		Ret:         mail.Ret(d.small(uint64(mail.RetHeaders))),
		EnvID:       d.string(),
	}
}

// count reads the number of entries that follow, each of at least one octet.
func (d *decoder) count() int {
	return int(d.small(uint64(len(d.b))))
}

// version reads the version of a row, which comes first.
func (d *decoder) version(newest uint64) uint64 {
	v := d.small(newest)
	if v == 0 {
		d.fail()
	}
	return v
}

// end reports an error, also when something follows.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail()
	}
	return d.err
}
