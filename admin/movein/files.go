package movein

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mailbox/transfer"
)

// maildir is a Maildir as a source.
type maildir struct{ m *transfer.Maildir }

// OpenMaildir opens a Maildir or Maildir++.
func OpenMaildir(name string, now func() time.Time) (Source, error) {
	m, err := transfer.OpenMaildir(name, now)
	if err != nil {
		return nil, openError(err)
	}
	return &maildir{m}, nil
}

// openError says what to do about a folder or file that cannot be opened.
func openError(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the server may not read it (%w): copy it to the folder \"import\" of the data folder and give it to the user that the server runs as", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("it is not there, or the server may not look there: %w", err)
	}
	return err
}

func (s *maildir) Name() string { return "maildir" }
func (s *maildir) Workers() int { return 1 }
func (s *maildir) Close() error { return s.m.Close() }

func (s *maildir) Folders(ctx context.Context, _ Waits) (list []Folder, problems []Problem, err error) {
	found, bad, err := s.m.Folders()
	if err != nil {
		return nil, nil, openError(err)
	}
	for _, err := range bad {
		problems = append(problems, problem("", err))
	}
	for _, f := range found {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		n, err := s.m.Count(f)
		if err != nil {
			problems = append(problems, problem(f.Dir, err))
		}
		list = append(list, Folder{ID: f.Dir, Name: levelNames(f.Levels), Subscribed: f.Subscribed, Messages: n, ref: f})
	}
	return list, problems, nil
}

// levelNames makes a name of levels as files are named: modified UTF-7 (RFC
// 3501 section 5.1.3) or UTF-8, with the escapes of Dovecot's listescape.
func levelNames(levels []string) string {
	if len(levels) == 0 {
		return "INBOX"
	}
	names := make([]string, len(levels))
	for i, l := range levels {
		name, err := imapwire.DecodeUTF7(l)
		if err != nil {
			name = l
		}
		names[i] = strings.ReplaceAll(transfer.UnescapeLevel(name), "/", "_")
	}
	return strings.Join(names, "/")
}

func (s *maildir) Messages(_ context.Context, f *Folder, _ *Known) iter.Seq2[*Item, error] {
	return items(s.m.Messages(f.ref.(transfer.MaildirFolder)))
}

// items makes items of what a reader of files finds.
func items(found iter.Seq2[transfer.Found, error]) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		for m, err := range found {
			item := &Item{Name: m.Name, Problem: err, Unique: m.ID, Flags: m.Flags, Keywords: m.Keywords, Date: m.Date, Read: m.Size, Body: m.Body}
			if !yield(item, nil) {
				return
			}
		}
	}
}

// Bounds of a folder of mbox files.
const (
	maxFiles = 10_000
	maxDepth = 32
)

// mbox is an mbox, or a folder of them, as a source.
type mbox struct {
	root   *os.Root
	single string // the one file; "" for all of a folder
}

// OpenMbox opens an mbox or a folder with mbox files, as Thunderbird and many
// servers have them: Name.sbd and Name/ are below Name.
func OpenMbox(name string) (Source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, openError(err)
	}
	s := &mbox{}
	dir := name
	if !info.IsDir() {
		dir, s.single = filepath.Split(name)
	}
	if s.root, err = os.OpenRoot(filepath.Clean(dir)); err != nil {
		return nil, openError(err)
	}
	return s, nil
}

func (s *mbox) Name() string { return "mbox" }
func (s *mbox) Workers() int { return 1 }
func (s *mbox) Close() error { return s.root.Close() }

func (s *mbox) Folders(ctx context.Context, _ Waits) (list []Folder, problems []Problem, err error) {
	if s.single != "" {
		info, err := s.root.Stat(s.single)
		if err != nil {
			return nil, nil, openError(err)
		}
		return []Folder{{ID: "", Name: "INBOX", Octets: info.Size(), ref: s.single}}, nil, nil
	}
	err = s.files(ctx, ".", nil, func(f Folder, p *Problem) error {
		if p != nil {
			problems = append(problems, *p)
			return nil
		}
		if list = append(list, f); len(list) > maxFiles {
			return fmt.Errorf("this has more than %d files", maxFiles)
		}
		return nil
	})
	if err == nil && len(list) == 0 {
		err = errors.New("there is no mbox in this folder")
	}
	return list, problems, err
}

// files finds the mbox files below a folder.
func (s *mbox) files(ctx context.Context, dir string, levels []string, found func(Folder, *Problem) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(levels) > maxDepth {
		return errors.New("folders are too deep in others")
	}
	entries, err := fs.ReadDir(s.root.FS(), dir)
	if err != nil {
		return found(Folder{}, &Problem{dir, openError(err).Error()})
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		below := append(slices.Clone(levels), strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".sbd"), ".mbox"))
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir():
			err = s.files(ctx, name, below, found)
		case s.isMbox(name):
			f := Folder{ID: name, Name: levelNames(below), ref: name}
			if info, statErr := s.root.Stat(name); statErr == nil {
				f.Octets = info.Size()
			}
			if strings.EqualFold(f.Name, "inbox") {
				f.Name = "INBOX"
			}
			err = found(f, nil)
		case e.Type().IsRegular() && strings.HasSuffix(name, ".mbox"):
			err = found(Folder{}, &Problem{name, transfer.ErrNoMbox.Error()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isMbox reports whether a file begins as an mbox does, or is one without
// messages; others beside them are indexes and lists of programs.
func (s *mbox) isMbox(name string) bool {
	info, err := s.root.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	if info.Size() == 0 {
		return strings.HasSuffix(name, ".mbox")
	}
	f, err := s.root.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	b := make([]byte, 8)
	n, _ := f.Read(b)
	return strings.HasPrefix(strings.TrimLeft(strings.TrimPrefix(string(b[:n]), "\xef\xbb\xbf"), "\r\n"), "From ")
}

func (s *mbox) Messages(_ context.Context, f *Folder, _ *Known) iter.Seq2[*Item, error] {
	return func(yield func(*Item, error) bool) {
		name := f.ref.(string)
		file, err := s.root.Open(name)
		if err != nil {
			yield(&Item{Name: name, Problem: openError(err)}, nil)
			return
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil || !info.Mode().IsRegular() {
			yield(&Item{Name: name, Problem: errors.Join(err, errors.New("it is not a file"))}, nil)
			return
		}
		m := transfer.NewMbox(name, file, info.Size())
		at := int64(0)
		for item, err := range items(m.Messages()) {
			if err == nil {
				item.Read, at = m.Offset()-at, m.Offset()
			}
			if !yield(item, err) {
				return
			}
		}
	}
}
