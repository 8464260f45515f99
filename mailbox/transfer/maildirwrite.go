package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailstead/mailstead/mailbox"
)

// MaildirWriter writes a Maildir++ that Dovecot can use as it is: folders
// ".Name.Sub" in modified UTF-7, flags in the names of files, keywords as
// letters that dovecot-keywords explains, UIDs in dovecot-uidlist. The time of
// a file is the INTERNALDATE of its message. Lines end in LF.
//
// A folder has letters for 26 keywords; Lost says what did not fit.
type MaildirWriter struct {
	dir    string
	utf7   func(string) string
	out    *bufio.Writer
	lf     lf
	buf    []byte
	folder string // that is being written; "" before the first
	boxID  int
	kept   []string // keywords that have a letter in it
	uids   *listFile
	subs   *listFile
	lost   map[string]bool // keyword and folder
	Lost   []string        // sentences
}

// NewMaildirWriter makes the folder dir, which must not be there. utf7 encodes
// in modified UTF-7 (RFC 3501 section 5.1.3).
func NewMaildirWriter(dir string, utf7 func(string) string) (*MaildirWriter, error) {
	w := &MaildirWriter{dir: dir, utf7: utf7, out: bufio.NewWriterSize(nil, bufferSize), buf: make([]byte, bufferSize), lost: map[string]bool{}}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return w, makeMaildir(dir)
}

// makeMaildir makes the folders that a folder of a Maildir has.
func makeMaildir(dir string) error {
	for _, sub := range []string{"tmp", "new", "cur"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

// Begin implements Writer.
func (w *MaildirWriter) Begin(Totals) (err error) {
	if w.subs, err = newListFile(filepath.Join(w.dir, "subscriptions")); err == nil {
		w.subs.line("V\t2\n")
	}
	return err
}

// Mailbox implements Writer.
func (w *MaildirWriter) Mailbox(m Mailbox) (err error) {
	if err := w.endFolder(); err != nil {
		return err
	}
	name := maildirFolder(m.Name, w.utf7)
	w.folder = filepath.Join(w.dir, name)
	w.boxID++
	if name != "" {
		if err := os.Mkdir(w.folder, 0o700); err != nil {
			return err
		}
		if err := errors.Join(makeMaildir(w.folder), writeNew(filepath.Join(w.folder, "maildirfolder"), "")); err != nil {
			return err
		}
		if m.Subscribed {
			w.subs.line(strings.ReplaceAll(name[1:], ".", "\t"))
		}
	} else if m.Subscribed {
		w.subs.line("INBOX")
	}
	if w.uids, err = newListFile(filepath.Join(w.folder, "dovecot-uidlist")); err != nil {
		return err
	}
	w.uids.line(fmt.Sprintf("3 V%d N%d", m.UIDValidity, m.UIDNext))
	return nil
}

// Message implements Writer.
func (w *MaildirWriter) Message(_ context.Context, m Message) error {
	base := fmt.Sprintf("%d.M%dU%d.mailstead", max(m.InternalDate.Unix(), 0), w.boxID, m.UID)
	tmp := filepath.Join(w.folder, "tmp", base)
	if err := w.body(tmp, m.Body); err != nil {
		return err
	}
	if err := os.Chtimes(tmp, m.InternalDate, m.InternalDate); err != nil {
		return err
	}
	base += fmt.Sprintf(",S=%d,W=%d", w.lf.n, w.lf.n+w.lf.lines)
	w.uids.line(fmt.Sprintf("%d :%s", m.UID, base))
	return os.Rename(tmp, filepath.Join(w.folder, "cur", base+":2,"+w.letters(&m)))
}

// body writes the octets of a message.
func (w *MaildirWriter) body(name string, r io.Reader) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	w.out.Reset(f)
	w.lf.reset(w.out)
	_, err = io.CopyBuffer(&w.lf, onlyReader{r}, w.buf)
	return errors.Join(err, w.lf.end(), w.out.Flush(), f.Close())
}

// onlyReader hides what else a reader can, so that the buffer is used.
type onlyReader struct{ io.Reader }

// letters are the flags and keywords of a message as a name has them: in the
// order of ASCII.
func (w *MaildirWriter) letters(m *Message) string {
	b := []byte(flagLetters(m.Flags))
	for _, k := range m.Keywords {
		if strings.EqualFold(k, forwarded) {
			b = append(b, 'P')
		}
	}
	for i := range w.indexes(m.Keywords) { // $Forwarded as well: Dovecot does not know P
		b = append(b, 'a'+byte(i))
	}
	slices.Sort(b)
	return string(b)
}

// indexes yields the numbers of the letters of keywords; new ones get the next.
func (w *MaildirWriter) indexes(keywords []string) map[int]bool {
	list := map[int]bool{}
	for _, k := range keywords {
		i := slices.IndexFunc(w.kept, func(have string) bool { return strings.EqualFold(have, k) })
		if i < 0 && len(w.kept) < maxKeyword {
			i = len(w.kept)
			w.kept = append(w.kept, k)
		}
		if i < 0 {
			w.lose(k)
			continue
		}
		list[i] = true
	}
	return list
}

// lose notes a keyword that got no letter.
func (w *MaildirWriter) lose(keyword string) {
	key := keyword + "\x00" + w.folder
	if w.lost[key] {
		return
	}
	w.lost[key] = true
	rel, _ := filepath.Rel(w.dir, w.folder)
	w.Lost = append(w.Lost, fmt.Sprintf("the keyword %s is left out in the folder %s: a folder of a Maildir can have %d", keyword, rel, maxKeyword))
}

// endFolder writes what is known of a folder only at its end.
func (w *MaildirWriter) endFolder() error {
	if w.folder == "" {
		return nil
	}
	err := w.uids.close()
	w.uids = nil
	if len(w.kept) > 0 {
		var b strings.Builder
		for i, k := range w.kept {
			fmt.Fprintf(&b, "%d %s\n", i, k)
		}
		err = errors.Join(err, writeNew(filepath.Join(w.folder, "dovecot-keywords"), b.String()))
	}
	w.kept, w.folder = nil, ""
	return err
}

// End implements Writer.
func (w *MaildirWriter) End() error {
	err := errors.Join(w.endFolder(), w.subs.close())
	w.subs = nil
	return err
}

// Close implements Writer.
func (w *MaildirWriter) Close() error {
	var errs []error
	for _, l := range []*listFile{w.uids, w.subs} {
		if l != nil {
			errs = append(errs, l.close())
		}
	}
	w.uids, w.subs = nil, nil
	return errors.Join(errs...)
}

// listFile is a small file of lines that is being written. Its errors come
// from close.
type listFile struct {
	f *os.File
	w *bufio.Writer
}

func newListFile(name string) (*listFile, error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &listFile{f, bufio.NewWriter(f)}, nil
}

func (l *listFile) line(s string) { l.w.WriteString(s + "\n") }

func (l *listFile) close() error { return errors.Join(l.w.Flush(), l.f.Close()) }

// writeNew writes a file that is not there.
func writeNew(name, text string) error {
	l, err := newListFile(name)
	if err != nil {
		return err
	}
	l.w.WriteString(text)
	return l.close()
}

// flagLetters are flags as Maildir has them.
func flagLetters(f mailbox.Flags) string {
	var b []byte
	for letter, flag := range maildirFlags {
		if f&flag != 0 {
			b = append(b, letter)
		}
	}
	slices.Sort(b)
	return string(b)
}
