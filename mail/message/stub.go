package message

import (
	"io"
	"iter"
	"time"
)

// Indexer makes an [Index] of the octets written to it.
type Indexer struct{}

func NewIndexer() *Indexer                              { return &Indexer{} }
func (x *Indexer) Write(p []byte) (int, error)          { return len(p), nil }
func (x *Indexer) Close() *Index                        { return &Index{} }
func Parse(r io.Reader) (*Index, error)                 { return &Index{}, nil }
func (ix *Index) AppendBinary(b []byte) ([]byte, error) { return b, nil }
func Decode(b []byte) (*Index, error)                   { return &Index{}, nil }
func DecodeEnvelope(b []byte) (*Envelope, error)        { return &Envelope{}, nil }

// Prepend accounts for a header block that is put before the message.
func (ix *Index) Prepend(header []byte) {}

// Section names what of a part IMAP asks for.
type Section uint8

const (
	SectionBody Section = iota
	SectionHeader
	SectionText
	SectionMIME
)

func (ix *Index) Find(path []int) (*Part, bool)                             { return nil, false }
func (ix *Index) Section(path []int, s Section) (start, end int64, ok bool) { return 0, 0, false }
func (ix *Index) Parts() iter.Seq[*Part]                                    { return nil }

func (p *Part) Param(name string) string          { return "" }
func (p *Part) Filename() string                  { return "" }
func (p *Part) IsMultipart() bool                 { return false }
func (p *Part) IsMessage() bool                   { return false }
func (p *Part) Size() int64                       { return p.BodyEnd - p.BodyStart }
func (p *Part) Reader(body io.ReaderAt) io.Reader { return nil }

func DecodeTransfer(encoding string, r io.Reader) io.Reader { return r }
func DecodeText(p *Part, r io.Reader) io.Reader             { return r }
func HTMLText(src string) string                            { return src }

// Field is one header field.
type Field struct {
	Name   string
	Raw    []byte // name, value with folding, line end
	Offset int    // of Raw in the header
}

func (f Field) Value() string { return "" }

func Fields(header []byte) iter.Seq[Field]                               { return func(func(Field) bool) {} }
func HeaderEnd(b []byte) int                                             { return 0 }
func ReadHeader(r io.Reader) ([]byte, error)                             { return nil, nil }
func SplitHeader(r io.Reader) (header []byte, rest io.Reader, err error) { return nil, r, nil }
func RemoveFields(header []byte, names ...string) []byte                 { return header }
func RemoveFieldsFunc(header []byte, remove func(Field) bool) []byte     { return header }
func IsAnswerable(header []byte) bool                                    { return false }

func FormatField(name, value string) []byte          { return nil }
func EncodeText(s string) string                     { return s }
func FormatAddress(a Address) string                 { return "" }
func FormatAddressList(list []Address) string        { return "" }
func DecodeHeaderText(raw string) string             { return raw }
func ParseAddressList(value string) []Address        { return nil }
func ParseDate(value string) (time.Time, bool)       { return time.Time{}, false }
func ParseMsgIDs(value string) []string              { return nil }
func SubjectBase(s string) (base string, reply bool) { return s, false }

// Spool keeps the octets of one message until it is delivered.
type Spool struct{}

func NewSpool(dir string) *Spool                         { return &Spool{} }
func (s *Spool) Write(p []byte) (int, error)             { return len(p), nil }
func (s *Spool) ReadAt(p []byte, off int64) (int, error) { return 0, io.EOF }
func (s *Spool) Size() int64                             { return 0 }
func (s *Spool) Reader() io.Reader                       { return nil }
func (s *Spool) Close() error                            { return nil }
