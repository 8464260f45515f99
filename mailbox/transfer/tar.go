package transfer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

// Records of the tar (pax) of an account: what the format itself has no place
// for. Programs that do not know them pass them over.
const (
	paxMessages    = "MAILSTEAD.messages" // of all that follow
	paxOctets      = "MAILSTEAD.octets"
	paxName        = "MAILSTEAD.name" // of a mailbox
	paxSubscribed  = "MAILSTEAD.subscribed"
	paxUIDValidity = "MAILSTEAD.uidvalidity"
	paxUIDNext     = "MAILSTEAD.uidnext"
	paxUID         = "MAILSTEAD.uid" // of a message
	paxFlags       = "MAILSTEAD.flags"
	paxKeywords    = "MAILSTEAD.keywords"
	paxPath        = "MAILSTEAD.reverse-path"
	paxEnd         = "MAILSTEAD.end" // "complete", or what went wrong
)

// TarWriter writes all mail of an account as a tar: a folder for each mailbox,
// and in it a file for each message, with the octets that are stored. It is
// for streams: what is on the other side reads it with ReadTar.
type TarWriter struct {
	t      *tar.Writer
	folder string
}

// NewTarWriter returns a TarWriter.
func NewTarWriter(w io.Writer) *TarWriter { return &TarWriter{t: tar.NewWriter(w)} }

// Begin implements Writer.
func (w *TarWriter) Begin(n Totals) error {
	return w.t.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "mailstead", Format: tar.FormatPAX, PAXRecords: map[string]string{
		paxMessages: fmt.Sprint(n.Messages), paxOctets: fmt.Sprint(n.Octets)}})
}

// Mailbox implements Writer.
func (w *TarWriter) Mailbox(m Mailbox) error {
	w.folder = strings.TrimSuffix(mboxFile(m.Name), mboxType) + "/"
	return w.t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: w.folder, Mode: 0o700, Format: tar.FormatPAX, PAXRecords: map[string]string{
		paxName: m.Name, paxSubscribed: strconv.FormatBool(m.Subscribed), paxUIDValidity: fmt.Sprint(m.UIDValidity), paxUIDNext: fmt.Sprint(m.UIDNext)}})
}

// Message implements Writer.
func (w *TarWriter) Message(_ context.Context, m Message) error {
	err := w.t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("%s%d.eml", w.folder, m.UID), Size: m.Size, Mode: 0o600, ModTime: m.InternalDate.UTC(),
		Format: tar.FormatPAX, PAXRecords: map[string]string{
			paxUID: fmt.Sprint(m.UID), paxFlags: "," + flagLetters(m.Flags), paxKeywords: "," + strings.Join(m.Keywords, " "), paxPath: m.ReversePath.Wire()}})
	if err == nil {
		_, err = io.Copy(w.t, m.Body)
	}
	return err
}

// End implements Writer.
func (w *TarWriter) End() error { return w.finish("complete") }

// Fail ends the tar early, and says why to who reads it.
func (w *TarWriter) Fail(why string) error { return w.finish("failed: " + why) }

func (w *TarWriter) finish(how string) error {
	err := w.t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "end", Mode: 0o600, Format: tar.FormatPAX, PAXRecords: map[string]string{paxEnd: how}})
	return errors.Join(err, w.t.Close())
}

// Close implements Writer; there is nothing to let go of.
func (w *TarWriter) Close() error { return nil }

// ErrCutOff means that a tar ended before its end.
var ErrCutOff = errors.New("it was cut off before its end")

// ReadTar gives what a TarWriter has written to w. It fails with ErrCutOff if
// the tar is not complete.
func ReadTar(ctx context.Context, r io.Reader, w Writer) error {
	t := tar.NewReader(r)
	ended := ""
	for {
		h, err := t.Next()
		switch {
		case ended != "" && errors.Is(err, io.EOF):
			return w.End()
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return ErrCutOff
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if how := h.PAXRecords[paxEnd]; how != "" {
			if why, ok := strings.CutPrefix(how, "failed: "); ok {
				return errors.New(why)
			}
			ended = how
			continue
		}
		if err := readTarEntry(ctx, h, t, w); err != nil {
			return err
		}
	}
}

// readTarEntry gives one entry to w.
func readTarEntry(ctx context.Context, h *tar.Header, body io.Reader, w Writer) error {
	rec := h.PAXRecords
	for name := range rec {
		if strings.HasPrefix(name, "GNU.sparse.") { // a few octets would become any number of zeros
			return errors.New("this is not what a Mailstead server sends")
		}
	}
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return w.Begin(Totals{Messages: recordNumber(rec, paxMessages), Octets: recordNumber(rec, paxOctets)})
	case tar.TypeDir:
		return w.Mailbox(Mailbox{Name: rec[paxName], Subscribed: rec[paxSubscribed] == "true",
			UIDValidity: mailbox.UIDValidity(recordNumber(rec, paxUIDValidity)), UIDNext: mailbox.UID(recordNumber(rec, paxUIDNext))})
	case tar.TypeReg:
		m := Message{UID: mailbox.UID(recordNumber(rec, paxUID)), InternalDate: h.ModTime, Size: h.Size, Body: body}
		m.Flags, _ = flagsOf(strings.TrimPrefix(rec[paxFlags], ","), nil)
		m.Keywords = strings.Fields(strings.TrimPrefix(rec[paxKeywords], ","))
		if p, err := mail.ParsePath(rec[paxPath]); err == nil {
			m.ReversePath = p
		}
		err := w.Message(ctx, m)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = ErrCutOff
		}
		return err
	}
	return nil
}

func recordNumber(records map[string]string, name string) int64 {
	n, _ := strconv.ParseInt(records[name], 10, 64)
	return n
}
