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

// Transcript returns the last lines that came after a moment, oldest first.
func (c *Conn) Transcript(after time.Time) []Line {
	t := &c.lines
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.lines)
	first := n
	for first > 0 && t.lines[(t.next+first-1)%n].Time.After(after) {
		first--
	}
	lines := make([]Line, 0, n-first)
	for i := first; i < n; i++ {
		lines = append(lines, t.lines[(t.next+i)%n])
	}
	return lines
}
