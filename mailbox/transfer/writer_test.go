package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailstead/mailstead/imap/imapwire"
	"github.com/mailstead/mailstead/mail"
	"github.com/mailstead/mailstead/mailbox"
)

func utf7(s string) string { return string(imapwire.AppendUTF7(nil, s)) }

// sampleNames are names that files cannot have as they are.
var sampleNames = []string{"INBOX", "INBOX/Sub", "Sent", "Work/Pläne/v1.2", `odd \ name`, "R&D", ".hidden", "..", "x.mbox", "a.sbd/b", "日本語", "~home", `\2e`, strings.Repeat("ü", 40)}

var sampleDate = time.Date(2004, 5, 6, 7, 8, 9, 0, time.UTC)

// sample is a message of a mailbox.
func sample(box string, uid mailbox.UID) (Message, string) {
	text := fmt.Sprintf("Subject: %d of %s\r\nTo: <a@b.example>\r\n\r\nFrom here\r\n>From there\r\n\r\nbare \r CR\r\n", uid, box)
	m := Message{UID: uid, InternalDate: sampleDate.Add(time.Duration(uid) * time.Hour), ReversePath: mail.Path{Local: "bo", Domain: "far.example"}, Size: int64(len(text)), Body: strings.NewReader(text)}
	switch uid % 3 {
	case 1:
		m.Flags, m.Keywords = mailbox.Seen|mailbox.Flagged, []string{"$Label1", "$Forwarded"}
	case 2:
		m.Flags, m.Keywords = mailbox.Answered|mailbox.Draft|mailbox.Deleted, []string{"work", "$label1"}
	}
	return m, text
}

// writeSample writes three messages to each mailbox.
func writeSample(t *testing.T, w Writer) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.Begin(Totals{Messages: int64(3 * len(sampleNames)), Octets: 1}))
	for i, name := range sampleNames {
		must(w.Mailbox(Mailbox{Name: name, Subscribed: i%2 == 0, UIDValidity: 77, UIDNext: 1000}))
		for _, uid := range []mailbox.UID{1, 5, 900} {
			m, _ := sample(name, uid)
			must(w.Message(t.Context(), m))
		}
	}
	must(w.End())
	must(w.Close())
}

// wantSample is what was written to a mailbox, as describe has it.
func wantSample(name string) (list []string) {
	for _, uid := range []mailbox.UID{1, 5, 900} {
		m, text := sample(name, uid)
		list = append(list, describe(m.Flags, m.Keywords, m.InternalDate, text))
	}
	return list
}

func describe(flags mailbox.Flags, keywords []string, date time.Time, text string) string {
	var list []string
	for _, k := range keywords {
		list = append(list, strings.ToLower(k))
	}
	slices.Sort(list)
	return fmt.Sprintf("%d %v %d %q", flags, list, date.Unix(), text)
}

func decoded(levels []string) string {
	for i, l := range levels {
		if name, err := imapwire.DecodeUTF7(l); err == nil {
			l = name
		}
		levels[i] = UnescapeLevel(l)
	}
	if len(levels) == 0 {
		return "INBOX"
	}
	return strings.Join(levels, "/")
}

func TestMaildirWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Maildir")
	w, err := NewMaildirWriter(dir, utf7)
	if err != nil {
		t.Fatal(err)
	}
	writeSample(t, w)
	m := openMaildir(t, dir)
	folders, bad, err := m.Folders()
	if err != nil || len(bad) > 0 {
		t.Fatal(bad, err)
	}
	got := map[string][]string{}
	for _, f := range folders {
		name := decoded(slices.Clone(f.Levels))
		if i := slices.Index(sampleNames, name); f.Subscribed != (i%2 == 0) && i > 0 {
			t.Errorf("%s: subscribed is %v", name, f.Subscribed)
		}
		for item, err := range m.Messages(f) {
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(item.Body)
			if err != nil {
				t.Fatal(err)
			}
			got[name] = append(got[name], describe(item.Flags, item.Keywords, item.Date, string(b)))
		}
	}
	for _, name := range sampleNames {
		if want := wantSample(name); !slices.Equal(got[name], want) {
			t.Errorf("%s came back as\n%v\nwant\n%v", name, got[name], want)
		}
	}
	if len(got) != len(sampleNames) {
		t.Errorf("%d folders, want %d", len(got), len(sampleNames))
	}
}

