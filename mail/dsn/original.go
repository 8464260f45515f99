package dsn

import (
	"bytes"
	"io"

	"github.com/mailstead/mailstead/mail/message"
)

// original is what the report needs of the message it is about.
type original struct {
	header    []byte // fields only, CRLF line ends
	longLine  bool   // header has lines beyond 998 octets
	whole     []byte // nil if only the header is returned
	messageID string
	subject   string // decoded
}

// readOriginal reads as much of the message as is returned, or nil if nothing
// is.
func readOriginal(r *Report) (*original, error) {
	if r.Original == nil {
		return nil, nil
	}
	header, rest, err := message.SplitHeader(r.Original)
	if err != nil {
		return nil, err
	}
	o := new(original)
	o.fields(header)
	if !r.returnsAll() {
		return o, nil
	}
	x := message.NewIndexer()
	var whole bytes.Buffer
	limited := io.LimitReader(io.MultiReader(bytes.NewReader(header), rest), MaxReturn+1)
	if _, err := io.Copy(io.MultiWriter(&whole, x), limited); err != nil {
		return nil, err
	}
	// What must not be in a message/rfc822 part without an encoding, which it
	// cannot have (RFC 2046 section 5.2.1).
	const unfit = message.HasNUL | message.HasBareCR | message.HasBareLF | message.HasLongLine
	if ix := x.Close(); ix.Traits&unfit == 0 && whole.Len() <= MaxReturn {
		o.whole = whole.Bytes()
	}
	return o, nil
}

// fields takes what is usable of a header: its fields, with line ends made
// CRLF and NULs left out.
func (o *original) fields(header []byte) {
	for f := range message.Fields(header) {
		switch name := f.Name; {
		case o.messageID == "" && equalFold(name, "Message-ID"):
			if ids := message.ParseMsgIDs(f.Value()); len(ids) > 0 {
				o.messageID = line(ids[0])
			}
		case o.subject == "" && equalFold(name, "Subject"):
			o.subject = message.DecodeHeaderText(f.Value())
		}
		if len(o.header)+len(f.Raw) > maxReturnHeader {
			continue
		}
		for l := range bytes.Lines(f.Raw) {
			l = bytes.TrimRight(l, "\r\n")
			start := len(o.header)
			for _, c := range l {
				if c != 0 && c != '\r' {
					o.header = append(o.header, c)
				}
			}
			o.longLine = o.longLine || len(o.header)-start > 998
			o.header = append(o.header, '\r', '\n')
		}
	}
}
