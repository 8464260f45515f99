package wire

import (
	"strings"
	"sync"
	"time"
)

// Bounds of a transcript.
const (
	maxLines    = 100
	maxLineText = 300
)

// Line is one line of a dialogue.
type Line struct {
	Time   time.Time
	Client bool // said by the client
	Text   string
}

// transcript keeps the last lines.
type transcript struct {
	mu    sync.Mutex
	lines []Line
	next  int
}

// Record adds a line to the transcript. Credentials and message data must not
// be given to it.
func (c *Conn) Record(client bool, text string) {
	if len(text) > maxLineText {
		text = text[:maxLineText] + "…"
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	l := Line{Time: time.Now(), Client: client, Text: text}
	t := &c.lines
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) < maxLines {
		t.lines = append(t.lines, l)
		return
	}
	t.lines[t.next] = l
	t.next = (t.next + 1) % maxLines
}

// Transcript returns the last lines, oldest first.
func (c *Conn) Transcript() []Line {
	t := &c.lines
	t.mu.Lock()
	defer t.mu.Unlock()
	return append(append([]Line(nil), t.lines[t.next:]...), t.lines[:t.next]...)
}
