package imapserver

import (
	"strings"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail/message"
)

// bodyWriter writes BODY and, with extension data, BODYSTRUCTURE (RFC 9051
// section 7.5.2) from the index.
type bodyWriter struct {
	e        *imapwire.Encoder
	extended bool
	rev2     bool
}

func (w bodyWriter) write(p *message.Part) {
	w.e.Raw("(")
	switch {
	case p.IsMultipart() && len(p.Children) > 0:
		w.multipart(p)
	default:
		w.single(p)
	}
	w.e.Raw(")")
}

// multipart is body-type-mpart. Its grammar needs at least one part, which
// message.Index promises.
func (w bodyWriter) multipart(p *message.Part) {
	for _, c := range p.Children {
		w.write(c)
	}
	w.e.SP().String(upper(p.Subtype))
	if w.extended {
		w.e.SP()
		w.params(p.Params)
		w.tail(p)
	}
}

// single is body-type-basic, body-type-msg or body-type-text.
func (w bodyWriter) single(p *message.Part) {
	typ, subtype := upper(p.Type), upper(p.Subtype)
	isMessage := p.IsMessage() && p.Envelope != nil && len(p.Children) == 1
	switch {
	case p.IsMultipart():
		typ, subtype = "APPLICATION", "OCTET-STREAM"
	case isMessage && !w.rev2:
		// Deviation: IMAP4rev1 has this form for RFC822 alone; its clients
		// would not expect an envelope in MESSAGE/GLOBAL.
		subtype = "RFC822"
	}
	w.e.String(typ).SP().String(subtype).SP()
	w.params(p.Params)
	w.e.SP().NString(p.ID, p.ID != "")
	w.e.SP().NString(p.Description, p.Description != "")
	w.e.SP().String(upper(orDefault(p.Encoding, "7bit")))
	w.e.SP().Int(p.Size())
	switch {
	case isMessage:
		w.e.SP()
		writeEnvelope(w.e, p.Envelope)
		w.e.SP()
		w.write(p.Children[0])
		w.e.SP().Int(p.Lines)
	case typ == "TEXT":
		w.e.SP().Int(p.Lines)
	}
	if w.extended {
		w.e.SP().NString(p.MD5, p.MD5 != "")
		w.tail(p)
	}
}

// tail is the extension data that all parts have in common.
func (w bodyWriter) tail(p *message.Part) {
	w.e.SP()
	if p.Disposition == "" {
		w.e.Raw("NIL")
	} else {
		w.e.Raw("(").String(upper(p.Disposition)).SP()
		w.params(p.DispositionParams)
		w.e.Raw(")")
	}
	w.e.SP()
	switch len(p.Language) {
	case 0:
		w.e.Raw("NIL")
	case 1:
		w.e.String(p.Language[0])
	default:
		w.e.Raw("(")
		for i, l := range p.Language {
			if i > 0 {
				w.e.SP()
			}
			w.e.String(l)
		}
		w.e.Raw(")")
	}
	w.e.SP().NString(p.Location, p.Location != "")
}

func (w bodyWriter) params(params []message.Param) {
	if len(params) == 0 {
		w.e.Raw("NIL")
		return
	}
	w.e.Raw("(")
	for i, p := range params {
		if i > 0 {
			w.e.SP()
		}
		w.e.String(upper(p.Name)).SP().String(p.Value)
	}
	w.e.Raw(")")
}

// upper writes a token as most servers do: clients compare it in any case, but
// not all of them.
func upper(s string) string { return strings.ToUpper(s) }

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}
