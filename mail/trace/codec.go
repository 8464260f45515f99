package trace

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/mailstead/mailstead/mail"
)

// Rows begin with this octet; older ones are JSON and begin with '{' or '['.
const rowVersion = 1

var errRow = errors.New("row is damaged")

// A summary is a list of fields: tag, length, octets. An unknown tag is that of
// a newer version and is left out.
const (
	tagStart = iota + 1
	tagLast
	tagDirection
	tagReversePath
	tagRecipient // once for each
	tagMessageID
	tagSubjectHash
	tagRemoteIP
	tagRemoteName
	tagLogin
	tagSize
	tagOutcome
	tagStatus
	tagReason
	tagCause
	tagJunk
	tagQuarantined
)

// appendSummary appends the row of s, without its ID, which is the key.
func appendSummary(to []byte, s *Summary) []byte {
	to = append(to, rowVersion)
	text := func(tag byte, v string) {
		if v != "" {
			to = append(to, tag)
			to = appendText(to, v)
		}
	}
	number := func(tag byte, v int64) {
		if v != 0 {
			var b [binary.MaxVarintLen64]byte
			to = append(to, tag)
			to = appendText(to, b[:binary.PutVarint(b[:], v)])
		}
	}
	path := func(tag byte, p mail.Path) {
		to = append(to, tag)
		to = binary.AppendUvarint(to, uint64(uvarintLen(len(p.Local))+len(p.Local)+len(p.Domain)))
		to = appendText(to, p.Local)
		to = append(to, p.Domain...)
	}
	number(tagStart, nanoseconds(s.Start))
	number(tagLast, nanoseconds(s.Last))
	text(tagDirection, s.Direction)
	if !s.ReversePath.IsNull() {
		path(tagReversePath, s.ReversePath)
	}
	for _, p := range s.Recipients {
		path(tagRecipient, p)
	}
	text(tagMessageID, s.MessageID)
	text(tagSubjectHash, s.SubjectHash)
	text(tagRemoteIP, s.RemoteIP)
	text(tagRemoteName, s.RemoteName)
	text(tagLogin, s.Login)
	number(tagSize, s.Size)
	text(tagOutcome, s.Outcome)
	text(tagStatus, s.Status)
	text(tagReason, s.Reason)
	text(tagCause, s.Cause)
	if s.Junk {
		text(tagJunk, "1")
	}
	if s.Quarantined {
		text(tagQuarantined, "1")
	}
	return to
}

// decodeSummary reads the row of a summary, but for its ID.
func decodeSummary(row []byte) (s Summary, err error) {
	if len(row) == 0 || row[0] != rowVersion {
		err = json.Unmarshal(row, &s)
	} else {
		err = s.decode(row[1:])
	}
	if err != nil {
		return Summary{}, fmt.Errorf("trace summary: %w", err)
	}
	return s, nil
}

func (s *Summary) decode(row []byte) error {
	d := decoder{rest: row}
	for len(d.rest) > 0 && d.err == nil {
		tag := d.octet()
		v := d.text()
		switch tag {
		case tagStart:
			s.Start = timeOf(d.varint(v))
		case tagLast:
			s.Last = timeOf(d.varint(v))
		case tagDirection:
			s.Direction = string(v)
		case tagReversePath:
			s.ReversePath = d.path(v)
		case tagRecipient:
			s.Recipients = append(s.Recipients, d.path(v))
		case tagMessageID:
			s.MessageID = string(v)
		case tagSubjectHash:
			s.SubjectHash = string(v)
		case tagRemoteIP:
			s.RemoteIP = string(v)
		case tagRemoteName:
			s.RemoteName = string(v)
		case tagLogin:
			s.Login = string(v)
		case tagSize:
			s.Size = d.varint(v)
		case tagOutcome:
			s.Outcome = string(v)
		case tagStatus:
			s.Status = string(v)
		case tagReason:
			s.Reason = string(v)
		case tagCause:
			s.Cause = string(v)
		case tagJunk:
			s.Junk = true
		case tagQuarantined:
			s.Quarantined = true
		}
	}
	return d.err
}

// appendEvents appends a row of events: time, kind, text, and the fields as
// pairs with their number before them.
func appendEvents(to []byte, events []Event) []byte {
	return appendEventList(append(to, rowVersion), events)
}

func appendEventList(to []byte, events []Event) []byte {
	for i := range events {
		e := &events[i]
		to = binary.AppendVarint(to, nanoseconds(e.Time))
		to = appendText(to, e.Kind)
		to = appendText(to, e.Text)
		to = binary.AppendUvarint(to, uint64(len(e.Fields)))
		for name, v := range e.Fields {
			to = appendText(to, name)
			to = appendText(to, v)
		}
	}
	return to
}

func decodeEvents(row []byte) (events []Event, err error) {
	if len(row) == 0 || row[0] != rowVersion {
		err = json.Unmarshal(row, &events)
		return events, err
	}
	d := decoder{rest: row[1:]}
	for len(d.rest) > 0 && d.err == nil {
		e := Event{Time: timeOf(d.number()), Kind: Kind(d.text()), Text: string(d.text())}
		for n := d.count(); n > 0 && d.err == nil; n-- {
			if e.Fields == nil {
				e.Fields = make(map[string]string, n)
			}
			name := string(d.text())
			e.Fields[name] = string(d.text())
		}
		events = append(events, e)
	}
	if d.err != nil {
		return nil, d.err
	}
	return events, nil
}

func appendText[T ~string | ~[]byte](to []byte, v T) []byte {
	return append(binary.AppendUvarint(to, uint64(len(v))), v...)
}

func uvarintLen(n int) int {
	l := 1
	for ; n >= 0x80; n >>= 7 {
		l++
	}
	return l
}

// nanoseconds since 1970; 0 is no time at all.
func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// decoder reads a row. After an error it gives zero values.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail() { d.rest, d.err = nil, errRow }

func (d *decoder) octet() byte {
	b := d.rest[0] // whoever calls has seen that there is one
	d.rest = d.rest[1:]
	return b
}

func (d *decoder) count() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > uint64(len(d.rest)) {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) number() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.fail()
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) text() []byte {
	n := d.count()
	if n > uint64(len(d.rest)) {
		d.fail()
	}
	if d.err != nil {
		return nil
	}
	v := d.rest[:n]
	d.rest = d.rest[n:]
	return v
}

// varint reads a number that is all of v.
func (d *decoder) varint(v []byte) int64 {
	n, size := binary.Varint(v)
	if size <= 0 && d.err == nil {
		d.fail()
	}
	return n
}

func (d *decoder) path(v []byte) mail.Path {
	n, size := binary.Uvarint(v)
	if size <= 0 || n > uint64(len(v)-size) {
		d.fail()
		return mail.Path{}
	}
	local := v[size:]
	return mail.Path{Local: string(local[:n]), Domain: mail.Domain(local[n:])}
}