// TestMaildirNames: size, flags in the order of ASCII, and the time.
func TestMaildirNames(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Maildir")
	w, err := NewMaildirWriter(dir, utf7)
	if err != nil {
		t.Fatal(err)
	}
	writeSample(t, w)
	_, text := sample("INBOX", 5)
	n := len(strings.ReplaceAll(text, "\r\n", "\n"))
	name := filepath.Join(dir, "cur", fmt.Sprintf("%d.M1U5.mailstead,S=%d,W=%d:2,DRTac", sampleDate.Add(5*time.Hour).Unix(), n, len(text)))
	info, err := os.Stat(name)
	if err != nil || int(info.Size()) != n || !info.ModTime().Equal(sampleDate.Add(5*time.Hour)) {
		list, _ := os.ReadDir(filepath.Join(dir, "cur"))
		t.Errorf("%v, %v; there are %v", info, err, list)
	}
	for file, want := range map[string]string{"dovecot-keywords": "0 $Label1\n1 $Forwarded\n2 work\n", "dovecot-uidlist": fmt.Sprintf("3 V77 N1000\n1 :%d.M1U1", sampleDate.Add(time.Hour).Unix())} {
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || !strings.HasPrefix(string(b), want) {
			t.Errorf("%s = %q, %v; want %q", file, b, err, want)
		}
	}
}

// TestMaildirKeywords: a folder has 26; the next folder begins anew.
func TestMaildirKeywords(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "Maildir")
	w, err := NewMaildirWriter(dir, utf7)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{w.Begin(Totals{}), w.Mailbox(Mailbox{Name: "INBOX"})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 30 {
		m := Message{UID: mailbox.UID(i + 1), InternalDate: sampleDate, Keywords: []string{fmt.Sprint("k", i), "k29"}, Body: strings.NewReader("a\r\n")}
		if err := w.Message(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(); err != nil {
		t.Fatal(err)
	}
	if len(w.Lost) != 4 || !strings.Contains(w.Lost[0], "the keyword k25 is left out in the folder .") {
		t.Errorf("lost: %q", w.Lost)
	}
}

func TestMboxWriter(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mbox")
	w, err := NewMboxWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	writeSample(t, w)
	for _, name := range sampleNames {
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(mboxFile(name))))
		if err != nil {
			t.Error(err)
			continue
		}
		if !strings.HasPrefix(string(b), "From bo@far.example Thu May  6 08:08:09 2004\nStatus: RO\nX-Status: F\nX-Keywords: $Label1 $Forwarded\nSubject: 1 of ") {
			t.Errorf("%s begins with %.200q", name, b)
		}
		var got []string
		for item, err := range NewMbox(name, bytes.NewReader(b), int64(len(b))).Messages() {
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(item.Body)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, describe(item.Flags, item.Keywords, item.Date, string(text)))
		}
		if want := wantSample(name); !slices.Equal(got, want) {
			t.Errorf("%s came back as\n%v\nwant\n%v", name, got, want)
		}
	}
}

// TestMboxHead: what a message says of flags itself is left out; one without
// a header keeps what it has.
func TestMboxHead(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"own fields", "A: b\r\nstatus: RO\r\n folded\r\nX-Keywords : x\r\nX-UID: 3\r\nC: d\r\n\r\nStatus: text\r\n", "Status: O\nA: b\nC: d\n\nStatus: text\n\n"},
		{"no header", "\r\ntext\r\n", "Status: O\n\ntext\n\n"},
		{"begins with a space", " a\r\n\r\nb\r\n", " a\n\nb\n\n"},
		{"only a header", "A: b\r\nStatus: x", "Status: O\nA: b\n\n"},
		{"long line", "Status: " + strings.Repeat("x", 3*bufferSize) + "\r\nA: b\r\n\r\n", "Status: O\nA: b\n\n\n"},
		{"empty", "", "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			m := newMbox(&out)
			m.status = true
			if err := m.message(t.Context(), Message{InternalDate: sampleDate, Body: strings.NewReader(tt.in)}); err != nil {
				t.Fatal(err)
			}
			if err := m.w.Flush(); err != nil {
				t.Fatal(err)
			}
			_, got, _ := strings.Cut(out.String(), "\n")
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// recorder is a Writer that remembers.
type recorder struct {
	list []string
	err  error
}

func (r *recorder) note(format string, args ...any) error {
	r.list = append(r.list, fmt.Sprintf(format, args...))
	return r.err
}

func (r *recorder) Begin(n Totals) error    { return r.note("%+v", n) }
func (r *recorder) Mailbox(m Mailbox) error { return r.note("%+v", m) }
func (r *recorder) End() error              { return r.note("end") }
func (r *recorder) Close() error            { return nil }
func (r *recorder) Message(_ context.Context, m Message) error {
	b, err := io.ReadAll(m.Body)
	return errors.Join(err, r.note("%d %v %d %s", m.UID, m.ReversePath, m.Size, describe(m.Flags, m.Keywords, m.InternalDate, string(b))))
}

func TestTar(t *testing.T) {
	var out bytes.Buffer
	writeSample(t, NewTarWriter(&out))
	var want, got recorder
	writeSample(t, &want)
	if err := ReadTar(t.Context(), bytes.NewReader(out.Bytes()), &got); err != nil || !slices.Equal(got.list, want.list) {
		t.Errorf("ReadTar = %v\n%v\nwant\n%v", err, strings.Join(got.list, "\n"), strings.Join(want.list, "\n"))
	}
	for n := 0; n < out.Len()-1024; n += 511 { // the end has two blocks of zeros
		got := recorder{}
		if err := ReadTar(t.Context(), bytes.NewReader(out.Bytes()[:n]), &got); err == nil || slices.Contains(got.list, "end") {
			t.Fatalf("cut off at %d of %d: %v", n, out.Len(), err)
		}
	}
	var failed bytes.Buffer
	w := NewTarWriter(&failed)
	if err := errors.Join(w.Begin(Totals{}), w.Fail("the disk is on fire")); err != nil {
		t.Fatal(err)
	}
	if err := ReadTar(t.Context(), &failed, &recorder{}); err == nil || err.Error() != "the disk is on fire" {
		t.Errorf("ReadTar = %v", err)
	}
	if err := ReadTar(t.Context(), bytes.NewReader(out.Bytes()), &recorder{err: errBroken}); !errors.Is(err, errBroken) {
		t.Errorf("ReadTar = %v", err)
	}
}

func FuzzReadTar(f *testing.F) {
	var out bytes.Buffer
	w := NewTarWriter(&out)
	m, _ := sample("INBOX", 5)
	if err := errors.Join(w.Begin(Totals{2, 3}), w.Mailbox(Mailbox{Name: "INBOX"}), w.Message(f.Context(), m), w.End()); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		var r recorder
		if err := ReadTar(t.Context(), bytes.NewReader(b), &r); (err == nil) != slices.Contains(r.list, "end") {
			t.Errorf("%v, %q", err, r.list)
		}
	})
}

