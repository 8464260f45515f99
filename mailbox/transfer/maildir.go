package transfer

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Bounds of a tree of folders.
const (
	maxFolders = 10_000
	maxDepth   = 32
	readNames  = 1000 // names of files that are read at a time
)

// Maildir is a Maildir, with the folders of Maildir++ (".Name.Sub") or those
// that Dovecot calls LAYOUT=fs ("Name/Sub"). What a symbolic link that leads
// out of it points at is not read.
type Maildir struct {
	root   *os.Root
	now    func() time.Time
	nested bool // folders lie in folders
}

// OpenMaildir opens a Maildir; its Close must be called.
func OpenMaildir(name string, now func() time.Time) (*Maildir, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	return &Maildir{root: root, now: now}, nil
}

// Close implements io.Closer.
func (m *Maildir) Close() error { return m.root.Close() }

func (m *Maildir) open(name string) (fs.File, error) { return m.root.Open(name) }

// MaildirFolder is a folder of a Maildir.
type MaildirFolder struct {
	Dir        string // below the Maildir; "." is INBOX
	Levels     []string
	Subscribed bool
}

// Folders returns the folders, INBOX first. Levels are as the names of files
// are: modified UTF-7 in most, UTF-8 in some. bad are folders that cannot be
// read.
func (m *Maildir) Folders() (list []MaildirFolder, bad []error, err error) {
	if m.isFolder(".") {
		list = append(list, MaildirFolder{Dir: "."})
	}
	inside, err := m.folders(".", nil, &list, &bad)
	if err != nil {
		return nil, nil, err
	}
	m.nested = inside
	subscribed, err := m.subscriptions()
	if err != nil {
		bad = append(bad, &Unreadable{"subscriptions", err})
	}
	for i := range list {
		list[i].Subscribed = subscribed[strings.Join(list[i].Levels, "/")]
	}
	if len(list) == 0 {
		return nil, bad, errors.New("this is no Maildir: it has no folder cur or new, and no folder below it has")
	}
	return list, bad, nil
}

// folders adds the folders below dir, and reports whether any lies in a folder
// as files do, rather than having a name with dots.
func (m *Maildir) folders(dir string, levels []string, list *[]MaildirFolder, bad *[]error) (nested bool, err error) {
	names, err := m.names(dir, func(e fs.DirEntry) bool { return e.IsDir() || e.Type()&fs.ModeSymlink != 0 })
	if err != nil {
		*bad = append(*bad, &Unreadable{dir, err})
		return false, nil
	}
	slices.Sort(names)
	for _, name := range names {
		below := path.Join(dir, name)
		of, plus := levelsOf(name, dir, levels)
		if of == nil {
			continue
		}
		if len(*list) >= maxFolders || len(of) > maxDepth {
			return nested, errors.New("this has too many folders, or folders too deep in others")
		}
		if s, err := m.root.Stat(below); err != nil {
			*bad = append(*bad, &Unreadable{below, err})
			continue
		} else if !s.IsDir() {
			continue
		}
		if m.isFolder(below) {
			*list = append(*list, MaildirFolder{Dir: below, Levels: of})
			nested = nested || !plus
		}
		if plus || m.isLink(below) {
			continue
		}
		deeper, err := m.folders(below, of, list, bad)
		if err != nil {
			return nested, err
		}
		nested = nested || deeper
	}
	return nested, nil
}

// levelsOf returns the levels of a folder of files; nil if it is none of mail.
func levelsOf(name, dir string, above []string) (levels []string, plus bool) {
	switch {
	case name == "cur", name == "new", name == "tmp":
		return nil, false
	case strings.HasPrefix(name, "."):
		levels = strings.Split(name[1:], ".")
		if dir != "." || slices.Contains(levels, "") {
			return nil, false
		}
		return levels, true
	case strings.HasPrefix(name, "dovecot"), strings.HasPrefix(name, "maildirfolder"):
		return nil, false
	}
	return append(slices.Clone(above), name), false
}

// isFolder reports whether dir has messages as a Maildir has.
func (m *Maildir) isFolder(dir string) bool {
	for _, sub := range []string{"cur", "new"} {
		if s, err := m.root.Stat(path.Join(dir, sub)); err == nil && s.IsDir() {
			return true
		}
	}
	return false
}

func (m *Maildir) isLink(name string) bool {
	s, err := m.root.Lstat(name)
	return err != nil || s.Mode()&fs.ModeSymlink != 0
}

// names lists the entries of a folder that want says.
func (m *Maildir) names(dir string, want func(fs.DirEntry) bool) (names []string, err error) {
	f, err := m.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for {
		list, err := f.ReadDir(readNames)
		for _, e := range list {
			if want(e) {
				names = append(names, e.Name())
			}
		}
		if err == io.EOF {
			return names, nil
		}
		if err != nil {
			return names, err
		}
	}
}

// maildirFile is a message before it is opened.
type maildirFile struct {
	name string
	sub  string // cur or new
	uid  uint32 // its place, from dovecot-uidlist
}

// Count returns how many files a folder has.
func (m *Maildir) Count(f MaildirFolder) (n int64, err error) {
	for _, sub := range []string{"new", "cur"} {
		_, err := m.names(path.Join(f.Dir, sub), func(e fs.DirEntry) bool {
			if isMessage(e) {
				n++
			}
			return false
		})
		if err != nil {
			return n, &Unreadable{path.Join(f.Dir, sub), err}
		}
	}
	return n, nil
}

// isMessage reports whether an entry can be a message: names with a dot before
// them are not.
func isMessage(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), ".") }

// Messages yields the messages of a folder in the order clients saw them, or
// that of their names. An *Unreadable concerns one of them. Memory is that of
// the names.
func (m *Maildir) Messages(f MaildirFolder) iter.Seq2[Found, error] {
	return func(yield func(Found, error) bool) {
		var list []maildirFile
		for _, sub := range []string{"new", "cur"} {
			dir := path.Join(f.Dir, sub)
			names, err := m.names(dir, isMessage)
			if err != nil && !yield(Found{Name: dir}, &Unreadable{dir, err}) {
				return
			}
			for _, name := range names {
				list = append(list, maildirFile{name: name, sub: sub})
			}
		}
		keywords, err := m.keywordsOf(f.Dir)
		if err == nil {
			err = m.order(f.Dir, list)
		}
		if err != nil && !yield(Found{Name: f.Dir}, &Unreadable{f.Dir, err}) {
			return
		}
		body := newCRLF(nil)
		for _, file := range list {
			if !m.message(path.Join(f.Dir, file.sub, file.name), file, keywords, body, yield) {
				return
			}
		}
	}
}

// message yields one message.
func (m *Maildir) message(name string, file maildirFile, keywords []string, body *crlf, yield func(Found, error) bool) bool {
	base, letters := splitMaildirName(file.name)
	found := Found{Name: printable(name), ID: base}
	f, info, err := m.openRegular(name)
	if err != nil {
		return yield(found, &Unreadable{found.Name, err})
	}
	defer f.Close()
	found.Flags, found.Keywords = flagsOf(letters, keywords)
	found.Date, found.Size = receivedDate(base, info.ModTime(), m.now()), info.Size()
	body.reset(f)
	found.Body = body
	return yield(found, nil)
}

// openRegular opens a file that is one, and no device or pipe, which could be
// waited for without end.
func (m *Maildir) openRegular(name string) (*os.File, fs.FileInfo, error) {
	info, err := m.root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a file")
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := m.root.Open(name)
	return f, info, err
}
