package trace

import (
	"sync"
	"sync/atomic"
)

// watchBuffer is how many summaries wait for a Watch to take them.
const watchBuffer = 1_024

// Watch hands out summaries as they are written.
type Watch struct {
	// C has each summary that is new or has changed. It is closed by Close.
	C <-chan Summary

	c      chan Summary
	missed atomic.Int64
	all    *watchers
}

// Missed returns how many summaries were left out because C was not read fast
// enough.
func (w *Watch) Missed() int64 { return w.missed.Load() }

// Close ends the Watch.
func (w *Watch) Close() {
	w.all.mu.Lock()
	defer w.all.mu.Unlock()
	if w.all.open[w] {
		delete(w.all.open, w)
		close(w.c)
	}
}

// watchers are the watches of a Log.
type watchers struct {
	mu   sync.Mutex
	open map[*Watch]bool
}

// Watch begins to hand out summaries. The writer never waits for it: whoever
// reads too slowly misses some. The Recipients of a summary must not be
// changed.
func (l *Log) Watch() *Watch {
	c := make(chan Summary, watchBuffer)
	w := &Watch{C: c, c: c, all: &l.watchers}
	l.watchers.mu.Lock()
	defer l.watchers.mu.Unlock()
	if l.watchers.open == nil {
		l.watchers.open = map[*Watch]bool{}
	}
	l.watchers.open[w] = true
	return w
}

func (ws *watchers) tell(changed []Written) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.open {
		for i := range changed {
			select {
			case w.c <- changed[i].Summary:
			default:
				w.missed.Add(1)
			}
		}
	}
}