func FuzzFolderNames(f *testing.F) {
	for _, name := range sampleNames {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		clean, err := mailbox.CleanName(name)
		if err != nil {
			return
		}
		folder, file := maildirFolder(clean, utf7), mboxFile(clean)
		if strings.ContainsAny(folder, "/\x00") || len(folder) > maxFileName || folder != "" && strings.Contains(folder, "..") || !filepath.IsLocal(file) {
			t.Fatalf("%q has the folder %q and the file %q", clean, folder, file)
		}
		if !strings.Contains(folder, "~") && clean != "INBOX" && decoded(strings.Split(folder[1:], ".")) != clean {
			t.Errorf("%q has the folder %q", clean, folder)
		}
	})
}

// TestShorten: names that do not fit stay apart, and fit.
func TestShorten(t *testing.T) {
	long := strings.Repeat("ü", 125)
	a, b := maildirFolder(long+"a", utf7), maildirFolder(long+"b", utf7)
	if a == b || len(a) > maxFileName || len(b) > maxFileName || !strings.HasPrefix(a, ".&APwA") {
		t.Errorf("%q and %q", a, b)
	}
	if got := AccountFolder("../../x\\@a.example"); got != `\2e.\2f..\2fx\5c@a.example` {
		t.Errorf("AccountFolder = %q", got)
	}
}

func TestLF(t *testing.T) {
	for _, in := range []string{"", "a", "a\r\nb\r\n", "a\rb\r", "\r\r\n", "\r\n\r\n", "a\nb"} {
		var out strings.Builder
		l := lf{w: &out}
		for i := range len(in) { // one by one, and each state is met
			if _, err := l.Write([]byte(in[i : i+1])); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(in, "\r\n", "\n")
		if out.String() != want || int(l.n) != len(want) || int(l.lines) != strings.Count(want, "\n") {
			t.Errorf("%q became %q (%d, %d)", in, out.String(), l.n, l.lines)
		}
	}
}

// TestWriteAccount: all mailboxes of an account, empty ones too.
func TestWriteAccount(t *testing.T) {
	boxes, acct := newAccount(t)
	for i := range batch + 3 {
		deliver(t, boxes, fmt.Sprintf("Subject: %d\r\n\r\n", i), mailbox.Target{Account: acct.ID(), Flags: mailbox.Seen, Keywords: []string{"k"}})
	}
	var r recorder
	if err := Write(t.Context(), boxes, acct, &r); err != nil {
		t.Fatal(err)
	}
	if messages := len(r.list) - 8; messages != batch+3 || r.list[len(r.list)-1] != "end" || !strings.Contains(r.list[2], "[k]") { // totals, six mailboxes, end
		t.Errorf("%d messages, %v", messages, r.list[:3])
	}
	r = recorder{err: errBroken}
	if err := Write(t.Context(), boxes, acct, &r); !errors.Is(err, errBroken) || len(r.list) != 1 {
		t.Errorf("Write = %v after %v", err, r.list)
	}
}
